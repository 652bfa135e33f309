--- Groups for specs: made by a simulated phone; and what no client says in one, stanzas put together here (fact sheet 03 §10): a key
-- told late or to nobody, another author's ciphertext, a text under an id of the spec's own.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local tap = require "spec.tap"

local proto, jid = core.proto, core.wire.jid

local writer = {}

--- Makes a group; its JID.
function writer.make(rig, creator, ...)
  local members = {}
  for i, one in ipairs { ... } do members[i] = one.jid end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", { creator = creator.jid, subject = "Tea", members = members })
  assert(status == 200, answer.error)
  return answer.jid
end

--- The LID of a contact's device.
function writer.device(contact) return jid.make((jid.parse(contact.lid)), "lid", contact.client.me.device) end

local function encode(message) return assert(proto.encode("Message", message)) end

--- A text as Message bytes.
function writer.text(text) return encode { conversation = text } end

--- The sender key of a contact for a group, as the Message that tells it. `more`: further fields of that Message.
function writer.key(from, group, more)
  local message = { senderKeyDistributionMessage = {
    groupId = group, axolotlSenderKeyDistributionMessage = from.client.account:sender_key_distribution(group),
  } }
  for name, value in pairs(more or {}) do message[name] = value end
  return encode(message)
end

--- A pairwise enc from one contact for the device of another.
function writer.pairwise(from, to, bytes, more)
  local device = writer.device(to)
  assert(from.client.devices:ensure_sessions { device })
  local one = from.client.account:encrypt({ device }, bytes)[1]
  local attrs = { v = "2", type = one.type }
  for name, value in pairs(more or {}) do attrs[name] = value end
  return stanza.node("enc", attrs, assert(one.ciphertext, tostring(one.error)))
end

--- The enc of a text for everybody in a group.
function writer.skmsg(from, group, text)
  local account = from.client.account
  account:sender_key_distribution(group)
  return stanza.node("enc", { v = "2", type = "skmsg" }, assert(account:encrypt_group(group, writer.text(text))))
end

--- The stanza of a group message: enc is the skmsg, or any one for `more.participant`; keys = { {contact, pairwise enc}, … }.
function writer.stanza(from, group, id, enc, keys, more)
  local to, identity = {}, false
  for i, pair in ipairs(keys or {}) do
    to[i] = stanza.node("to", { jid = writer.device(pair[1]) }, pair[2])
    identity = identity or pair[2].attrs.type == "pkmsg"
  end
  identity = identity or enc.attrs.type == "pkmsg"
  local attrs = { id = id, to = group, type = "text", addressing_mode = "lid" }
  for name, value in pairs(more or {}) do attrs[name] = value end
  local content = { enc }
  if #to > 0 then table.insert(content, 1, stanza.node("participants", nil, to)) end
  if identity then content[#content + 1] = stanza.node("device-identity", nil, from.client.me.deviceIdentity) end
  return stanza.node("message", attrs, content)
end

local count = 0

--- Writes a text into a group, and the sender key for those in `keys_for`; the message's id.
function writer.send(from, group, text, keys_for)
  count = count + 1
  local id, keys = ("3EB0GROUP%d"):format(count), {}
  for i, one in ipairs(keys_for or {}) do keys[i] = { one, writer.pairwise(from, one, writer.key(from, group)) } end
  from.client.connection:send(writer.stanza(from, group, id, writer.skmsg(from, group, text), keys))
  return id
end

return writer
