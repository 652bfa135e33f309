--- Admin calls of groups: what simulated phones do in them, and crowds to fill them with.
-- @module moonpost.sandbox.admin_groups
local book = require "moonpost.sandbox.group_book"
local communities = require "moonpost.sandbox.communities"
local crowd = require "moonpost.sandbox.crowd"
local fields = require "moonpost.sandbox.fields"
local groups = require "moonpost.sandbox.groups"
local joins = require "moonpost.sandbox.group_joins"
local members = require "moonpost.sandbox.group_members"
local settings = require "moonpost.sandbox.group_settings"
local stanza = require "moonpost.stanza"

local node = stanza.node

local CROWD_MOST, CROWD_DEVICES_MOST = 1023, 10

-- What a phone does in a group: fn(group, account, value) -> nodes of people, or true, or a word for `code`; nil and a code.
local deeds = {}

for _, what in ipairs { "add", "remove", "promote", "demote" } do
  deeds[what] = function(group, account, value) return members[what](group, account, value.members or {}) end
end

function deeds.leave(group, account)
  if communities.leave(group, account) then return true end
  return nil, 403
end

function deeds.subject(group, account, value) return settings.subject(group, account, value.text or "") end
function deeds.description(group, account, value) return settings.description(group, account, { text = value.text }) end

for _, tag in ipairs { "locked", "unlocked", "announcement", "not_announcement", "not_ephemeral" } do
  deeds[tag] = function(group, account) return settings.set(group, account, { node(tag) }) end
end

function deeds.ephemeral(group, account, value)
  return settings.set(group, account, { node("ephemeral", { expiration = value.seconds }) })
end

function deeds.member_add_mode(group, account, value)
  return settings.set(group, account, { node("member_add_mode", nil, value.text or "") })
end

function deeds.membership_approval_mode(group, account, value)
  return settings.set(group, account, { node("membership_approval_mode", nil, node("group_join", { state = value.text })) })
end

function deeds.link(group, account) return joins.code(group, account) end
deeds["new-link"] = function(group, account) return joins.renew(group, account) end
function deeds.join(group, account, value) return joins.join(group.book.sandbox, account, value.code) end

for _, what in ipairs { "approve", "reject" } do
  deeds[what] = function(group, account, value) return joins.decide(group, account, what, value.members or {}) end
end

-- The group's people have other names from now on, which nobody is told: who does not know is refused with 421 (03 §17.1).
function deeds.migrate(group, account, value)
  if not group:is_admin(account) then return nil, 403 end
  if value.text ~= "lid" and value.text ~= "pn" then return nil, 400 end
  group.mode, group.hashes = value.text, nil
  group.book:save(group)
  return true
end

local words = {}
for word in pairs(deeds) do words[#words + 1] = word end
table.sort(words)

-- The people of a result, as {jid, code}.
local function told_people(list)
  local people = {}
  for i, one in ipairs(list) do people[i] = { jid = one.attrs.jid, code = one.attrs.error or 200 } end
  return people
end

local function kind_of_crowd(value)
  local wanted = ("{members: 1 to %d, devices: 0 to %d}"):format(CROWD_MOST, CROWD_DEVICES_MOST)
  if type(value) ~= "table" then return nil, wanted end
  local read = fields.read(value, {
    members = fields.whole(1, CROWD_MOST), devices = fields.whole(0, CROWD_DEVICES_MOST),
  }, { "members", "devices" })
  if not read then return nil, wanted end
  return read
end

-- The `<create>` a phone would send.
local function create_node(value, accounts)
  local content = { node("addressing_mode_override", { mode = value.mode or "lid" }) }
  for i, account in ipairs(accounts) do content[i + 1] = node("participant", { jid = account:jid "lid" }) end
  return node("create", { subject = value.subject }, content)
end

--- The calls, by "METHOD /path": fn(sandbox, request).
-- @tparam table tools of moonpost.sandbox.admin
return function(tools)
  local answer, read_json, JID = tools.answer, tools.read_json, tools.JID
  local calls = {}

  -- {creator, subject, members, mode, crowd}: the creator's phone makes a group; answers with its jid, and who is not in it.
  calls["POST /admin/mock-phone/group"] = function(sandbox, request)
    local value = read_json(request, {
      creator = JID, subject = fields.text(400), members = tools.jids, mode = fields.one_of("lid", "pn"), crowd = kind_of_crowd,
    }, { "creator", "subject" })
    if not value then return end
    local accounts = tools.find_accounts(sandbox, request, { value.creator, table.unpack(value.members or {}) })
    if not accounts then return end
    local creator = table.remove(accounts, 1)
    for _, one in ipairs(value.crowd and crowd.make(sandbox, value.crowd.members, value.crowd.devices) or {}) do
      accounts[#accounts + 1] = one
    end
    local group, failed = groups.create(sandbox, creator, create_node(value, accounts))
    if not group then return answer(request, 400, { error = ("refused with %d"):format(failed), code = failed }) end
    answer(request, 200, { jid = group:jid(), failed = tools.list(told_people(failed)) })
  end

  -- {jid, by, what, members, text, seconds, code}: the phone of `by` does something in a group.
  calls["POST /admin/mock-phone/group-action"] = function(sandbox, request)
    local value = read_json(request, {
      jid = JID, by = JID, what = fields.one_of(table.unpack(words)), members = tools.jids, text = fields.text(10000),
      seconds = fields.whole(1, 7776000), code = fields.text(100),
    }, { "jid", "by", "what" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.by })
    if not accounts then return end
    local group = book.of(sandbox):lookup(value.jid)
    if not group then return answer(request, 404, { error = "no group of this jid" }) end
    local done, code = deeds[value.what](group, accounts[1], value)
    if not done then return answer(request, 409, { error = ("refused with %d"):format(code), code = code }) end
    local result = type(done) == "table" and done or node "done"
    answer(request, 200, {
      participants = not result.tag and tools.list(told_people(result)) or nil, code = result.tag and result.attrs.code,
      waiting = result.tag == "membership_approval_request" or nil,
    })
  end

  return calls
end
