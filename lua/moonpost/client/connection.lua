--- Going online and staying so: one session after another, back-off, queries, and the ends that are final (fact sheet 01 §6, §7, §9).
-- @module moonpost.client.connection
local core = require "moonpost.core"
local ban = require "moonpost.client.ban"
local endings = require "moonpost.client.endings"
local room = require "moonpost.client.room"
local run_session = require "moonpost.client.session"
local task = require "moonpost.task"

local net = core.net

local QUERY_SECONDS, RETIRE_SECONDS = 75, 5

-- Seconds: a session as long as `stable` clears the back-off; pauses grow from the first to the longest.
local PACE = { stable = 30, first_pause = 0.5, longest_pause = 300 }
local GROWTH = 1.6

local Connection = {}
Connection.__index = Connection

--- The error of what needs a connection when there is none.
function Connection.closed_error() return core.error("closed", "not connected") end

--- Sends a stanza.
-- @treturn ?boolean true
-- @treturn ?table err
function Connection:send(node) return self:send_encoded(core.wire.encode(node)) end

--- Sends a stanza encoded before.
function Connection:send_encoded(bytes)
  if not self.link then return nil, self.closed_error() end
  self.keepalive:sent()
  return self.link:send_encoded(bytes)
end

--- Whether the link takes more at once; when it does not, the outbox is told later.
function Connection:has_room() return self.link ~= nil and self.link:has_room() end

-- The stanza with an id: its own, or a fresh one. The caller's table is left as it is.
local function with_id(self, node)
  if node.attrs and node.attrs.id then return node end
  local attrs = { id = self.client:next_id() }
  for name, value in pairs(node.attrs or {}) do attrs[name] = value end
  return { tag = node.tag, attrs = attrs, content = node.content, text = node.text }
end

--- Reads no more as long as too many messages wait for their handlers, and nobody waits for a word of the server: its acks and
-- answers come on the same road. A ping of the keepalive has it read again until the answer is there.
function Connection:regulate()
  local crowded = self.client.journal:crowded()
  if not crowded and not self.paused then return end
  local pause = crowded and self.online and next(self.waiting) == nil and self.client.outbox:idle()
  if pause == self.paused or not self.link then return end
  self.paused = pause
  self.link:pause(pause)
end

--- The server's clock, Unix seconds, as far as its last login has told it.
function Connection:server_time() return math.floor(core.net.time() + self.clock_ahead) end

--- Sends an IQ and waits for its answer.
function Connection:query(node, seconds)
  if not self.link then return nil, self.closed_error() end
  seconds = seconds or self.pace.query or QUERY_SECONDS
  node = with_id(self, node)
  local id, waiting, timer = node.attrs.id, self.waiting, nil
  if waiting[id] then return nil, core.error("invalid", ("a query with the id %s waits for its answer already"):format(id)) end
  local guard <close> = setmetatable({}, { __close = function()
    waiting[id] = nil
    if timer then timer:stop() end
    self:regulate()
  end })
  local answer, err = task.await(function(resume)
    waiting[id] = resume
    self:regulate()
    timer = net.timer(seconds, function()
      resume(nil, core.error("timeout", ("no answer to %s within %g s"):format(node.attrs.xmlns or "a query", seconds)))
    end)
    local sent, why = self:send(node)
    if not sent then resume(nil, why) end
  end)
  if not answer then return guard and nil, err end
  if answer.attrs.type ~= "result" then return nil, endings.of_iq_error(answer) end
  return answer
end

--- Seconds to wait before the next attempt: growing, never the same for all clients of a server that comes back. A dead connection
-- and a 515 are made again at once, unless that has just failed.
function Connection:next_pause(err)
  local pace = self.pace
  local seconds = math.min(pace.longest_pause, pace.first_pause * GROWTH ^ self.failures) * (0.8 + 0.4 * math.random())
  if err.prompt and self.failures == 0 then seconds = 0 end
  self.failures = self.failures + 1
  return math.max(seconds, err.penalty or 0)
