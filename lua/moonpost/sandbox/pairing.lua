--- Linking a device: refs to an unregistered client, the phone's scan, its word for the device, the device's word back
-- (fact sheet 08 §5, 02 §2.7).
-- @module moonpost.sandbox.pairing
local core = require "moonpost.core"
local printable = require "moonpost.printable"
local stanza = require "moonpost.stanza"
local devices = require "moonpost.sandbox.devices"
local phone = require "moonpost.sandbox.phone"

local crypto, proto = core.crypto, core.proto

local REFS = 6
local NAME_MAX = 200 -- bytes kept of what a device calls itself
local RESTART_DELAY = 0.02 -- seconds between the reply and the 515

local pairing = {}

local lengths = { eIdent = 32, eRegid = 4, eKeytype = 1, eSkeyId = 3, eSkeyVal = 32, eSkeySig = 64 }

-- Whether a registration's keys have their forms, and the signed prekey its signature (S-040, 01 §3.5).
local function is_sound(data)
  for name, length in pairs(lengths) do
    if #(data[name] or "") ~= length then return false end
  end
  return data.eKeytype == "\5" and crypto.verify(data.eIdent, "\5" .. data.eSkeyVal, data.eSkeySig)
end

--- A registration connection: its refs go out.
function pairing.start(conn, payload, noise)
  local data = payload.devicePairingData
  if not is_sound(data) then
    return conn:close_with(stanza.node("failure", { reason = "400", location = "loc", t = conn.sandbox.time() }))
  end
  conn.registration = {
    noise = noise, identity = data.eIdent, registration = data.eRegid, skey_id = data.eSkeyId, skey_value = data.eSkeyVal,
    skey_signature = data.eSkeySig,
  }
  local props = proto.decode("DeviceProps", data.deviceProps or "")
  conn.registration.os = props and props.os and printable.line(props.os, NAME_MAX)
  conn.registration.platform = props and props.platformType and tostring(props.platformType)
  conn.registration.full_history = props and props.requireFullSync or nil
  conn.push_name = payload.pushName
  local refs = {}
  for i = 1, REFS do
    local ref = "2@" .. crypto.base64(crypto.random(48)) -- as the service's look; no comma in it
    conn.sandbox.refs[ref] = conn
    refs[i] = stanza.node("ref", nil, ref)
  end
  conn.refs = refs
  conn:send(stanza.node("iq", { from = "s.whatsapp.net", type = "set", id = conn.sandbox:next_id(), xmlns = "md" },
    stanza.node("pair-device", nil, refs)))
end

--- Takes back the phone's word for a device that has not answered it.
function pairing.take_back(conn)
  local device = conn.linking
  if not device or device.active then return end
  conn.linking, conn.scanned, conn.scanned_ref = nil, nil, nil
  conn.sandbox.accounts:remove_device(device)
end

--- The connection is over: its refs are worth nothing; the one that was scanned is still known as such.
function pairing.gone(conn)
  pairing.take_back(conn)
  for _, ref in ipairs(conn.refs or {}) do
    if ref.content ~= conn.scanned_ref then conn.sandbox.refs[ref.content] = nil end
  end
end

