--- Serving retry receipts (fact sheet 03 §18.3, 04 §9.4): a device that could not read a message of ours gets it once more, alone, under
-- the same id, with a session that both sides know again. The receipt is acknowledged when the resend is in the store.
-- @module moonpost.client.retry
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local new_locks = require "moonpost.client.locks"
local new_memory = require "moonpost.client.memory"
local places = require "moonpost.client.places"
local read = require "moonpost.client.retry_request"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"

local proto, jid = core.proto, core.wire.jid

local COUNTS = 4              -- of a receipt; a fifth is refused by everybody (04 §9.2)
local SERVED = 5              -- times one device gets one message again, whatever its receipts count
local RECREATE_SECONDS = 3600 -- a session that is there is replaced without being given keys once in so long (W, R)
local REFRESH_SECONDS = 60    -- an account's device list is asked for again for a device it lacks once in so long

local Retry = {}
Retry.__index = Retry

local function served_key(request, device) return "t" .. rows.short(device .. "\0" .. request.id) end

-- How often the device was served, and the base key of the session that last was used for it.
local function served(self, request, device)
  local row = self.client.store:get("dedupe", served_key(request, device))
  if not row then return 0 end
  return row:byte(1), row:sub(2, -9)
end

local function note_served(self, request, device)
  local base = self.client.account:base_key(device) or ""
  local count = math.min(255, served(self, request, device) + 1)
  self.client.store:put("dedupe", served_key(request, device), string.char(count) .. base .. rows.time(core.net.time()))
end

local function is_own(self, device)
  local bare, me = jid.bare(device), self.client.me
  return bare == me.jid or bare == me.lid
end

-- Whether the message was for this device at all: one of the chat's, or an own one that names the chat. Of a group more is asked
-- later: `check_member`.
local function belongs(self, request, device, message)
  local lids = self.client.lids
  local chat = lids:stable(message.to)
  if messages.is_group(chat) or request.chat then return request.chat == chat end
  if not is_own(self, device) then return jid.bare(device) == chat end
  return lids:stable(request.recipient or jid.bare(device)) == chat
end

-- A message of ours: one to people, or what the own phone was asked.
local function find(self, request, device)
  local message = self.client.sent:find(request.id)
  if message then return belongs(self, request, device, message) and message or nil end
  local bytes = is_own(self, device) and self.client.peer_requests:find(request.id)
  return bytes and { id = request.id, to = request.from, message = bytes, peer = true } or nil
end

-- The message asked for; nil when it is not brought again: too often asked for, sent too long ago or never, not to this device, or
-- confirmed by it. Whoever forges the receipt, with keys of their own, is shown nothing the device has.
local function wanted(self, request, device)
  local client = self.client
  if request.count < 1 or request.count > COUNTS or device == client.fanout:this() then return nil end
  local message = find(self, request, device)
  if not message then return nil end
  if client.delivered:has(request.id, device) then
    client.log:debug("%s asks again for message %s, which it has confirmed: it does not get it", device, request.id)
    return nil
  end
  return served(self, request, device) < SERVED and message or nil
end

local function is_listed(self, device, bare)
  local found, err = self.client.devices:of { bare }
  if not found then return nil, err end
  for _, one in ipairs(found[bare]) do
    if one == device then return true end
  end
  return false
end

-- Whether the device is one of its account's; a list that lacks it is asked for again.
local function check_listed(self, device)
  local bare, now = jid.bare(device), core.net.now()
  local listed, err = is_listed(self, device, bare)
  if listed or listed == nil then return listed, err end
  if now - (self.refreshed:get(bare) or -math.huge) >= REFRESH_SECONDS then
    self.refreshed:put(bare, now)
    self.client.devices:forget(bare)
    listed, err = is_listed(self, device, bare)
  end
  if listed == false then err = core.error("unknown-device", ("%s is no device of its account"):format(device)) end
  return listed or nil, err
end

local function label(keys)
  return core.crypto.sha256((">s4s4I4"):pack(keys.identity, keys.signed_prekey.public, keys.prekey and keys.prekey.id or 0))
end

-- Whether the device's account is in the group the message went to.
local function check_member(self, request, device)
  if not request.chat then return true end
  local audience, err
  if request.chat == places.STATUS then
    local shown = self.client.status_posts:audience_of(request.id)
    if not shown then return nil, core.error("unknown-device", "whom the status post was shown to is not known any more") end
    audience, err = self.client.fanout_group:audience_of(request.chat, shown, "lid")
  else
    audience, err = self.client.fanout_group:audience_of(request.chat)
  end
  if not audience then return nil, err end
  if audience.members[jid.bare(device)] then return audience end
  return nil, core.error("unknown-device", ("%s is not in %s"):format(device, request.chat))
end

