--- Trying media hosts in turn until one has done it (fact sheet 05 §14.2, §14.4). One that cannot be reached, or is busy, is asked again
-- after a pause that grows, or that it names itself; meanwhile the others are.
-- @module moonpost.client.media_hosts_in_turn
local core = require "moonpost.core"
local task = require "moonpost.task"

local net = core.net

-- When the first of those that are left may be asked again; nil: none is left.
local function earliest(candidates)
  local first
  for _, one in ipairs(candidates) do
    if one.due and (not first or one.due < first) then first = one.due end
  end
  return first
end

-- A candidate has failed: it is left out, or comes again later.
local function settle(one, pace, err, verdict)
  one.tries = one.tries + 1
  local later = verdict == "again" and one.tries < pace.tries
  one.due = later and net.now() + math.min(err.after or one.tries * pace.step, pace.longest) or nil
end

local function in_turn(pace, candidates, attempt, known)
  local failed
  for _, one in ipairs(candidates) do one.tries, one.due = 0, 0 end
  while true do
    for _, one in ipairs(candidates) do
      if one.due and one.due <= net.now() then
        local result, err, verdict = attempt(one, known)
        if result then return result end
        if verdict ~= "again" and verdict ~= "next" then return nil, err, verdict end
        failed = err
        settle(one, pace, err, verdict)
      end
    end
    local at = earliest(candidates)
    if not at then return nil, failed end
    task.sleep(math.max(0, at - net.now()))
  end
end

--- Tries them. In a task.
-- @tparam table media moonpost.client.media
-- @func candidates_of fn(known hosts) -> array of tables of its own, or nil and an error
-- @func attempt fn(candidate, known) -> result; or nil, err, verdict: "next": this one is no use; "again": it may be later, after
--   `err.after` seconds; "renew": the token or the address is stale, everything is asked for anew, once; nil: nobody else is tried
-- @return the result
-- @treturn ?table err the last one
return function(media, candidates_of, attempt)
  local renewed = false
  while true do
    local known, err = media.hosts:get()
    if not known then return nil, err end
    local candidates, wrong = candidates_of(known)
    if not candidates then return nil, wrong end
    local result, failed, verdict = in_turn(media.pace, candidates, attempt, known)
    if verdict ~= "renew" or renewed then return result, failed end
    media.hosts:drop(known)
    renewed = true
  end
end
