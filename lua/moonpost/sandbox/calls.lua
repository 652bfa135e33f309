--- Calls: signalling alone, nobody is heard (fact sheet 08 S-846). Simulated phones call by admin call; what clients signal is handed on.
-- @module moonpost.sandbox.calls
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local RING_SECONDS = 45 -- nobody is rung for longer; what waited for a device longer is not brought to it
local KEPT = 100        -- calls of phones that are remembered

local calls = {}

-- How a call of a phone ends, by what the admin call says.
calls.endings = { hangup = "", timeout = "timeout", accepted = "accepted_elsewhere", rejected = "rejected_elsewhere" }

local function of(sandbox)
  sandbox.calls = sandbox.calls or { list = {}, by_id = {} }
  return sandbox.calls
end

-- Hands a signal to an account's devices, all but one.
local function ring(sandbox, account, from, child, but, more)
  for _, device in ipairs(sandbox.accounts:companions(account)) do
    if device ~= but then
      local attrs = { from = from, id = sandbox:next_id(), t = sandbox.time() }
      for name, value in pairs(more or {}) do attrs[name] = value end
      device.queue:push(stanza.node("call", attrs, child))
    end
  end
end

local function signal(call, tag, attrs, content)
  local all = { ["call-id"] = call.id, ["call-creator"] = call.creator }
  for name, value in pairs(attrs or {}) do all[name] = value end
  return stanza.node(tag, all, content)
end

local function remember(sandbox, call)
  local known = of(sandbox)
  known.by_id[call.id] = call
  known.list[#known.list + 1] = call
  if #known.list > KEPT then known.by_id[table.remove(known.list, 1).id] = nil end
end

--- The phone of an account calls another account, whose devices ring.
-- @tparam table caller account
-- @tparam table callee account
-- @tparam table about video; group (JID): a call in that group; notice: the group tells of it, nobody is asked in person
-- @treturn string its id
function calls.place(sandbox, caller, callee, about)
  local call = {
    id = core.crypto.hex(core.crypto.random(16)):upper(), creator = caller:jid "lid", caller = caller, callee = callee, state = "ringing",
  }
  remember(sandbox, call)
  local attrs, content = { caller_pn = caller:jid(), ["group-jid"] = about.group, type = about.group and "group" or nil }, nil
  if about.notice then
    attrs.media = about.video and "video" or "audio"
  else
    content = { stanza.node("audio", { enc = "opus", rate = "16000" }), about.video and stanza.node "video" or nil }
  end
  local child = signal(call, about.notice and "offer_notice" or "offer", attrs, content)
  ring(sandbox, callee, call.creator, child, nil, { notify = caller.name })
  return call.id
end

-- A call of a phone is over: the callee's devices stop ringing, but for the one that ended it.
local function over(sandbox, call, state, reason, but)
  if call.state ~= "ringing" then return end
  call.state = state
  ring(sandbox, call.callee, call.creator, signal(call, "terminate", { reason = reason ~= "" and reason or nil }), but)
end

--- Ends a call of a phone; nil when none with this id rings.
-- @string how one of calls.endings
function calls.finish(sandbox, id, how)
  local call = of(sandbox).by_id[id]
  if not call or call.state ~= "ringing" then return nil end
  over(sandbox, call, how == "hangup" and "ended" or how, calls.endings[how])
  return true
end

--- What is known of a phone's call; nil when there is none.
function calls.find(sandbox, id) return of(sandbox).by_id[id] end

-- A device refuses, takes or ends a call: it no longer rings at the others of its account.
local elsewhere = { reject = { "rejected", "rejected_elsewhere" }, accept = { "accepted", "accepted_elsewhere" } }

local function answered(conn, child)
  local call, how = of(conn.sandbox).by_id[child.attrs["call-id"] or ""], elsewhere[child.tag]
  if call and how and call.callee == conn.device.account then over(conn.sandbox, call, how[1], how[2], conn.device) end
end

--- A `<call>` of a client: acknowledged, and handed to the devices it is for.
function calls.call(conn, node)
  local sandbox, child = conn.sandbox, stanza.child(node)
  conn:send(stanza.node("ack", { class = "call", id = node.attrs.id, from = node.attrs.to, type = child and child.tag }))
  local target, _, server = sandbox.accounts:lookup(node.attrs.to)
  if not child or not target then return end
  answered(conn, child)
  if of(sandbox).by_id[child.attrs["call-id"] or ""] then return end -- it was the phone's: there is nobody to hand it to
  ring(sandbox, target, conn.device:jid(server), child, conn.device, { notify = conn.device.account.name })
end

--- A receipt that says a call rings: to the device that calls.
function calls.receipt(conn, node)
  local device = conn.sandbox.accounts:device(node.attrs.to)
  if not device then return end
  local _, server = jid.parse(node.attrs.to)
  device.queue:push(stanza.node("receipt", {
    from = conn.device:jid(server), id = node.attrs.id, t = conn.sandbox.time(),
  }, node.content))
end

--- Calls that waited for a device longer than anybody rings are not brought to it any more.
function calls.expire(sandbox, device)
  local oldest, late = sandbox.time() - RING_SECONDS, {}
  for node in device.queue:each() do
    if node.tag == "call" and tonumber(node.attrs.t) < oldest then late[#late + 1] = node end
  end
  for _, node in ipairs(late) do device.queue:confirm("call", node.attrs.id, node.attrs.from) end
end

return calls
