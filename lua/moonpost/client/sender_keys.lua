--- Sender keys of groups (fact sheet 04 §3, 02 §12.6): each sender tells its key in a pairwise message, once, and its messages to the
-- group are encrypted with that. Those of others are read here; what ends the use of our own (03 §10.4) is told here, too.
--
--     <message from=GROUP participant=DEVICE>  <enc pkmsg|msg/>  the key, for this device alone; not always there
--                                              <enc skmsg/>      the message, the same for everybody
-- @module moonpost.client.sender_keys
local core = require "moonpost.core"

local SenderKeys = {}
SenderKeys.__index = SenderKeys

-- What a failure means for the retry receipt, where that differs from one in a pairwise message (04 §9.3).
local codes = { crypto = "signature", limit = "ahead" }

--- Files the sender key a pairwise message brought, under the device whose session it came in; inside the message's transaction. A key
-- for another group than the one the server names is not taken (04 §3.7).
-- @tparam table envelope of a group message
-- @tparam table told Message.SenderKeyDistributionMessage
-- @treturn ?boolean true
-- @treturn ?table err the key is none, or not for this group
function SenderKeys:learn(envelope, told)
  if told.groupId and told.groupId ~= envelope.chat then
    return nil, core.error("forged", ("message %s in %s: %s tells a sender key for another group, '%s'"):format(
      envelope.id, envelope.chat, envelope.sender, told.groupId))
  end
  return self.client.account:process_sender_key(envelope.chat, envelope.address, told.axolotlSenderKeyDistributionMessage or "")
end

--- Decrypts a group message; inside the message's transaction. A key that was told under the sender's number opens it too.
-- @tparam table envelope
-- @string ciphertext
-- @treturn ?string plaintext
-- @treturn ?table err code "no-session" (the sender has to tell its key), "signature", "ahead", "duplicate" or "malformed"; "store" and
-- "full" when the store is to blame
function SenderKeys:decrypt(envelope, ciphertext)
  local client = self.client
  local plaintext, err = client.account:decrypt_group(envelope.chat, envelope.address, ciphertext)
  local pn = not plaintext and err.code == "no-session" and client.lids:pn_of(envelope.address)
  if pn then plaintext, err = client.account:decrypt_group(envelope.chat, pn, ciphertext) end
  if plaintext or not codes[err.code] then return plaintext, err end
  return nil, core.error(codes[err.code], err.message)
end

local STATUS = "status@broadcast"

--- Somebody has left a group, or is there under another name: our key is replaced before the next message.
-- @string group JID
function SenderKeys:members_left(group) self.client.fanout_group.told:replace(group) end

--- An account's list of devices has changed: those that are new are told our keys, in groups of those that are gone they are replaced.
-- @string bare JID, stable
-- @tparam table added array of device JIDs, stable
-- @tparam table removed array of device JIDs, stable
function SenderKeys:devices_changed(bare, added, removed)
  local room = self.client.fanout_group
  if #added + #removed > 0 then room.audience:changed(bare) end
  if #removed > 0 then room.told:devices_left(removed) end
end

--- An account's devices, from a number on, have lost what they were told: they are told our keys again. Status posts begin with another
-- key (02 §11).
-- @string bare JID, stable
-- @int first device number
function SenderKeys:forget(bare, first)
  local told = self.client.fanout_group.told
  if told:forget_devices(bare, first)[STATUS] then told:replace(STATUS) end
end

--- A device asks for a group's message again: it is told our key there with the next one, too.
-- @string group JID
-- @string device JID, stable
function SenderKeys:asked(group, device) self.client.fanout_group.told:forget(group, device) end

--- The server has accepted a message by our key, or that tells it.
-- @tparam table row of the outbox
function SenderKeys:accepted(row)
  if row.told then self.client.fanout_group.told:accepted(row.to, row.told) end
end

--- The LID of a number has become known.
-- @string pn bare JID
-- @string lid bare JID
-- @bool moved whether there were sessions under the number: nobody else can have been told a key under it
function SenderKeys:renamed(pn, lid, moved)
  local room = self.client.fanout_group
  if moved then room.told:renamed(pn, lid) end
  room.audience:changed(pn)
  room.audience:changed(lid)
end

return function(client) return setmetatable({ client = client }, SenderKeys) end
