--- The turns of chats: messages of one chat one after another, chats at the same time. What waits is kept as its number in the journal
-- alone: the row is in the store.
-- @module moonpost.client.lanes
local Lanes = {}
Lanes.__index = Lanes

local function number_of(item) return type(item) == "table" and item.sequence or item end

local function take(lane)
  local item = lane[lane.first]
  lane[lane.first] = nil
  lane.first = lane.first + 1
  return item
end

local function run(self, lane)
  if lane.busy or self.held then return end
  while type(lane[lane.first]) == "function" do take(lane)() end
  if lane.busy then return end
  if lane.first > lane.last then
    self.chats[lane.chat] = nil
    return
  end
  local item = take(lane)
  self.waiting = self.waiting - 1
  lane.busy = true
  self.begin(item, function()
    lane.busy = false
    run(self, lane)
  end)
end

--- Puts a message at the end of its chat's lane; it begins at once when nothing is before it.
-- @string chat
-- @tparam table|int item an entry of the journal, or its number
function Lanes:add(chat, item)
  local lane = self.chats[chat] or { chat = chat, busy = false, first = 1, last = 0 }
  self.chats[chat] = lane
  lane.last = lane.last + 1
  lane[lane.last] = (lane.busy or self.held) and number_of(item) or item
  self.waiting = self.waiting + 1
  run(self, lane)
end

--- Whether a chat has no message that runs or waits.
function Lanes:idle(chat) return not self.held and not self.chats[chat] end

--- Calls fn when each message that is here now has had its turn; at once when there is none. While the lanes are held it waits.
-- @func fn fn(); it puts nothing into a lane
function Lanes:passed(fn)
  if self.held then
    self.asked[#self.asked + 1] = fn
    return
  end
  local left = 1
  local function one()
    left = left - 1
    if left == 0 then fn() end
  end
  for _, lane in pairs(self.chats) do
    left = left + 1
    lane.last = lane.last + 1
    lane[lane.last] = one
  end
  one()
end

--- How many messages of a chat wait.
function Lanes:count(chat)
  local lane = self.chats[chat]
  return lane and lane.last - lane.first + 1 or 0
end

--- Begins nothing any more.
function Lanes:hold() self.held = true end

--- Begins what waits, the oldest first.
function Lanes:go()
  if not self.held then return end
  self.held = false
  local lanes = {}
  for _, lane in pairs(self.chats) do lanes[#lanes + 1] = lane end
  table.sort(lanes, function(a, b) return number_of(a[a.first]) < number_of(b[b.first]) end)
  local asked = self.asked
  self.asked = {}
  for _, fn in ipairs(asked) do self:passed(fn) end
  for _, lane in ipairs(lanes) do run(self, lane) end
end

--- @func begin fn(item, next): a message's turn has come; next() gives it to the one behind
-- @treturn table lanes, held until `go`; `waiting`: how many messages wait in all
return function(begin) return setmetatable({ begin = begin, chats = {}, asked = {}, waiting = 0, held = true }, Lanes) end
