--- History: the past the phone gives a device that was linked (fact sheet 04 §12, 06 §13). It comes in chunks, each announced by a
-- message of the phone: the chunk itself inside, or a file at the media hosts.
--
--     notification --- a job row, in its message's transaction; then the receipts `peer_msg` and `hist_sync`
--     job ------------ one at a time, in the order they came: the chunk is fetched, and read twice
--       first --------  what is worth keeping is kept: other names, tokens, push names, and messages the archive does not have, as far
--                       as it reaches (moonpost.client.history_store). Nothing of it is heard by message handlers
--       then ---------  pages for the handlers of `history` (moonpost.client.history_pages), the next when they are done with one. Without
--                       handlers nothing is read for them
--
-- How far a job has come is kept after each page. A crash goes on there; the page that was being handled comes again, `redelivered`.
-- Table "history": "j" sequence (u64 BE) -> StoreHistory; "n" bare JID -> a push name.
-- @module moonpost.client.history
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local new_ask = require "moonpost.client.history_ask"
local new_source = require "moonpost.client.history_source"
local pages = require "moonpost.client.history_pages"
local room = require "moonpost.client.room"
local rows = require "moonpost.client.rows"
local store_of = require "moonpost.client.history_store"
local task = require "moonpost.task"
local traceback = require "moonpost.traceback"

local proto = core.proto

local CLOSE_SECONDS = 5 -- seconds a handler may go on at a close

-- Seconds before what failed is tried again: for want of a network, growing from the first to the longest; of the phone, which has not
-- answered.
local PACE = { first = 2, longest = 900, phone = 3600 }

local History = {}
History.__index = History

local function key_of(sequence) return "j" .. rows.sequence(sequence) end

--- Writes the row of a job. A turn that is lost takes it along: then the job begins anew.
function History:write(job) rows.put(self.client.store, "history", key_of(job.sequence), "StoreHistory", job.row) end

--- A job is done with.
function History:done(job) self.client.store:delete("history", key_of(job.sequence)) end

--- The phone announces a chunk; inside the transaction of its message.
-- @tparam table envelope
-- @tparam table notification HistorySyncNotification
function History:came(envelope, notification)
  local client = self.client
  local count = client.store:count("history", "j")
  client.store:after_commit(function() client.receipts:history(envelope) end)
  if count >= limits.HISTORY_JOBS then
    local err = core.error("limit", ("a chunk of history is not read: %d wait already"):format(count))
    return client.store:after_commit(function() client:emit("error", err) end)
  end
  self.last = math.max(self.last or 0, rows.last_sequence(client.store, "history", "j")) + 1
  local job = { sequence = self.last, row = {
    id = envelope.id, time = math.floor(core.net.time()),
    notification = assert(proto.encode("Message.HistorySyncNotification", notification)),
  } }
  self:write(job)
  client.store:after_commit(function()
    if self.asks:waits(notification) then return self.asks:answered(job, notification) end
    self:wake()
  end)
end

-- The first job that may be tried now; nil, and in how many seconds one may be.
local function next_job(self)
  local soonest, after
  while true do
    local pair = self.client.store:range("history", "j", 1, after)[1]
    if not pair then return nil, soonest end
    after = pair[1]
    local sequence = (">I8"):unpack(after, 2)
    local left = (self.later[sequence] or 0) - core.net.now()
    local taken = self.asks.taken[sequence]
    if left <= 0 and not taken then return { sequence = sequence, row = assert(proto.decode("StoreHistory", pair[2])) } end
    if not taken then soonest = math.min(soonest or left, left) end
  end
end

-- What tells that the network is to blame, not the chunk. The phone may be asked again later.
local passing = {
  ["media-network"] = true, ["media-stalled"] = true, ["media-refused"] = true, ["media-disk"] = true, ["media-redirect"] = true,
  ["media-answer"] = true, closed = true, timeout = true, iq = true, full = true, store = true,
}

-- What a new upload of the phone's may mend: the chunk is not what it should be.
local broken = {
  ["media-mac"] = true, ["media-hash"] = true, ["media-enc-hash"] = true, ["media-length"] = true, ["media-truncated"] = true,
  ["media-padding"] = true, malformed = true, truncated = true, limit = true,
}

local function drop(self, job, err)
  self:done(job)
  local told = core.error(err.code, ("a chunk of history (%s) is dropped: %s"):format(job.kind or "unknown", err.message))
  self.client:emit("error", told)
end

-- Has the phone upload a chunk that is broken once more.
local function ask_again(self, job)
  local notification = job.notification
  if job.row.asked or not notification.mediaKey then return false end
  job.row.asked = true
  self:write(job)
  local path, err = self.client.media:ask_phone(notification, { id = job.row.id, peer = true })
  if not path then return false, err end
  job.row.notification = assert(proto.encode("Message.HistorySyncNotification", notification))
  self:write(job)
  return true
end

-- A job has failed: it is tried again, later or when the phone has uploaded it once more, or dropped.
local function failed(self, job, err)
  if core.net.time() - job.row.time > limits.HISTORY_SECONDS then return drop(self, job, err) end
  if passing[err.code] then
    self.failures = self.failures + 1
    self.pause = math.min(self.pace.longest, self.pace.first * 2 ^ (self.failures - 1))
    self.client.log:debug("a chunk of history has to wait for %g s: %s", self.pause, err.message)
  elseif err.code == "media-phone" then
    self.later[job.sequence] = core.net.now() + self.pace.phone
  elseif broken[err.code] then
    local again, why = ask_again(self, job)
    if again then return end
    if why and passing[why.code] then return failed(self, job, why) end
    drop(self, job, err)
  else
    drop(self, job, err)
  end
