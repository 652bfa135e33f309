--- Messages by sender key (fact sheet 03 §10, §11.1): encrypted once for all members of a group, or for all who are to see a status
-- post, with the key itself, in a pairwise ciphertext, for each device that has not got it.
--
--     <message to=GROUP phash addressing_mode> <participants><to jid=DEVICE><enc pkmsg|msg/></to>…</participants> the key
--                                              <enc skmsg/>                                                    the message
-- @module moonpost.client.fanout_group
local biz_of = require "moonpost.client.biz"
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local limits = require "moonpost.client.limits"
local marks = require "moonpost.client.marks"
local messages = require "moonpost.client.messages"
local new_audience = require "moonpost.client.audience"
local new_memory = require "moonpost.client.memory"
local new_told = require "moonpost.client.told"
local reporting = require "moonpost.client.reporting"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local proto, jid = core.proto, core.wire.jid

local CHUNK = 48            -- devices told the key in a turn of the loop, each with its own commit; more than that are told in several
local KEYLESS_SECONDS = 600 -- a device without keys is asked about again for a group's sake once in so long
local KEYLESS = 10000       -- such devices that are remembered
local ENVELOPE = 640        -- bytes a device takes in a stanza: more than any real one (some 330)

local FanoutGroup = {}
FanoutGroup.__index = FanoutGroup

local function encode(message)
  local bytes, err = proto.encode("Message", message)
  if not bytes then error(err, 0) end
  return bytes
end

-- The own key as a pairwise message tells it (§10.2); `beside`: a Message it comes with.
local function distribution(self, to, beside)
  local message = {}
  for name, value in pairs(beside or {}) do message[name] = value end
  message.senderKeyDistributionMessage = {
    groupId = to, axolotlSenderKeyDistributionMessage = self.client.account:sender_key_distribution(to),
  }
  return encode(message)
end

