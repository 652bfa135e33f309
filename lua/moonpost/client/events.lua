--- The events of a client: who hears of them, and how they are told.
-- @module moonpost.client.events
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local known = {
  message = true, receipt = true, online = true, offline = true, unlinked = true, replaced = true, refused = true, presence = true,
  chatstate = true, error = true, identity = true, status = true, group = true, call = true, newsletter = true, caught_up = true,
  history = true, picture = true,
}

local events = {}

--- Registers a handler. Message handlers of one chat run one after another, chats at the same time; each may wait.
-- @string event
-- @func fn
-- @treturn function takes the handler off again
function events.on(self, event, fn)
  if not known[event] then
    local names = {}
    for name in pairs(known) do names[#names + 1] = name end
    table.sort(names)
    error(("client:on has no event '%s' (%s)"):format(tostring(event), table.concat(names, ", ")), 2)
  end
  if type(fn) ~= "function" then error("client:on expects a function, got " .. type(fn), 2) end
  local list = self.handlers[event] or {}
  self.handlers[event] = list
  list[#list + 1] = fn
  return function()
    for i = #list, 1, -1 do
      if list[i] == fn then table.remove(list, i) end
    end
  end
end

--- Tells the handlers of an event, each in a task of its own. An error nobody listens to is logged.
function events.emit(self, event, ...)
  local list = self.handlers[event]
  if not list or #list == 0 then
    if event == "error" then self.log:error(traceback.text((...))) end
    return
  end
  for _, fn in ipairs { table.unpack(list) } do task.spawn(fn, ...) end
end

return events