-- Starts a session with the keys a receipt brought. Several receipts may bring the same one-time key, which can be used once, and one
-- whose ack a killed process did not send comes again: the session made with the key is good for all of them.
local function install_keys(self, request, device)
  local account, store, row = self.client.account, self.client.store, "k" .. rows.short(device)
  local name, before = label(request.keys), store:get("dedupe", row)
  if before and before:sub(1, -9) == name .. (account:base_key(device) or "") and request.count <= 2 then return true end
  local registered = account:registration_id(device) or 0
  if is_own(self, device) and registered ~= 0 and registered ~= request.registration then
    return nil, core.error("untrusted", ("the own device %s has another registration than before"):format(device))
  end
  local ok, err = self.client.devices:install(device, request.keys, request.device_identity)
  if ok then store:put("dedupe", row, name .. account:base_key(device) .. rows.time(core.net.time())) end
  return ok, err
end

-- Whether the session there is cannot be what the device has: it was made anew there, or has failed before.
local function is_stale(self, request, device)
  local account, now = self.client.account, core.net.now()
  local registered = account:registration_id(device) or 0
  if registered ~= 0 and request.registration ~= 0 and registered ~= request.registration then return true end
  local _, base = served(self, request, device)
  if request.count > 2 and base == account:base_key(device) then return true end
  if request.count < 2 or now - (self.recreated:get(device) or -math.huge) < RECREATE_SECONDS then return false end
  self.recreated:put(device, now)
  return true
end

-- A session the device can read: with the keys it gave, the one there is, or a new one with keys from the server.
local function mend_session(self, request, device)
  if request.keys then return install_keys(self, request, device) end
  local account = self.client.account
  if is_stale(self, request, device) then account:delete_session(device) end
  local ok, err = self.client.devices:ensure_sessions { device }
  if not ok then return nil, err end
  if account:has_session(device) then return true end
  return nil, core.error("no-session", ("%s has no keys to write to it"):format(device))
end

-- The stanza that answers a request, and what the outbox is to note of it.
local function resend(self, request, device, sent, audience)
  local client = self.client
  if sent.peer then return client.peer_requests:build(sent.id, request.from, sent.message, device, request.count), nil end
  local message = assert(proto.decode("Message", sent.message))
  local again = { to = request.from, count = request.count }
  if request.chat then return client.fanout_group:build_for(sent.id, sent.to, audience.mode, message, device, again) end
  return client.fanout:build_for(sent.id, { to = sent.to }, message, device, is_own(self, device), again)
end

local function store_resend(self, request, device, sent, audience)
  local node, told = resend(self, request, device, sent, audience)
  if not node then return nil, core.error("no-session", ("%s cannot be written to"):format(device)) end
  note_served(self, request, device)
  return self.client.outbox:add {
    id = sent.id, to = sent.to, stanza = core.wire.encode(node), message = not sent.peer and sent.message or nil, device = device,
    told = told,
  }
end

local function serve(self, request, device, sent)
  local audience, err = check_member(self, request, device)
  local ok = audience
  if ok then ok, err = check_listed(self, device) end
  if ok then ok, err = mend_session(self, request, device) end
  if not ok then return nil, err end
  return self.client.store:atomic(store_resend, self, request, device, sent, audience)
end

-- One request of a device at a time: each may find the session mended by the one before.
local function serve_in_turn(self, request, device, sent)
  local lock <close> = self.locks:of(device)
  local turn <close> = lock.turn:hold()
  local ok, err = serve(self, request, device, sent)
  return turn and ok, err
end

local function tell(self, request, device, err)
  self.client:emit("error", core.error(err.code, ("%s asks for message %s again and does not get it: %s"):format(
    device, request.id, err.message)))
end

-- Serves one in a task; without an ack, when the connection ends in the middle, it comes again.
local function serve_later(self, node, request, device, sent)
  local client, key = self.client, served_key(request, device)
  if self.busy[key] then return client.receipts:ack(node) end
  self.busy[key] = true
  task.spawn(function()
    local free <close> = setmetatable({}, { __close = function() self.busy[key] = nil end })
    local ok, err = serve_in_turn(self, request, device, sent)
    if not ok and (err.code == "closed" or err.code == "timeout") then return free end
    if not ok then tell(self, request, device, err) end
    client.store:after_commit(function() client.receipts:ack(node) end)
  end)
end

--- A retry receipt that came.
-- @raise "malformed": it is to be refused
function Retry:receipt(node)
  local client, request = self.client, read(node)
  local device = client.lids:stable(request.from)
  local sent = wanted(self, request, device)
  if request.chat then client.sender_keys:asked(request.chat, device) end
  if sent then return serve_later(self, node, request, device, sent) end
  client.receipts:ack(node)
end

return function(client)
  return setmetatable({
    client = client, busy = {}, locks = new_locks(), refreshed = new_memory(), recreated = new_memory(),
  }, Retry)
end
