--- The messages a chat has shown, by the number that stands beside each.
-- @module moonpost.cli.chat.lines
local kinds = require "moonpost.client.kinds"

local Lines = {}
Lines.__index = Lines

local function key_of(chat, id) return chat .. "\0" .. id end

--- A line to come: it has its number before anybody knows the message's id.
-- @treturn table {number}
function Lines:reserve()
  local line = { number = #self.list + 1 }
  self.list[line.number] = line
  return line
end

--- Says which message a line is.
-- @tparam table line
-- @tparam table m chat, id, sender, from_me, kind, …
function Lines:set(line, m)
  line.m = m
  local key = key_of(m.chat, m.id)
  self.by_key[key] = self.by_key[key] or {}
  table.insert(self.by_key[key], line)
end

--- The line of a message; nil when it was not shown.
-- @tparam ?table target chat, id, sender, from_me
function Lines:of(target)
  local found = target and target.chat and target.id and self.by_key[key_of(target.chat, target.id)] or {}
  for _, line in ipairs(found) do
    if line.m.sender == target.sender or line.m.from_me and target.from_me then return line end
  end
  return found[1]
end

--- "#3", or words for a message that was not shown.
function Lines:name(target)
  local line = self:of(target)
  return line and "#" .. line.number or "an earlier message"
end

local function any() return true end
local function of_kind(...)
  local wanted = {}
  for _, kind in ipairs { ... } do wanted[kind] = true end
  return function(m) return wanted[m.kind] end
end

-- What commands act on: which message they mean when none is named, and what they call it.
local targets = {
  any = { any, "message" }, own = { function(m) return m.from_me end, "message of yours" },
  other = { function(m) return not m.from_me end, "message of somebody else" }, poll = { of_kind "poll", "poll" },
  event = { of_kind "event", "event" }, invite = { of_kind "invite", "invite" },
  file = { function(m) return m.media ~= nil end, "file" },
  menu = { of_kind("buttons", "list", "template", "interactive"), "menu" },
}

--- The message a command acts on.
-- @string target "any", "own", "other", "poll", …: what it is by default
-- @tparam ?string number of the line
-- @treturn ?table m
-- @treturn ?string why there is none
function Lines:pick(target, number)
  if number then
    local line = self.list[math.tointeger(tonumber(number)) or 0]
    if line and line.m then return line.m end
    return nil, line and ("#%s was not sent"):format(number) or ("there is no message #%s"):format(number)
  end
  local fits, called = table.unpack(targets[target])
  for i = #self.list, 1, -1 do
    local m = self.list[i].m
    if m and fits(m) then return m end
  end
  return nil, ("there is no %s yet"):format(called)
end

--- Whether a message has a number of its own: it is a content, and nothing done to another one.
function Lines.is_numbered(m) return kinds.is_content(m.kind) end

return function() return setmetatable({ list = {}, by_key = {} }, Lines) end
