--- Sender keys of groups, as receivers see them (fact sheet 04 §3, 02 §12.6): each sender tells its key in a pairwise message, once,
-- and its messages to the group are encrypted with that.
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

return function(client) return setmetatable({ client = client }, SenderKeys) end
