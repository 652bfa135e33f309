--- What the numbers of refused requests about groups mean (fact sheet 07 §1.5, 10 §0.3), as words to decide by.
-- @module moonpost.client.group_errors
local core = require "moonpost.core"

local group_errors = {}

-- Of a request as a whole: {word, sentence}.
local whole = {
  [304] = { "already-in", "this account is in the group already" },
  [400] = { "bad-request", "the server does not take such a request" },
  [401] = { "not-authorized", "this account may not do that" },
  [403] = { "forbidden", "only admins may do that, or this account is not in the group" },
  [404] = { "not-found", "there is no such group, or nothing of that kind in it" },
  [405] = { "not-allowed", "this account may not do that: it was removed before, say" },
  [406] = { "not-acceptable", "what was given is too long, or not of the form it should have" },
  [409] = { "conflict", "it has been changed by somebody else meanwhile, or is so already" },
  [410] = { "gone", "the invite was revoked, or is too old" },
  [412] = { "full", "the community takes no more members" },
  [416] = { "suspended", "the community is suspended" },
  [419] = { "full", "the group takes no more members" },
  [423] = { "locked", "the group is locked" },
  [426] = { "upgrade-required", "the service wants a newer client for that" },
  [429] = { "too-often", "that was asked for too often" },
  [436] = { "growth-locked", "nobody can join by link at present" },
  [500] = { "server", "the server is in trouble" },
  [501] = { "unsupported", "the server has nothing of that kind" },
  [503] = { "server", "the server is unavailable" },
  [530] = { "server", "the server is in trouble" },
}

-- Of one person.
local each = {
  [304] = "already-in", [400] = "bad-request", [401] = "not-authorized", [402] = "banned", [403] = "forbidden", [404] = "not-found",
  [405] = "not-allowed", [406] = "not-acceptable", [408] = "left-recently", [409] = "already-in", [412] = "full", [417] = "blocked",
  [419] = "full", [421] = "requested", [431] = "incompatible", [432] = "already-in", [433] = "pending", [451] = "legal",
  [500] = "server", [530] = "server",
}

--- Makes an error with the server's number.
function group_errors.make(code, message, status)
  local err = core.error(code, message)
  err.status = status
  return err
end

--- The error of a query, as a word where it is the server's number.
-- @tparam table err of moonpost.client.connection's query
-- @treturn table err code a word, `status` the number; what is not the server's stays as it is
function group_errors.of_query(err)
  if err.code ~= "iq" then return err end
  local known = whole[err.status] or { "refused", "the server refuses" }
  return group_errors.make(known[1], ("%s (%d)"):format(known[2], err.status), err.status)
end

--- The word for what became of one person; "refused" for a number nobody knows.
function group_errors.word(status) return each[status] or "refused" end

return group_errors
