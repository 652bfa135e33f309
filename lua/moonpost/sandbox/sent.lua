--- What an account has written lately, and in which chat: only those who are in a chat may say what became of a message
-- (fact sheet 08 §13).
--   world "m" number 00 sequence (u64 BE) -> number of the chat's other side, 00, id of the message
-- @module moonpost.sandbox.sent
local KEPT = 20000 -- messages of an account: twice what may wait for somebody who is away (S-605)

local Sent = {}
Sent.__index = Sent

local function row_key(self, number) return self.prefix .. (">I8"):pack(number) end

local function remember(self, id, chat)
  self.last = self.last + 1
  self.ids[self.last], self.chats[id] = id, chat
  if self.last - self.first < self.kept then return end
  local oldest = self.ids[self.first]
  self.ids[self.first] = nil
  if self.keep then self.store:delete("world", row_key(self, self.first)) end
  if self.chats[oldest] and self.numbers[oldest] == self.first then self.chats[oldest], self.numbers[oldest] = nil, nil end
  self.first = self.first + 1
end

--- Takes note of a message.
-- @string id
-- @string chat the other side's number
function Sent:add(id, chat)
  if self.chats[id] == chat then return end
  remember(self, id, chat)
  self.numbers[id] = self.last
  if self.keep then self.store:put("world", row_key(self, self.last), chat .. "\0" .. id) end
end

--- The chat of a message, as its other side's number; nil when it is unknown, or too old.
function Sent:chat_of(id) return self.chats[id] end

local sent = {}

--- Opens an account's.
-- @param store
-- @string name the account's number
-- @bool keep whether it outlives the process
-- @tparam ?int kept how many messages (KEPT)
function sent.open(store, name, keep, kept)
  local self = setmetatable({
    store = store, prefix = ("m%s\0"):format(name), keep = keep, kept = kept or KEPT, ids = {}, chats = {}, numbers = {},
    first = 1, last = 0,
  }, Sent)
  local rows = keep and store:range("world", self.prefix) or {}
  if rows[1] then self.first = (">I8"):unpack(rows[1][1], #self.prefix + 1) end
  for _, row in ipairs(rows) do
    local chat, id = row[2]:match "^(%d+)\0(.+)$"
    local number = (">I8"):unpack(row[1], #self.prefix + 1)
    self.ids[number], self.chats[id], self.numbers[id], self.last = id, chat, number, number
  end
  return self
end

--- What an account has written, opened at first need.
function sent.of(sandbox, account)
  account.sent = account.sent or sent.open(sandbox.store, account.pn, sandbox.keep)
  return account.sent
end

--- Takes note of what waits for a device: in a world of before accounts were asked what they had written, nobody did.
function sent.learn(sandbox, device)
  for node in device.queue:each() do
    local author = node.tag == "message" and not node.attrs.participant and sandbox.accounts:lookup(node.attrs.from)
    if author and author ~= device.account then
      local written = sent.of(sandbox, author)
      if not written:chat_of(node.attrs.id) then written:add(node.attrs.id, device.account.pn) end
    end
  end
end

return sent