end

--- Reads a chunk for what is kept, then for the handlers.
-- @tparam table job
-- @func give fn(page, job) -> whether to go on
-- @treturn ?boolean true; false when `give` said so
-- @treturn ?table err
function History:read(job, give)
  job.notification = assert(proto.decode("Message.HistorySyncNotification", job.row.notification))
  job.kind = pages.type_of(job.notification)
  local source <close>, missing = new_source(self.client, job)
  if not source then return nil, missing end
  local names, err = store_of(self.client, job, source)
  if not names then return nil, err end
  if not job.row.stored then
    job.row.stored = true
    self:write(job)
  end
  return give == nil or pages.each(self.client, job, source, names, give)
end

local function has_handlers(self) return #(self.client.handlers.history or {}) > 0 end

local function run_handlers(self, page)
  for _, fn in ipairs { table.unpack(self.client.handlers.history or {}) } do fn(page) end
end

-- One more run has begun with a page. The one that has been the end of several is passed over.
local function blamed(self, job, page)
  local row = job.row
  row.runs = (row.runs or 0) + 1
  page.redelivered = row.runs > 1
  if row.runs > limits.BLAMED then
    self.client:emit("error", core.error("parked", ("%s is passed over: %d runs ended in its handler"):format(
      tostring(page), row.runs - 1)))
    return true
  end
  self:write(job)
  self.client:committed()
  return false
end

-- Has the handlers hear of a page. How far it is is kept before the next may come. Whether it may.
local function hand_out(self, page, job)
  local skip = not job.begun and blamed(self, job, page)
  job.begun = true
  self.handling = true
  local ok, err = true, nil
  if not skip then ok, err = xpcall(run_handlers, traceback.told, self, page) end
  self.handling = false
  if self.closing and not ok then return false end
  if not ok then self.client:emit("error", err) end
  job.row.items, job.row.runs = page.items, self.closing and 0 or 1
  self:write(job)
  return not self.closing and self.client:committed() and not self.closing
end

-- Does a job to its end, or notes what keeps it from it.
local function run(self, job)
  self.lost, self.job = false, job
  local done, err = self:read(job, has_handlers(self) and function(page) return hand_out(self, page, job) end or nil)
  self.job = nil
  if self.closing or self.lost then return end
  if err then return failed(self, job, err) end
  if not done then return end
  self.failures = 0
  local notification = job.notification
  self:done(job)
  if not notification.directPath or not self.client:committed() then return end
  local deleted, why = self.client.media:delete(notification, "md-msg-hist")
  if not deleted then self.client.log:debug("a file of history that was read cannot be deleted: %s", why.message) end
end

-- The same of a job that trips over something unforeseen: it keeps no other from going on, and is not tried for ever.
local function run_guarded(self, job)
  local ok, err = xpcall(run, room.placed, self, job)
  if ok then return end
  if type(err) == "table" and err.code == "cancelled" then error(err, 0) end
  if type(err) == "table" and room.is_short(err) then return failed(self, job, err) end
  self.later[job.sequence] = core.net.now() + self.pace.phone
  if core.net.time() - job.row.time > limits.HISTORY_SECONDS then self:done(job) end
  self.client:emit("error", err)
end

local function work(self)
  while not self.closing do
    local job, soonest = next_job(self)
    self.pause = nil
    if job then
      run_guarded(self, job)
      self.client:committed()
    end
    if not job or self.pause then self.waker:pop(self.pause or soonest) end
  end
end

--- There is something to do.
function History:wake()
  if self.closing or not self.started then return end
  if not self.running then
    self.running = task.spawn(function()
      local ok, err = xpcall(work, room.placed, self)
      self.running = nil
      if ok or type(err) == "table" and err.code == "cancelled" then return end
      self.client:emit("error", err)
    end)
  elseif #self.waker == 0 then
    self.waker:push(true)
  end
end

--- The client is online: goes on with what an earlier connection, or run, has left.
function History:go()
  self.started = true
  if self.running or self.client.store:count("history", "j") > 0 then self:wake() end
end

--- Asks the phone for older messages of a chat; see client:history.
function History:ask(chat, options) return self.asks:ask(chat, options) end

--- A turn was lost: the job that runs is read again from its row.
function History:turn_lost() self.lost = true end

--- The client is closed: the handler that runs may end, for some seconds; then its page comes again in the next run.
function History:stop()
  self.closing = true
  self.asks:stop()
  local running = self.running
  if not running or running == task.running() then return end
  if self.handling and task.running() then pcall(running.join, running, self.close_seconds) end
  local job = not self.handling and self.job
  if job and job.begun then -- between two pages: the next has not begun
    job.row.runs = 0
    self:write(job)
  end
  running:cancel()
end

--- The account is forgotten, and the rows with it.
function History:forget()
  if self.running and self.running ~= task.running() then self.running:cancel() end
  self.running, self.later, self.failures = nil, {}, 0
end

return function(client)
  local self = setmetatable({
    client = client, later = {}, failures = 0, waker = task.queue(), pace = PACE, close_seconds = CLOSE_SECONDS,
    started = client.connection.online,
  }, History)
  self.asks = new_ask(self)
  return self
end
