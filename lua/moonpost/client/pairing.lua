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

-- Seconds: the first QR, each next one, between pings, and how long the server may take to end a connection that is done with.
-- After a connection that was lost the next one waits, from `pause` up to `longest_pause`.
local PACE = { first = 60, next = 20, ping = 25, ending = 5, pause = 1, longest_pause = 60 }
local REF_MAX = 512     -- bytes of a ref; real ones have about 240
local CLIENT_TYPE = "1" -- a browser, as the registration's platformType says

local ACCOUNT, DEVICE, HOSTED = "\6\0", "\6\1", "\6\5"

local Pairing = {}
Pairing.__index = Pairing

-- An error that ends the pairing; the server is told {code, text}.
local function refusal(code, text, message)
  local err = core.error("pairing", message)
  err.reply, err.final = { code = code, text = text }, true
  return err
end

local function malformed() return refusal(500, "internal-error", "the pairing's device identity is malformed") end

--- The text of a QR (§2.3), with the account's secret of this moment.
function Pairing:qr_text(ref)
  local account = self.client.account
  local public = account:public()
  return "https://wa.me/settings/linked_devices#" .. table.concat({
    ref, crypto.base64(public.noise), crypto.base64(public.identity), account:adv_secret_text(), CLIENT_TYPE,
  }, ",")
end

--- Checks what the phone says of this device (§2.5, §2.6); returns the signed identity as a table and its inner details.
function Pairing:verify(bytes)
  local account = self.client.account
  local outer = bytes and proto.decode("ADVSignedDeviceIdentityHMAC", bytes)
  if not outer or not outer.details or not outer.hmac then return nil, malformed() end
  local prefix = outer.accountType == "HOSTED" and HOSTED or ""
  if not account:adv_hmac_ok(prefix .. outer.details, outer.hmac) then
    return nil, refusal(401, "hmac-mismatch", "the pairing does not come from the phone that scanned the QR (HMAC mismatch)")
  end
  local signed = proto.decode("ADVSignedDeviceIdentity", outer.details)
  local inner = signed and signed.details and proto.decode("ADVDeviceIdentity", signed.details)
  if not inner then return nil, malformed() end
  local key, signature = signed.accountSignatureKey or "", signed.accountSignature or ""
  local message = (inner.deviceType == "HOSTED" and HOSTED or ACCOUNT) .. signed.details .. account:public().identity
  if #key ~= 32 or #signature ~= 64 or not crypto.verify(key, message, signature) then
    return nil, refusal(401, "signature-mismatch", "the phone's signature of this device is wrong")
  end
  return signed, inner
end

--- This device's word back: the signed identity with its own signature.
function Pairing:sign(signed)
  local identity = self.client.account:identity()
  signed.deviceSignature = identity:sign(DEVICE .. signed.details .. identity:public() .. signed.accountSignatureKey)
  return signed
end

-- Files who this device is now; the reply that follows may be the last the server hears of this connection.
local function keep(self, node, signed)
  local client = self.client
  local device = stanza.path(node, "pair-success", "device")
  local user, server, number = jid.parse(device and device.attrs.jid or "")
  if (user or "") == "" or server ~= "s.whatsapp.net" or number == 0 then -- 0 is the phone
    return nil, refusal(500, "internal-error", "the pairing names no device")
  end
  if device.attrs.lid and not client.lids.is_lid(device.attrs.lid) then
    return nil, refusal(500, "internal-error", "the pairing's name for the account is no LID")
  end
  local me = {
    jid = jid.make(user, server), lid = device.attrs.lid and jid.bare(device.attrs.lid), device = number, name = client.name,
    deviceIdentity = assert(proto.encode("ADVSignedDeviceIdentity", signed)), linkedAt = math.floor(core.net.time()),
  }
  client.lids:learn_own(me)
  client.account:trust_identity(me.lid or me.jid, signed.accountSignatureKey)
  client:set_me(me)
  local _, err = client:commit()
  if not err then return me end
  client:set_me(nil)
  return nil, refusal(500, "internal-error", "the linked account cannot be stored: " .. tostring(err))
end

local function confirm(link, node, signed, inner)
  return link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }, stanza.node("pair-device-sign", nil,
    stanza.node("device-identity", { ["key-index"] = inner.keyIndex or 0 }, assert(proto.encode("ADVSignedDeviceIdentity", {
      details = signed.details, accountSignature = signed.accountSignature, deviceSignature = signed.deviceSignature,
    }))))))
end

-- One registration connection, from its first stanza to its end.
local Attempt = {}
Attempt.__index = Attempt

-- The server ends it; until then nothing it may still have to read is torn away.
function Attempt:await_end()
  local deadline = core.net.now() + self.pace.ending
  while self.arrived:pop(math.max(0, deadline - core.net.now())) do end
end

function Attempt:refuse(node, err)
  self.link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "error", id = node.attrs.id }, stanza.node("error", err.reply)))
  self.link:close()
  self:await_end()
  return nil, err
end

function Attempt:pair_success(node)
  local pairing = self.pairing
  local signed, inner = pairing:verify(stanza.bytes(node, "pair-success", "device-identity"))
  if not signed then return self:refuse(node, inner) end
  local kept, me, err = pcall(keep, pairing, node, pairing:sign(signed))
  if not kept then me, err = nil, refusal(500, "internal-error", "the linked account cannot be stored: " .. tostring(me)) end
  if not me then return self:refuse(node, err) end
  local sent
  sent, err = confirm(self.link, node, signed, inner)
  if not sent then
    pairing.client:set_me(nil)
    return nil, err
  end
  self:await_end()
  return me
