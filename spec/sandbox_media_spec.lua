-- The media host over raw HTTP: its rules (05 §17, 08 S-820 to S-826), whoever asks.
local core = require "moonpost.core"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"

local crypto = core.crypto

local function hosts_of(client)
  local answer = assert(client:query(stanza.node("iq", { to = "s.whatsapp.net", type = "set", xmlns = "w:m" }, stanza.node "media_conn")))
  return stanza.child(answer, "media_conn")
end

local function token_of(bytes) return crypto.base64(crypto.sha256(bytes), "url") end

-- A sandbox, somebody on it, and the media host as she is told of it.
local function scene(options)
  local rig = start(options)
  local ana = rig:contact "Ana"
  local conn = hosts_of(ana.client)
  return rig, ana, { auth = conn.attrs.auth, host = stanza.child(conn, "host").attrs.hostname, conn = conn }
end

local function exchange(rig, host, method, target, body)
  local response = assert(support.http(method, ("https://%s%s"):format(host.host, target), body, rig.sandbox.certificate))
  return response.status, response.body
end

local function upload(rig, host, bytes, kind, token)
  token = token or token_of(bytes)
  local status, body = exchange(rig, host, "POST", ("/mms/%s/%s?auth=%s&token=%s"):format(kind or "image", token, host.auth, token), bytes)
  return status, json.decode(body)
end

describe("the media host", function()
  it("takes a file and hands it out by its link", support.async(function()
    local rig <close>, _, host = scene()
    local status, told = upload(rig, host, "ciphertext")
    assert.equal(200, status)
    assert.equal(("https://%s%s&mms3=true"):format(host.host, told.direct_path), told.url)
    local found, bytes = exchange(rig, host, "GET", told.direct_path)
    assert.same({ 200, "ciphertext" }, { found, bytes })
  end))
end)
