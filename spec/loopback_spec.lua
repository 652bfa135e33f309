local loopback = require "moonpost.loopback"

describe("loopback", function()
  it("is 127.0.0.0/8 and localhost, and not what begins like it", function()
    for _, host in ipairs { "127.0.0.1", "127.255.255.255", "127.0.0.0", "localhost", "LocalHost" } do
      assert.is_true(loopback.is_host(host), host)
    end
    for _, host in ipairs {
      "", "127.1", "127.0.0", "127.0.0.256", "127.0.0.0001", "127.0.0.1.", "127.evil.example", "127.0.0.1.evil.example", "128.0.0.1",
      "localhost.evil.example", "127.0.0.-1", "127.0.0.0x1", "127.0.0.1\n", "0.0.0.0", "[::1]", "::1",
    } do
      assert.is_false(loopback.is_host(host), host)
    end
  end)

  it("may stand before a port, and as [::1]", function()
    for _, text in ipairs { "127.0.0.1", "127.0.0.1:1", "localhost:65535", "[::1]", "[::1]:80" } do
      assert.is_true(loopback.is_authority(text), text)
    end
    for _, text in ipairs {
      "", ":80", "localhost:", "localhost:65536", "localhost:080000", "localhost:80:80", "localhost:x", "localhost:80@evil.example",
      "[::1", "[::1]80", "[::1].evil.example", "[::2]", "::1", "[]", "localhost/", "a@localhost",
    } do
      assert.is_false(loopback.is_authority(text), text)
    end
  end)
end)