end

-- The refs of a stanza. A comma in one would let the server put keys of its own before ours in the QR.
local function read_refs(node)
  local refs = {}
  for _, ref in stanza.children(stanza.child(node, "pair-device"), "ref") do
    local text = type(ref.content) == "string" and ref.content or ""
    if #text > REF_MAX or not text:find "^[%w@+/=_.-]+$" then
      local err = core.error("pairing", "the server sent a ref for the QR that is none: nothing is shown to be scanned")
      err.final = true
      return nil, err
    end
    refs[#refs + 1] = text
  end
  return refs
end

-- Shows the codes one after another; when they have run out a new connection brings new ones.
local function show_codes(self, refs)
  for i, ref in ipairs(refs) do
    local seconds = i == 1 and self.pace.first or self.pace.next
    self.pairing.shown = true
    self.show(self.pairing:qr_text(ref), seconds)
    task.sleep(seconds)
  end
  self.exhausted = #refs > 0
  self.link:close()
end

local function run_codes(self, refs)
  local ok, err = pcall(show_codes, self, refs)
  if ok or type(err) == "table" and err.code == "cancelled" then return end
  self.failed = type(err) == "table" and err or core.error("qr", tostring(err))
  self.failed.final = true
  self.link:abort()
end

function Attempt:stop_codes()
  if self.codes then self.codes:cancel() end
end

-- What a stanza before the login asks for: fn(attempt, node) -> me | nil, err | nothing.
local on = {}

function on.iq(self, node)
  if node.attrs.type ~= "set" then return end
  if stanza.child(node, "pair-device") then
    self.link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }))
    self:stop_codes()
    local refs, err = read_refs(node)
    if not refs then return nil, err end
    self.codes = task.spawn(run_codes, self, refs)
  elseif stanza.child(node, "pair-success") then
    self:stop_codes()
    return self:pair_success(node)
  end
end

function on.failure(_, node) return nil, endings.of_failure(node) end

on["stream:error"] = function(_, node) return nil, endings.of_stream_error(node) end

local function ping(self)
  local link, client, asked_at = self.link, self.pairing.client, 0
  while not link.dead do
    task.sleep(self.pace.ping)
    if self.heard_at < asked_at then return link:abort(core.error("network", "the connection is dead: no answer to a ping")) end
    asked_at = core.net.now()
    link:send(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net", id = client:next_id() }))
  end
end

function Attempt:open()
  local client = self.pairing.client
  local link, err = new_link {
    url = client.url, ca = client.ca, root = client.root, static = client.account:noise(),
    payload = payload.registration(client.account, client.version, client.name),
    on_stanza = function(node)
      self.heard_at = core.net.now()
      self.arrived:push(node)
    end,
    on_closed = function(why)
      self.why = why
      self.arrived:close()
    end,
  }
  self.link = link
  return link, err
end

-- me; or nil and why the connection was lost, nil when the codes had just run out.
function Attempt:run()
  local link, err = self:open()
  if not link then return nil, err end
  local pings = task.spawn(ping, self)
  local done <close> = setmetatable({}, { __close = function()
    pings:cancel()
    self:stop_codes()
    link:abort()
  end })
  while done and not self.pairing.stopped do
    local node = self.arrived:pop()
    if not node then break end
    local handler = on[node.tag]
    local me, why
    if handler then me, why = handler(self, node) end
    if me or why then return me, why end
  end
  if self.exhausted then return nil end
  return nil, self.failed or self.why or core.error("network", "the server closed the connection before a QR was scanned")
end

local function attempt(self, show)
  self.current = setmetatable({
    pairing = self, show = show, pace = self.pace, arrived = task.queue(), heard_at = core.net.now(),
  }, Attempt)
  return self.current:run()
end

local function pause(self, failures, err)
  local seconds = math.min(self.pace.longest_pause, self.pace.pause * 1.6 ^ (failures - 1)) * (0.8 + 0.4 * math.random())
  self.stopping:pop(math.max(seconds, err.penalty or 0))
end

--- Links the account. A server that cannot be reached at all is an error; once a QR was shown the connection is made again, and the
-- QRs are fresh, until one is scanned.
-- @func show fn(text, seconds): shows a QR
-- @treturn ?table me
-- @treturn ?table err
function Pairing:pair(show)
  local client, failures = self.client, 0
  if self.busy then return nil, core.error("busy", "this client is being linked already") end
  self.busy = true
  local guard <close> = setmetatable({}, { __close = function() self.busy = false end })
  if client.account:exists() then client.account:renew_adv_secret() else client.account:create() end
  self.shown = false
  while guard and not self.stopped do
    local me, err = attempt(self, show)
    if me then return me end
    if err and (err.final or not self.shown and err.code ~= "restart") then return nil, err end
    failures = err and failures + 1 or 0 -- no error: the codes had run out
    if err then pause(self, failures, err) end
  end
  return nil, core.error("closed", "the client is closed")
end

--- Ends a pairing that is under way.
function Pairing:stop()
  self.stopped = true
  self.stopping:close()
  if self.current and self.current.link then self.current.link:abort() end
end

return function(client) return setmetatable({ client = client, pace = PACE, stopping = task.queue() }, Pairing) end
