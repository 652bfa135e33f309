--- Admin calls of what phones do besides messages: they call and give up, they are looked at and put away.
-- @module moonpost.sandbox.admin_calls
local core = require "moonpost.core"
local calls = require "moonpost.sandbox.calls"
local fields = require "moonpost.sandbox.fields"
local presence = require "moonpost.sandbox.presence"
local printable = require "moonpost.printable"

local function group(value)
  local user, server = core.wire.jid.parse(type(value) == "string" and value or "")
  if server == "g.us" and user ~= "" then return value end
  return nil, "a group's JID"
end

--- The calls, by "METHOD /path": fn(sandbox, request).
-- @tparam table tools of moonpost.sandbox.admin
return function(tools)
  local answer, read_json, JID = tools.answer, tools.read_json, tools.JID
  local by_path = {}

  -- {from, to, video, group, notice}: the phone of `from` calls `to`, whose devices ring; answers with the call's id.
  by_path["POST /admin/mock-phone/call"] = function(sandbox, request)
    local value = read_json(request, { from = JID, to = JID, video = fields.flag, group = group, notice = fields.flag }, { "from", "to" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.from, value.to })
    if accounts then answer(request, 200, { id = calls.place(sandbox, accounts[1], accounts[2], value) }) end
  end

  -- {id, how}: a call of a phone ends: the caller hangs up (usual), it has rung long enough, another device has accepted or rejected it.
  by_path["POST /admin/mock-phone/end-call"] = function(sandbox, request)
    local value = read_json(request, { id = fields.text(100), how = fields.one_of("hangup", "timeout", "accepted", "rejected") }, { "id" })
    if not value then return end
    if calls.finish(sandbox, value.id, value.how or "hangup") then return answer(request, 200, {}) end
    answer(request, 404, { error = ("no call '%s' rings"):format(printable.line(value.id, 100)) })
  end

  -- ?id=…: what became of a phone's call: "ringing", or how it ended.
  by_path["GET /admin/mock-phone/call"] = function(sandbox, request)
    local call = calls.find(sandbox, (request.query or ""):match "^id=(%x+)$" or "")
    if not call then return answer(request, 404, { error = "no such call: the query is id=…, as the answer to the call had it" }) end
    answer(request, 200, { id = call.id, state = call.state })
  end

  -- {jid, available}: the owner of an account looks at the phone, or puts it away.
  by_path["POST /admin/mock-phone/presence"] = function(sandbox, request)
    local value = read_json(request, { jid = JID, available = fields.flag }, { "jid", "available" })
    local accounts = value and tools.find_accounts(sandbox, request, { value.jid })
    if not accounts then return end
    presence.phone(sandbox, accounts[1], value.available)
    answer(request, 200, {})
  end

  return by_path
end