local function parse(text)
  local fields = {}
  for field in (text:match "^.*%S" or ""):gsub("^%s*https://[^#]*#", ""):gmatch "[^,]*" do fields[#fields + 1] = field end
  if #fields < 4 then return nil end
  local keys = {}
  for i = 2, 4 do
    keys[i] = crypto.unbase64(fields[i])
    if not keys[i] or #keys[i] ~= 32 then return nil end
  end
  if fields[1] == "" or fields[5] == "" then return nil end
  return { ref = fields[1], noise = keys[2], identity = keys[3], adv_secret = keys[4] }
end

local function sign(conn, device, adv_secret)
  local sandbox, account = conn.sandbox, device.account
  local identity = phone.of(sandbox, account):identity()
  local details = assert(proto.encode("ADVDeviceIdentity", {
    rawId = account.raw_id, timestamp = sandbox.time(), keyIndex = device.key_index, accountType = "E2EE", deviceType = "E2EE",
  }))
  local signed = {
    details = details, accountSignatureKey = identity:public(), accountSignature = identity:sign("\6\0" .. details .. device.identity),
  }
  conn.signed = signed
  local bytes = assert(proto.encode("ADVSignedDeviceIdentity", signed))
  return assert(proto.encode("ADVSignedDeviceIdentityHMAC", { details = bytes, hmac = crypto.hmac_sha256(adv_secret, bytes) }))
end

local function send_success(conn, device, adv_secret)
  local sandbox = conn.sandbox
  conn.linking, conn.success_id = device, sandbox:next_id()
  conn:send(stanza.node("iq", { from = "s.whatsapp.net", type = "set", id = conn.success_id, t = sandbox.time(), xmlns = "md" },
    stanza.node("pair-success", nil, {
      stanza.node("device-identity", nil, sign(conn, device, adv_secret)),
      stanza.node("device", { jid = device:jid "s.whatsapp.net", lid = device:jid "lid" }),
      stanza.node("platform", { name = "android" }),
    })))
end

--- The phone vouches for the device of a registration (S-043).
-- @param conn
-- @tparam table account
-- @string adv_secret what the phone and the device share
-- @treturn int HTTP status of the call that had the phone do so
-- @treturn table answer
function pairing.link(conn, account, adv_secret)
  local device = conn.sandbox.accounts:add_device(account, conn.registration)
  if not device then return 409, { error = "this account has as many linked devices as there are numbers" } end
  send_success(conn, device, adv_secret)
  return 200, pairing.tell(account)
end

--- The server retires the secrets in the QRs of the clients that show some under a push name (S-063).
-- @string child of the notification
-- @treturn int HTTP status
-- @treturn table answer
function pairing.rotate(sandbox, name, child)
  local count = 0
  for conn in pairs(sandbox.connections) do
    if conn.registration and not conn.linking and conn.push_name == name then
      count = count + 1
      conn:send(stanza.node("notification", {
        from = "s.whatsapp.net", type = "companion_reg_refresh", id = sandbox:next_id(), t = sandbox.time(),
      }, stanza.node(child)))
    end
  end
  if count == 0 then return 404, { error = "no client of this name waits to be linked" } end
  return 200, { clients = count }
end

--- An account, as callers are told of it.
function pairing.tell(account)
  return { jid = account:jid "s.whatsapp.net", lid = account:jid "lid", push_name = printable.line(account.name, 200) }
end

--- The phone scans a QR (S-030).
-- @param sandbox
-- @string text as the client showed it
-- @treturn int HTTP status
-- @treturn table answer
function pairing.scan(sandbox, text)
  local code = parse(text)
  if not code then return 400, { error = "the QR text is not ref,noise,identity,secret[,type]" } end
  local conn = sandbox.refs[code.ref]
  if not conn then return 404, { error = "no client shows a QR with this ref" } end
  local registration = conn.registration
  if code.identity ~= registration.identity or code.noise ~= registration.noise then
    return 400, { error = "the QR's keys are not those of the client that was given this ref" }
  end
  if conn.linking then
    if conn.scanned == text then return 200, pairing.tell(conn.linking.account) end
    return 409, { error = "this client was scanned already" }
  end
  local account = sandbox.accounts:of_name(conn.push_name)
  conn.scanned, conn.scanned_ref = text, code.ref
  return pairing.link(conn, account, code.adv_secret)
end

local function verify(conn, node)
  local device, signed = conn.linking, conn.signed
  local answer = stanza.path(node, "pair-device-sign", "device-identity")
  local given = answer and type(answer.content) == "string" and proto.decode("ADVSignedDeviceIdentity", answer.content)
  if not given or not given.deviceSignature or given.details ~= signed.details then
    return nil, "the answer holds no signed device identity"
  end
  if math.tointeger(tonumber(answer.attrs["key-index"])) ~= device.key_index then
    return nil, "the key-index is not that of the identity"
  end
  local message = "\6\1" .. signed.details .. device.identity .. signed.accountSignatureKey
  if not crypto.verify(device.identity, message, given.deviceSignature) then return nil, "the device's signature is wrong" end
  signed.deviceSignature = given.deviceSignature
  return assert(proto.encode("ADVSignedDeviceIdentity", signed))
end

--- An answer to one of the pairing's IQs (S-044); to the refs there is nothing to do.
function pairing.answer(conn, node)
  local device, sandbox = conn.linking, conn.sandbox
  if not device or device.active or node.attrs.id ~= conn.success_id then return end
  if node.attrs.type == "error" then
    sandbox:note(device:jid() .. " refused the pairing", node)
    return conn:close()
  end
  local blob, why = verify(conn, node)
  if not blob then
    sandbox:note(("pairing of %s: %s"):format(device:jid(), why))
    return conn:stream_error("401")
  end
  device.identity_blob, device.active = blob, true
  devices.open_queue(sandbox, device)
  sandbox.accounts:save(device.account)
  devices.announce(sandbox, device, "add")
  conn.timer = core.net.timer(RESTART_DELAY, function() conn:stream_error "515" end)
end

return pairing
