--- Pages of history, as the handlers of `history` are told: the messages of one chat, 100 at most, the newest first. The pages of a chat
-- come one behind the other, back in time; a chat without messages is a page too. What is not of a chat, push names and who has left
-- groups, comes in pages of its own. A chunk has one page at least, and the last is `done`.
-- @module moonpost.client.history_pages
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local past = require "moonpost.client.history_message"
local places = require "moonpost.client.places"
local rows = require "moonpost.client.rows"

local proto = core.proto

local pages = {}

local types = {
  INITIAL_BOOTSTRAP = "initial", INITIAL_STATUS_V3 = "status", FULL = "full", RECENT = "recent", PUSH_NAME = "names",
  NON_BLOCKING_DATA = "other", ON_DEMAND = "on_demand", NO_HISTORY = "none", MESSAGE_ACCESS_STATUS = "access",
}

--- What a chunk is, in a word.
-- @tparam table notification HistorySyncNotification
function pages.type_of(notification) return types[notification.syncType or "INITIAL_BOOTSTRAP"] or "unknown" end

local Page = {}
Page.__index = Page
function Page.__tostring(page)
  return ("a page of history (%s, %s)"):format(page.type, page.chat or "of no chat")
end

local Pages = {}
Pages.__index = Pages

local function new_page(self, fields)
  local notification = self.job.notification
  local page = {
    messages = {}, type = self.job.kind, progress = notification.progress, chunk = notification.chunkOrder,
    on_demand = notification.syncType == "ON_DEMAND", redelivered = false, done = false, last = false,
  }
  for name, value in pairs(fields) do page[name] = value end
  return setmetatable(page, Page)
end

-- Hands out the page before, and keeps this one until it is known whether it is the last. Behind it, so many items have been read.
local function flush(self, page, items)
  page.items = items
  local before = self.ready
  self.ready = page
  return before == nil or self.give(before)
end

local function push_name(client, who) return client.store:get("history", rows.short("n" .. who)) end

-- The page of a conversation that is being filled.
local function page_of(self, chat, name)
  if self.page then return self.page end
  local client = self.client
  self.page = new_page(self, {
    chat = chat, group = messages.is_group(chat), place = places.of(chat), phone = client.lids:phone(chat),
    name = name or not messages.is_group(chat) and push_name(client, chat) or nil,
  })
  return self.page
end

local function close_page(self, items)
  local page = self.page
  self.page = nil
  return page == nil or flush(self, page, items)
end

local function add(self, bytes, chat, name)
  local full = self.page and (self.page.chat ~= chat or #self.page.messages >= limits.HISTORY_PAGE)
  if full and not close_page(self, self.items) then return false end
  local page = page_of(self, chat, name)
  local one = self.past:read(bytes, chat)
  if not one then
    self.client.log:debug("a message of the history of %s cannot be read", chat)
    return true
  end
  local m = self.past:describe(one)
  if not m.kind then return true end -- keys alone, which say nothing
  if not m.name and not m.from_me then m.name = push_name(self.client, m.sender) end
  page.messages[#page.messages + 1] = m
  return true
end

local take = {}

function take.message(self, bytes, number)
  local chat = self.chats[number]
  return not chat or add(self, bytes, chat[1], chat[2])
end

function take.status(self, bytes) return add(self, bytes, places.STATUS) end

local function more_of(conversation)
  local kind = conversation.endOfHistoryTransferType
  return kind ~= nil and kind ~= "COMPLETE_AND_NO_MORE_MESSAGE_REMAIN_ON_PRIMARY"
end

function take.conversation(self, bytes, number)
  local chat = self.chats[number]
  if not chat then return true end
  if self.page and self.page.chat ~= chat[1] and not close_page(self, self.items) then return false end
  local page = page_of(self, chat[1], chat[2])
  page.conversation, page.last = proto.decode("Conversation", bytes), true
  page.more = more_of(page.conversation)
  return close_page(self, self.items + 1)
end

local function names_of(self, history)
  local list = {}
  for _, one in ipairs(history.pushnames or {}) do
    local who, name = past.jid(self.client, one.id), past.name(one.pushname)
    if who and name then list[#list + 1] = { jid = who, name = name } end
  end
  return #list > 0 and list or nil
end

local function left_of(self, history)
  local list = {}
  for _, group in ipairs(history.pastParticipants or {}) do
    for _, one in ipairs(group.pastParticipants or {}) do
      local who = past.jid(self.client, one.userJid)
      if who and group.groupJid then
        list[#list + 1] = { chat = group.groupJid, jid = who, time = one.leaveTs, removed = one.leaveReason == "REMOVED" }
      end
    end
  end
  return #list > 0 and list or nil
end

function take.fields(self, bytes)
  if not close_page(self, self.items) then return false end
  local history = proto.decode("HistorySync", bytes)
  local names, left = history and names_of(self, history), history and left_of(self, history)
  if not names and not left then return true end
  return flush(self, new_page(self, { names = names, left = left }), self.items + 1)
end

--- Reads a chunk page by page, from where its job is. In a task.
-- @param client
-- @tparam table job
-- @tparam table source moonpost.client.history_source
-- @tparam table chats by number of the conversation: { id, name }
-- @func give fn(page) -> whether to go on; may wait. `page.items`: where the job is behind it
-- @treturn ?boolean true; false when `give` has ended it
-- @treturn ?table err what is wrong with the chunk
function pages.each(client, job, source, chats, give)
  local self = setmetatable({
    client = client, job = job, chats = {}, give = give, items = job.row.items or 0, past = past.reader(client),
  }, Pages)
  for number, chat in pairs(chats) do
    local stable = past.jid(client, chat[1])
    self.chats[number] = stable and { stable, chat[2] }
  end
  local ok, err = source:each({ skip = self.items }, function(kind, bytes, number)
    local going = take[kind](self, bytes, number)
    self.items = self.items + 1
    return going
  end)
  if not ok then return ok, err end
  if not close_page(self, self.items) then return false end
  local last = self.ready or new_page(self, { items = self.items })
  last.done = true
  return give(last)
end

return pages