end

local events = { unlinked = "unlinked", replaced = "replaced" }

local function note_end(self, err)
  if err.code == "unlinked" then self.client:forget_account() end
  ban.note(self.client, err)
end

local function finish(self, err)
  self.stopped, self.final = true, err
  self.client.log:debug("offline for good (%s): %s", err.code, tostring(err))
  local noted, why = pcall(note_end, self, err)
  if not noted then self.client:emit("error", why) end
  self.client.outbox:give_up(err)
  self.ready:close()
  if not self.client.leaving then self.client:emit(events[err.code] or "refused", err) end
end

local function live(self)
  while not self.stopped do
    local err = run_session(self)
    if self.stopped then return end
    if self.online_at and net.now() - self.online_at > self.pace.stable then self.failures = 0 end
    if err.final then return finish(self, err) end
    if self.ready.closed then self.ready = task.queue() end
    err.advice = endings.advice(err, self.client.root, self.client.url)
    local short = room.is_short(err)
    local pause = short and room.PAUSE or self:next_pause(err)
    self.client.log:debug("offline (%s): %s; again in %.1f s", err.code, tostring(err), pause)
    if err.code ~= "restart" then self.client:emit("offline", short and room.explain(err) or err, pause) end
    if short then room.wait(self.client.store, self.stopping) else self.stopping:pop(pause) end
  end
end

--- Waits until the client is online.
-- @tparam ?number seconds at most
-- @treturn ?boolean true
-- @treturn ?table err when it never will be; code "timeout" when it was not in time
function Connection:wait_online(seconds)
  local deadline = seconds and net.now() + seconds
  while not self.online do
    if self.final then return nil, self.final end
    if self.stopped then return nil, self.closed_error() end
    local _, err = self.ready:pop(deadline and math.max(0, deadline - net.now()))
    if err.code == "timeout" then return nil, err end
    if not self.online and not self.final and not self.stopped then task.sleep(0) end
  end
  return true
end

--- Waits for the end of a link that is failing: until the loop tells of it the client counts as online, though nothing can be sent.
function Connection:wait_ended()
  if self.online then self.gone:pop() end
end

--- Logs in and stays logged in. Waits for the first time online, or for an end that is final; after such an end it tries anew, but
-- not before a ban is over.
function Connection:start()
  local banned = (self.final or not self.running) and ban.of(self.client)
  if banned then return nil, banned end
  if self.final then self.final, self.stopped, self.running, self.ready = nil, false, nil, task.queue() end
  if not self.running then
    if not self.replayed then self.client.journal:replay() end
    self.replayed = true
    self.running = task.spawn(live, self)
  end
  local ok, err = self:wait_online()
  return ok, err
end

--- Drops the connection; it is made again, unless err is final.
function Connection:abort(err)
  if not self.link then return end
  self.ending = self.ending or err
  self.link:abort(err)
end

--- Ends it as a final word of the server does: the client goes offline and tries no more. In a task.
-- @tparam table err final, see moonpost.client.endings
function Connection:retire(err)
  if self.link then
    self:abort(err)
    if self.running then self.running:join(RETIRE_SECONDS) end
  end
  if self.final then return end
  if self.running then self.running:cancel() end
  finish(self, err)
end

--- Ends it for good: presence goes unavailable, what is queued leaves.
function Connection:stop()
  self.stopped, self.online = true, false
  self.stopping:close()
  if not self.link then
    self.ready:close()
    if self.running then self.running:cancel() end
    return
  end
  self.client.presence:unavailable()
  self.client:commit()
  self.ready:close()
  if self.link then
    self.link:pause(false)
    self.link:close()
  end
  if task.running() then self.running:join(2) end
end

return function(client)
  return setmetatable({
    client = client, waiting = {}, failures = 0, ready = task.queue(), stopping = task.queue(), online = false, pace = PACE,
    paused = false, clock_ahead = 0,
  }, Connection)
end
