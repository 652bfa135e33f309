--- Linking by QR (fact sheet 02 §2): a registration connection hands out refs, each shown as a QR; the phone that scans one
-- vouches for this device, which vouches back.
-- @module moonpost.client.pairing
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local new_link = require "moonpost.client.link"
local payload = require "moonpost.client.payload"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local FIRST_QR_SECONDS, NEXT_QR_SECONDS = 60, 20
local PING_SECONDS = 25
local RESTART_SECONDS = 5 -- the server ends the connection after the pairing by itself
local CLIENT_TYPE = "1"   -- a browser, as the registration's platformType says

local ACCOUNT, DEVICE, HOSTED = "\6\0", "\6\1", "\6\5"

local Pairing = {}
Pairing.__index = Pairing

-- A refusal the server is told of: {code, text} of the answer's <error>.
local function refusal(code, text, message)
  local err = core.error("pairing", message)
  err.reply = { code = code, text = text }
  return err
end

local function qr_text(account, ref)
  local public = account:public()
  return "https://wa.me/settings/linked_devices#" .. table.concat({
    ref, crypto.base64(public.noise), crypto.base64(public.identity), account:adv_secret_text(), CLIENT_TYPE,
  }, ",")
end

local function show_codes(self, refs, show)
  for i, ref in ipairs(refs) do
    local seconds = i == 1 and FIRST_QR_SECONDS or NEXT_QR_SECONDS
    show(qr_text(self.client.account, ref), seconds)
    task.sleep(seconds)
  end
end

local function read_refs(node)
  local refs = {}
  for _, ref in stanza.children(stanza.child(node, "pair-device"), "ref") do
    if type(ref.content) == "string" then refs[#refs + 1] = ref.content end
  end
  return refs
end

--- Checks what the phone says of this device; returns the signed identity as a table and its inner details.
function Pairing:verify(bytes)
  local account = self.client.account
  local outer = bytes and proto.decode("ADVSignedDeviceIdentityHMAC", bytes)
  if not outer or not outer.details or not outer.hmac then
    return nil, refusal(500, "internal-error", "the pairing's device identity is malformed")
  end
  local prefix = outer.accountType == "HOSTED" and HOSTED or ""
  if not account:adv_hmac_ok(prefix .. outer.details, outer.hmac) then
    return nil, refusal(401, "hmac-mismatch", "the pairing does not come from the phone that scanned the QR (HMAC mismatch)")
  end
  local signed = proto.decode("ADVSignedDeviceIdentity", outer.details)
  local inner = signed and signed.details and proto.decode("ADVDeviceIdentity", signed.details)
  if not inner then return nil, refusal(500, "internal-error", "the pairing's device identity is malformed") end
  local key, signature = signed.accountSignatureKey or "", signed.accountSignature or ""
  local message = (inner.deviceType == "HOSTED" and HOSTED or ACCOUNT) .. signed.details .. account:public().identity
  if #key ~= 32 or #signature ~= 64 or not crypto.verify(key, message, signature) then
    return nil, refusal(401, "signature-mismatch", "the phone's signature of this device is wrong")
  end
  return signed, inner
end

local function keep(self, node, signed)
  local client = self.client
  local device = stanza.path(node, "pair-success", "device")
  local user, server, number = jid.parse(device and device.attrs.jid or "")
  if not user or server ~= "s.whatsapp.net" or not device.attrs.lid then
    return nil, refusal(500, "internal-error", "the pairing names no device")
  end
  local me = {
    jid = jid.make(user, server), lid = jid.bare(device.attrs.lid), device = number, name = client.name,
    deviceIdentity = assert(proto.encode("ADVSignedDeviceIdentity", signed)),
  }
  client:set_me(me)
  client.lids:learn(me.jid, me.lid)
  client.account:trust_identity(me.lid, signed.accountSignatureKey)
  return me
end

local function confirm(link, node, signed, inner)
  return link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }, stanza.node("pair-device-sign", nil,
    stanza.node("device-identity", { ["key-index"] = inner.keyIndex or 0 }, assert(proto.encode("ADVSignedDeviceIdentity", {
      details = signed.details, accountSignature = signed.accountSignature, deviceSignature = signed.deviceSignature,
    }))))))
end

local function refuse(link, node, err)
  link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "error", id = node.attrs.id }, stanza.node("error", err.reply)))
  link:close()
  return nil, err
end

local function pair_success(self, link, node)
  local signed, inner = self:verify(stanza.bytes(node, "pair-success", "device-identity"))
  if not signed then return refuse(link, node, inner) end
  local identity = self.client.account:identity()
  signed.deviceSignature = identity:sign(DEVICE .. signed.details .. identity:public() .. signed.accountSignatureKey)
  local me, err = keep(self, node, signed)
  if not me then return refuse(link, node, err) end
  self.client:commit()
  local sent
  sent, err = confirm(link, node, signed, inner)
  if not sent then
    self.client:set_me(nil)
    return nil, err
  end
  return me
end

local function ping(link, client)
  while not link.dead do
    task.sleep(PING_SECONDS)
    link:send(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net", id = client:next_id() }))
  end
end

local function open_link(self, arrived)
  local client = self.client
  return new_link {
    url = client.url, ca = client.ca, root = client.root, static = client.account:noise(),
    payload = payload.registration(client.account, client.version, client.name),
    on_stanza = function(node) arrived:push(node) end, on_closed = function(err) self.why = err arrived:close() end,
  }
end

-- Shows the codes one after another; when the refs have run out a new connection brings new ones.
local function run_codes(self, link, node, state, show)
  local ok, err = pcall(show_codes, self, read_refs(node), show)
  if ok then return link:close() end
  if type(err) == "table" and err.code == "cancelled" then return end
  state.failed = err
  link:abort()
end

-- What each stanza before the login asks for: fn(self, link, node, state, show) -> me | nil, err | nothing.
local on = {}

function on.iq(self, link, node, state, show)
  if node.attrs.type ~= "set" then return end
  if stanza.child(node, "pair-device") then
    link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }))
    state.codes = task.spawn(run_codes, self, link, node, state, show)
  elseif stanza.child(node, "pair-success") then
    state.codes:cancel()
    return pair_success(self, link, node)
  end
end

function on.failure(_, _, node) return nil, endings.of_failure(node) end

on["stream:error"] = function(_, _, node)
  local err = endings.of_stream_error(node)
  if err.final then return nil, err end
end

-- One registration connection; nil, nil when it ended before anything was scanned.
local function attempt(self, show)
  local arrived, state = task.queue(), {}
  local link, err = open_link(self, arrived)
  if not link then return nil, err end
  local pings = task.spawn(ping, link, self.client)
  local done <close> = setmetatable({}, { __close = function()
    pings:cancel()
    if state.codes then state.codes:cancel() end
    link:abort()
  end })
  while done do
    local node = arrived:pop()
    if not node then return nil, state.failed end
    local handler = on[node.tag]
    if handler then
      local me, why = handler(self, link, node, state, show)
      if me then
        arrived:pop(RESTART_SECONDS)
        return me
      elseif why then
        return nil, why
      end
    end
  end
end

--- Links the account.
-- @func show fn(text, seconds): shows a QR
-- @treturn ?table me
-- @treturn ?table err
function Pairing:pair(show)
  local client = self.client
  if client.account:exists() then client.account:renew_adv_secret() else client.account:create() end
  repeat
    local me, err = attempt(self, show)
    if me then return me end
    if err then return nil, err end
  until client.closed
  return nil, core.error("closed", "the client is closed")
end

return function(client) return setmetatable({ client = client }, Pairing) end