-- Those of an audience who have not got the key, and its generation. Where somebody who has it is not in the audience any more, it is
-- replaced, and nobody has it.
local function lacking(self, to, audience)
  local row = self.told:of(to, audience.mode)
  if row.marks == audience.packed then return {}, row.generation end
  local set = marks.set(row.marks)
  for mark in pairs(set) do
    if not audience.device_of[mark] then
      self.told:replace(to)
      row, set = self.told:of(to, audience.mode), {}
      break
    end
  end
  local list = {}
  for mark, device in pairs(audience.device_of) do
    if not set[mark] then list[#list + 1] = device end
  end
  table.sort(list)
  return list, row.generation
end

-- Those of some devices there is a session with; those that have no keys are not asked about each time.
local function with_sessions(self, devices)
  local client, now, wanted = self.client, core.net.now(), {}
  for _, device in ipairs(devices) do
    local since = self.keyless:get(device)
    if not since or now - since >= KEYLESS_SECONDS or client.account:has_session(device) then wanted[#wanted + 1] = device end
  end
  local ok, err = client.devices:ensure_sessions(wanted)
  if not ok then return nil, err end
  local found = {}
  for _, device in ipairs(wanted) do
    if client.account:has_session(device) then found[#found + 1] = device else self.keyless:put(device, now) end
  end
  return found
end

local function enc_node(type, bytes, enc_attrs, mediatype)
  return stanza.node("enc", { v = "2", type = type, mediatype = mediatype, ["decrypt-fail"] = enc_attrs["decrypt-fail"] }, bytes)
end

-- Encrypts the key for some devices: a `<to>` for each, encoded.
local function tell(self, address, devices, plaintext, own)
  for _, one in ipairs(self.client.account:encrypt(devices, plaintext)) do
    if one.ciphertext then
      local name = self.audience:wire_name(one.jid, address.audience.mode)
      local enc = enc_node(one.type, one.ciphertext, address.enc_attrs)
      address.named[#address.named + 1] = core.wire.encode(stanza.node("to", { jid = name }, enc))
      address.reached[jid.bare(one.jid)] = true
      address.prekeyed = address.prekeyed or one.type == "pkmsg"
      if not own then address.told[#address.told + 1] = one.jid end
    end
  end
end

-- Gets sessions with those who are to be told the key. Of many all but the last few are told it here, some in each turn of the loop.
local function prepare(self, address, devices)
  for first = 1, #devices, CHUNK do
    local last = math.min(first + CHUNK - 1, #devices)
    local found, err = with_sessions(self, table.move(devices, first, last, 1, {}))
    if not found then return nil, err end
    if last == #devices then
      address.devices = found
    else
      tell(self, address, found, distribution(self, address.to))
      task.sleep(0)
    end
  end
  return true
end

-- Whether the stanza will fit, before any ratchet moves.
local function check_size(what, count, bytes)
  local size = count * ENVELOPE + #bytes + ENVELOPE
  if size <= limits.STANZA then return true end
  return nil, limits.exceeded(("%s to %d devices"):format(what, count), size, limits.STANZA, "bytes")
end

-- The members of a chat and how stanzas name them.
local function members_of(self, to, recipients, mode)
  if recipients then return recipients, mode end
  local group, err = self.client.groups:get(to)
  if not group then return nil, err end
  return group.participants, group.addressing
end

--- Who hears what is written into a chat. In a task.
-- @string to a group, or what else is written to by sender key
-- @tparam ?table recipients array of bare JIDs, where `to` is no group
-- @tparam ?string mode how those are named, "lid" or "pn"
-- @treturn ?table moonpost.client.audience
-- @treturn ?table err
function FanoutGroup:audience_of(to, recipients, mode)
  local members, how = members_of(self, to, recipients, mode)
  if not members then return nil, how end
  return self.audience:of(to, how, members)
end

--- Those of an audience who could not read a message when it was sent, with sessions: they were not told its key. Nobody, where that is
-- not known any more; they ask for it. In a task.
-- @string to the chat
-- @string note of the message, as the outbox has it
-- @tparam table audience
-- @int most how many of them
-- @treturn ?table array of devices
-- @treturn ?table err
function FanoutGroup:missed(to, note, audience, most)
  local holders, devices = self.told:holders(to, note), {}
  for mark, device in pairs(holders and audience.device_of or {}) do
    if not holders[mark] then devices[#devices + 1] = device end
  end
  table.sort(devices)
  return with_sessions(self, table.move(devices, 1, math.min(most, #devices), 1, {}))
end

--- The devices a message by sender key goes to, with sessions where one has to be told the key. Asks the server for what is not known.
-- In a task; those who write to one chat take turns.
-- @string to a group's JID, or another chat's with its recipients
-- @tparam ?table recipients array of bare JIDs, where `to` is no group
-- @tparam ?string mode how those are named on the wire, "lid" or "pn"
-- @tparam table message what they are to hear
-- @treturn ?table address, for one `build`
-- @treturn ?table err
function FanoutGroup:address(to, recipients, mode, message)
  local audience, err = self:audience_of(to, recipients, mode)
  if not audience then return nil, err end
  local devices, generation = lacking(self, to, audience)
  local ok
  ok, err = check_size("a message", #devices + #audience.own, "")
  if not ok then return nil, err end
  local address = {
    to = to, chat = to, audience = audience, generation = generation, devices = {}, recipients = recipients, group = true,
    enc_attrs = select(2, labels(message)), named = {}, told = {}, reached = {}, prekeyed = false,
  }
  ok, err = prepare(self, address, devices)
  if not ok then return nil, err end
  address.own, err = with_sessions(self, audience.own)
  if not address.own then return nil, err end
  return address
end

-- `<participants>`, when there are any. Those who see a status post are all named there, told the key or not (§11.1).
local function participants(self, address)
  for _, recipient in ipairs(address.recipients or {}) do
    local name = self.client.lids:stable(recipient)
    if not address.reached[name] then
      address.named[#address.named + 1] = stanza.node("to", { jid = self.audience:wire_name(name, address.audience.mode) })
    end
  end
  return #address.named > 0 and stanza.node("participants", nil, address.named) or nil
end

local function device_identity(self) return stanza.node("device-identity", nil, self.client.me.deviceIdentity) end

-- The own account's name in a chat of a mode.
local function own_name(self, mode)
  local me = self.client.me
  return mode == "lid" and me.lid or me.jid
end

--- The stanza of a message; ratchets move, so it belongs into a transaction with the outbox row.
-- @string id
-- @tparam table address as `address` gives it
-- @tparam table message
-- @string bytes the same, encoded
-- @treturn ?table node
-- @return what the outbox is to note of the key and those told it; in place of a node an error: code "changed" when the key was
--   replaced meanwhile, and everybody has to be addressed anew; "limit", before any ratchet moved, when it is too large
-- @treturn ?boolean whether anybody is told the key
function FanoutGroup:build(id, address, message, bytes)
  local to = address.to
  if not self.told:is_current(to, address.generation) then
    return nil, core.error("changed", ("who is in %s has changed"):format(to))
  end
  local fits, err = check_size(("message %s"):format(id), #address.named + #address.devices + #address.own, bytes)
  if not fits then return nil, err end
  local key = distribution(self, to) -- as it stands before the message: that is readable from there on
  tell(self, address, address.devices, key)
  tell(self, address, address.own, key, true)
  local shared = assert(self.client.account:encrypt_group(to, bytes))
  local attrs, enc_attrs, meta = labels(message)
  attrs.id, attrs.to = id, to
  if not address.recipients then attrs.addressing_mode, attrs.phash = address.audience.mode, address.audience.phash end
  local content = { participants(self, address) }
  content[#content + 1] = enc_node("skmsg", shared, enc_attrs, enc_attrs.mediatype)
  if address.prekeyed then content[#content + 1] = device_identity(self) end
  content[#content + 1] = address.setting and stanza.node("meta", { status_setting = address.setting }) or meta
  content[#content + 1] = biz_of(message, true, core.net.time())[1]
  if not address.recipients then content[#content + 1] = reporting.node(message, bytes, id, own_name(self, address.audience.mode), to) end
  return stanza.node("message", attrs, content), marks.note(address.generation, address.told), #address.told > 0
end

--- The stanza that brings a message to one device alone, with the key (04 §9.4); in a transaction with the outbox row.
-- @string id of the message
-- @string to the chat
-- @string mode "lid" or "pn"
-- @tparam table message
-- @string device
-- @tparam ?table again of an answer to a retry receipt: to, the device as the receipt names it, and its count
-- @treturn ?table node; nil when the device cannot be encrypted for
-- @treturn ?string what the outbox is to note
function FanoutGroup:build_for(id, to, mode, message, device, again)
  local generation = self.told:of(to, mode).generation
  local one = self.client.account:encrypt({ device }, distribution(self, to, message))[1]
  if not one.ciphertext then return nil end
  local attrs, enc_attrs, meta = labels(message)
  attrs.id, attrs.to, attrs.addressing_mode = id, to, messages.is_group(to) and mode or nil
  attrs.participant = again and again.to or self.audience:wire_name(device, mode)
  local enc = enc_node(one.type, one.ciphertext, enc_attrs, enc_attrs.mediatype)
  enc.attrs.count = again and again.count
  local content = { enc }
  if one.type == "pkmsg" then content[2] = device_identity(self) end
  content[#content + 1] = meta
  local own = jid.bare(device) == self.client.lids:stable(self.client.me.jid)
  return stanza.node("message", attrs, content), not own and marks.note(generation, { device }) or nil
end

return function(client)
  return setmetatable({
    client = client, told = new_told(client), audience = new_audience(client), keyless = new_memory(KEYLESS),
  }, FanoutGroup)
end
