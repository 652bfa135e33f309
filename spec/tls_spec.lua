-- Certificates: whom a client believes.
local sockets = require "spec.sockets"
local net = require("moonpost.core").net
local support = require "spec.support"

local certificate, dial, run_script, serve, write_file =
  sockets.certificate, sockets.dial, sockets.run_script, sockets.serve, sockets.write_file

describe("a certificate", function()
  local function refused(options)
    local tls = certificate(options.host)
    local server <close> = serve { tls = tls }
    local client, err = dial(server:url "wss", { ca = options.ca and options.ca(tls) })
    assert.is_nil(client)
    assert.equal("network", err.code)
    local answer, why = support.http("GET", server:url "https", nil, options.ca and options.ca(tls))
    assert.is_nil(answer)
    assert.equal("tls", why.code)
    assert.is_nil(server.accepted:pop(0))
    return tostring(err), tostring(why)
  end

  it("signed by another authority is refused", support.async(function()
    for _, text in ipairs { refused { ca = function() return certificate().certificate end } } do
      assert.matches("^the server's certificate is refused: ", text)
    end
  end))

  it("for another host is refused", support.async(function()
    for _, text in ipairs { refused { host = "127.0.0.2", ca = function(tls) return tls.certificate end } } do
      assert.equal("the server's certificate is refused: IP address mismatch", text)
    end
  end))

  it("nobody vouches for is refused", support.async(function()
    for _, text in ipairs { refused {} } do assert.matches("^the server's certificate is refused: self.signed certificate", text) end
  end))

  it("authority that is no PEM is an error at once", support.async(function()
    local conn, err = net.connect { url = "wss://127.0.0.1:1/", ca = "nonsense" }
    assert.is_nil(conn)
    assert.equal("the given certificate is no PEM", tostring(err))
  end))

  local script = [[
    local net = require("moonpost.core").net
    local function say(text) print(text) io.stdout:flush() net.stop() end
    net.connect { url = ("wss://127.0.0.1:%d/"):format((...)), open = function() say "open" end,
      close = function(_, _, err) say(tostring(err)) end }
    net.run()
  ]]

  it("is looked for in SSL_CERT_FILE and in the hashed directory SSL_CERT_DIR", support.async(function()
    local tls = certificate()
    local server <close> = serve { tls = tls }
    local folder = support.tmpdir()
    local file = write_file(folder .. "/ca.pem", tls.certificate)
    assert.equal("open", run_script(script, server.port, "unset SSL_CERT_DIR; export SSL_CERT_FILE=" .. file))
    local hash = assert(io.popen(("openssl x509 -hash -noout -in %s"):format(file))):read "l"
    write_file(("%s/%s.0"):format(folder, hash), tls.certificate)
    assert.equal("open", run_script(script, server.port, "unset SSL_CERT_FILE; export SSL_CERT_DIR=" .. folder))
    assert.matches("certificate", run_script(script, server.port, "unset SSL_CERT_FILE SSL_CERT_DIR"))
  end))
end)
