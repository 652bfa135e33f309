--- Telling what was read here, and played (fact sheet 04 §7.4): one receipt for many messages of one author in one chat. A mark is
-- written in the turn that makes it and goes with the server's ack, so that a crash loses none; one that is told twice says nothing new.
-- @module moonpost.client.read_marks
local core = require "moonpost.core"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local jid = core.wire.jid

local IDS = 256  -- of one receipt (04 §7.4)
local DONE = 256 -- marks the server has taken that wait for somebody's commit; so many get one of their own

local types = { r = "read", p = "played" }
local letters = { read = "r", played = "p" }

local ReadMarks = {}
ReadMarks.__index = ReadMarks

-- What a row says; nil when it cannot be read.
local function decode(key, value)
  local read, chat, author, id = pcall(string.unpack, rows.MARK, value)
  local type = types[key:sub(2, 2)]
  return read and type and { key = key, chat = chat, author = author, id = id, type = type } or nil
end

local function is_person(chat)
  local _, server = jid.parse(chat)
  return server == "s.whatsapp.net" or server == "lid"
end

-- The receipt's type and addresses. Who keeps to themselves what they read tells only their own devices; in groups and of status
-- posts everybody is told (§7.4). Of a channel nobody but them is to know.
local function receipt_of(self, mark, setting)
  local attrs = { to = mark.chat, type = mark.type }
  local _, server = jid.parse(mark.chat)
  if server == "newsletter" or setting ~= "all" and is_person(mark.chat) then
    attrs.type = mark.type .. "-self"
  end
  if server == "g.us" or server == "broadcast" then attrs.participant = mark.author end
  if server == "g.us" then
    local group = self.client.groups:known(mark.chat)
    local by_number = group and group.addressing == "pn" and self.client.lids:pn_of(mark.author)
    attrs.participant = by_number or mark.author -- as the group names people
  end
  if server == "broadcast" then attrs.peer_participant_pn = self.client.lids:pn_of(mark.author) end
  return attrs
end

local function transmit(self, attrs, marks)
  local items, keys = {}, {}
  for i, mark in ipairs(marks) do
    keys[i] = mark.key
    if i > 1 then items[i - 1] = stanza.node("item", { id = mark.id }) end
  end
  attrs.id, attrs.t = marks[1].id, math.floor(core.net.time())
  self.underway[attrs.id .. "\0" .. attrs.type] = keys
  self.client.connection:send(stanza.node("receipt", attrs, #items > 0 and stanza.node("list", nil, items) or nil))
end

-- Sends what is fresh: the marks of one author in one chat together, in the order they were made.
local function send_fresh(self, setting)
  local groups, order = {}, {}
  for _, mark in ipairs(self.fresh) do
    local name = ("%s\0%s\0%s"):format(mark.type, mark.chat, mark.author)
    local group = groups[name]
    if not group or #group == IDS then
      group = {}
      groups[name], order[#order + 1] = group, group
    end
    group[#group + 1] = mark
  end
  self.fresh = {}
  for _, group in ipairs(order) do transmit(self, receipt_of(self, group[1], setting), group) end
end

-- As soon as it is known whether others may know. What cannot be sent now is sent at the next login.
local function flush(self)
  if self.asking or #self.fresh == 0 or not self.client.connection.online then return end
  self.asking = true
  task.spawn(function()
    local setting, err = self.client.privacy_settings:read_receipts()
    self.asking = false
    if not setting and (err.code == "closed" or err.code == "timeout") then return end
    if not setting then self.client.log:debug("nobody is told what was read: %s", tostring(err)) end
    if self.client.connection.online then send_fresh(self, setting or "none") end
  end)
end

local function flush_after_commit(self)
  if self.flushing then return end
  self.flushing = true
  self.client.store:after_commit(function()
    self.flushing = false
    flush(self)
  end)
end

--- Notes that a message was read, or played; others are told when that is durable. What is written in this turn comes with it.
-- @tparam table m a message event, or {id, chat, sender}; an own one is passed over
-- @tparam ?string type "read" (usual) or "played"
function ReadMarks:add(m, type)
  if m.from_me then return end
  local chat = m.broadcast or m.chat -- what was sent to a list is confirmed there
  local key = "m" .. letters[type or "read"] .. rows.message_key(chat, m.sender, m.id)
  local value = rows.MARK:pack(chat, m.sender, m.id, math.floor(core.net.time()))
  self.client.store:put("dedupe", key, value)
  if self.done[key] then self.done[key], self.count = nil, self.count - 1 end
  if not self.client.connection.online then return end
  self.fresh[#self.fresh + 1] = decode(key, value)
  flush_after_commit(self)
end

--- Sends everything the server has not taken yet: the connection is new.
function ReadMarks:go()
  self.fresh, self.underway, self.asking = {}, {}, false
  rows.each(self.client.store, "dedupe", "m", function(key, value)
    if not self.done[key] then self.fresh[#self.fresh + 1] = decode(key, value) end
  end)
  flush(self)
end

--- An `<ack class="receipt">` that came: the marks of its receipt are done with.
function ReadMarks:ack(node)
  if node.attrs.class ~= "receipt" or not node.attrs.id then return end
  self.client.privacy_settings:told(node.attrs.readreceipts)
  local name = node.attrs.id .. "\0" .. (node.attrs.type or "")
  for _, key in ipairs(self.underway[name] or {}) do
    if not self.done[key] then self.done[key], self.count = true, self.count + 1 end
  end
  self.underway[name] = nil
  if self.count >= DONE then self.client.turn:wait(function() end) end -- the turn has something to do
end

--- Whether there are marks to be taken out of the store.
function ReadMarks:waits() return self.count > 0 end

--- Takes out what the server has taken: the turn is about to be committed. What is lost with the turn is told once more.
-- @bool dirty whether there is something else to commit
function ReadMarks:write(dirty)
  if self.count == 0 or not dirty and self.count < DONE then return end
  local done = self.done
  self.done, self.count = {}, 0
  pcall(function()
    for key in pairs(done) do self.client.store:delete("dedupe", key) end
  end)
end

--- The turn was lost, and its connection: what is still in the store is sent at the next login.
function ReadMarks:turn_lost() self.fresh, self.flushing = {}, false end

--- The account is forgotten.
function ReadMarks:forget() self.fresh, self.underway, self.done, self.count, self.flushing, self.asking = {}, {}, {}, 0, false, false end

return function(client)
  local self = setmetatable({ client = client }, ReadMarks)
  self:forget()
  return self
end
