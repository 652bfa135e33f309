--- Admin calls of status posts, lists, accounts that want privacy tokens, and what phones tell their companions.
-- @module moonpost.sandbox.admin_places
local appstate = require "moonpost.sandbox.appstate"
local appstate_phone = require "moonpost.sandbox.appstate_phone"
local fields = require "moonpost.sandbox.fields"
local past = require "moonpost.sandbox.history_past"
local status = require "moonpost.sandbox.status"

local IDS_MAX = 1000

-- A kind of field: ids of messages.
local function ids(value)
  local id, good = fields.text(128), type(value) == "table" and #value > 0 and #value <= IDS_MAX
  for _, one in ipairs(good and value or {}) do good = good and id(one) ~= nil end
  if good then return value end
  return nil, ("an array of 1 to %d ids"):format(IDS_MAX)
end

--- The calls, by "METHOD /path": fn(sandbox, request).
-- @tparam table tools of moonpost.sandbox.admin
return function(tools)
  local answer, read_json, JID = tools.answer, tools.read_json, tools.JID
  local calls = {}

  -- {from, text, to}: the phone of `from` writes to a list of people; answers with the list's jid and the message's id.
  calls["POST /admin/mock-phone/broadcast"] = function(sandbox, request)
    local value = read_json(request, { from = JID, text = fields.text(4096), to = tools.jids }, { "from", "text", "to" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.from, table.unpack(value.to) })
    if not accounts then return end
    local jid, id = status.broadcast(sandbox, table.remove(accounts, 1), accounts, value.text)
    answer(request, 200, { jid = jid, id = id })
  end

  -- {jid, setting, people}: who sees the status posts of an account by its own setting; its phone sets it.
  calls["POST /admin/mock-phone/status-privacy"] = function(sandbox, request)
    local value = read_json(request, {
      jid = JID, setting = fields.one_of("contacts", "blacklist", "whitelist"), people = tools.jids,
    }, { "jid", "setting" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid, table.unpack(value.people or {}) })
    if not accounts then return end
    local account, people = table.remove(accounts, 1), {}
    for i, one in ipairs(accounts) do people[i] = one.pn end
    account.status_privacy = { setting = value.setting, people = people }
    sandbox.accounts:save(account)
    answer(request, 200, {})
  end

  -- {tag}: under which tag status posts are handed out, `message` or `status`.
  calls["POST /admin/status-tag"] = function(sandbox, request)
    local value = read_json(request, { tag = fields.one_of("message", "status") }, { "tag" })
    if not value then return end
    sandbox.status_tag = value.tag == "status"
    answer(request, 200, {})
  end

  -- {jid, restricted, tc_enabled, cs_enabled, nct_send_ab, nct_history_delivery}: what an account wants of strangers (S-806).
  calls["POST /admin/account-flags"] = function(sandbox, request)
    local flag = fields.flag
    local value = read_json(request, {
      jid = JID, restricted = flag, tc_enabled = flag, cs_enabled = flag, nct_send_ab = flag, nct_history_delivery = flag,
    }, { "jid" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    value.jid = nil
    for name, on in pairs(value) do accounts[1].flags[name] = on end
    sandbox.accounts:save(accounts[1])
    answer(request, 200, {})
  end

  -- {jid, chat, id or ids, from_me, sender}: the phone of an account deletes a message, or many, for itself alone; its companions hear.
  calls["POST /admin/mock-phone/delete-for-me"] = function(sandbox, request)
    local value = read_json(request, {
      jid = JID, chat = fields.text(100), id = fields.text(128), ids = ids, from_me = fields.flag,
      sender = fields.text(100),
    }, { "jid", "chat" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    if not value.ids and not value.id then return answer(request, 400, { error = "id is missing" }) end
    local list = {}
    for i, id in ipairs(value.ids or { value.id }) do
      list[i] = { { "deleteMessageForMe", value.chat, id, value.from_me and "1" or "0", value.sender or "0" }, 3, {
        deleteMessageForMeAction = { deleteMedia = false, messageTimestamp = math.floor(sandbox.time()) },
      } }
    end
    answer(request, 200, { version = appstate.set_all(sandbox, accounts[1], "regular_high", list) })
  end

  -- {jid, collection}: the phone of an account makes a snapshot of a collection, which new devices are given as a file.
  calls["POST /admin/mock-phone/compact-app-state"] = function(sandbox, request)
    local value = read_json(request, { jid = JID, collection = fields.one_of(table.unpack(appstate.COLLECTIONS)) }, { "jid", "collection" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    local version, records = appstate.compact(sandbox, accounts[1], value.collection)
    answer(request, 200, { version = version, records = records })
  end

  -- {name or jid, chats, groups, messages, recent, days, size, chunk, inline}: the phone of an account has a past of that size, which the
  -- next devices that are linked are given; an account of that name is made when there is none.
  calls["POST /admin/mock-phone/past"] = function(sandbox, request)
    local whole = fields.whole
    local value = read_json(request, {
      jid = JID, name = fields.text(100), chats = whole(0, 1000), groups = whole(0, 100), messages = whole(1, 200000),
      recent = whole(0, 200000), days = whole(1, 3650), size = whole(1, 4096), chunk = whole(1, 60000), inline = whole(0, 1048576),
    }, {})
    if not value then return end
    if (value.jid == nil) == (value.name == nil) then return answer(request, 400, { error = "a past is of a jid or of a name" }) end
    local accounts = value.jid and tools.find_accounts(sandbox, request, { value.jid })
    if value.jid and not accounts then return end
    local account = accounts and accounts[1] or sandbox.accounts:of_name(value.name)
    past.set(sandbox, account, value)
    answer(request, 200, { jid = account:jid(), lid = account:jid "lid" })
  end

  -- {jid}: the phone of an account takes a new app-state key, which its companions have to ask for.
  calls["POST /admin/mock-phone/new-app-state-key"] = function(sandbox, request)
    local value = read_json(request, { jid = JID }, { "jid" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    appstate_phone.renew(sandbox, accounts[1])
    answer(request, 200, {})
  end

  return calls
end
