-- Groups of simulated phones for specs of the sandbox: who is in them, what a contact's client asks of them word by word, and what it
-- is told.
local stanza = require "moonpost.stanza"
local tap = require "spec.tap"

local node = stanza.node

local scene = {}

--- An account nobody's client is linked to: name, jid, lid, account.
function scene.phone(rig, name, number)
  local account = assert(rig.sandbox.accounts:of_phone(number, name))
  return { name = name, jid = account:jid(), lid = account:jid "lid", account = account }
end

--- A group made by somebody's phone; its JID. `more`: further fields of the admin call.
function scene.group(rig, creator, members, more)
  local names = {}
  for i, one in ipairs(members) do names[i] = one.jid end
  local body = { creator = creator.jid, subject = "Tea", members = #names > 0 and names or nil }
  for name, value in pairs(more or {}) do body[name] = value end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group", body)
  assert(status == 200, answer.error)
  return answer.jid, answer
end

--- Has somebody's phone do something in a group; the answer, or nil and the code of the refusal.
function scene.act(rig, group, by, what, more)
  local body = { jid = group, by = by.jid, what = what }
  for name, value in pairs(more or {}) do body[name] = value end
  local status, answer = tap.admin(rig, "POST", "/admin/mock-phone/group-action", body)
  if status == 200 then return answer end
  assert(status == 409, answer.error)
  return nil, math.tointeger(answer.code)
end

--- What a contact's client asks of groups: the answer, or nil and its status.
function scene.ask(contact, type, to, child)
  local answer, err = contact.client:query(node("iq", { xmlns = "w:g2", type = type, to = to }, child))
  if answer then return answer end
  return nil, err.status or tostring(err)
end

--- People as a request names them.
function scene.people(tag, ...)
  local list = {}
  for i, one in ipairs { ... } do list[i] = node("participant", { jid = type(one) == "string" and one or one.lid }) end
  return node(tag, nil, list)
end

--- The codes of an answer's people, in order; 200 where there is no error.
function scene.codes(answer, ...)
  local list = {}
  for i, one in stanza.children(stanza.path(answer, ...), "participant") do list[i] = tonumber(one.attrs.error or 200) end
  return list
end

--- A group as a contact's client is shown it.
function scene.shown(contact, group)
  return stanza.child(assert(scene.ask(contact, "get", group, node("query", { request = "interactive" }))), "group")
end

--- Who is in a `<group>`: JID -> "superadmin", "admin" or "member".
function scene.ranks(group)
  local ranks = {}
  for _, one in stanza.children(group, "participant") do ranks[one.attrs.jid] = one.attrs.type or "member" end
  return ranks
end

--- What a contact is told of groups from now on: a list of notifications, in order.
function scene.told(rig, contact)
  return rig:record("to-client", function(one, conn) return one.attrs.type == "w:gp2" and tap.is_to(conn, contact) end)
end

--- The tags of what was told, and how often the list was looked at matters not: all that has arrived until now.
function scene.tags(contact, told)
  assert(contact.client:query(node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
  local list = {}
  for i, one in ipairs(told) do list[i] = one.content[1].tag end
  return list
end

return scene
