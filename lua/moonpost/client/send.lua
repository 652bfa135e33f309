--- Sending a message to a person or a group (fact sheet 03 §1): its id, the turn of its chat, the devices it goes to, its ciphertexts,
-- the outbox, and the server's ack.
-- @module moonpost.client.send
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local album = lazy "moonpost.client.album"
local compose = require "moonpost.client.compose"
local new_locks = require "moonpost.client.locks"
local task = require "moonpost.task"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local NOT_MIGRATED = 400 -- the server wants this account's messages addressed by phone number (03 §3.1)
local STALE_GROUP = 421  -- our copy of a group's addressing is stale (03 §17.1)
local UNACQUAINTED = 463 -- who knows us too little takes no message of ours (03 §15.5)
local BUSY_PAUSE = 2     -- seconds before the one other try after a refusal of the 500s (03 §17.2)

local Sender = {}
Sender.__index = Sender

local function to_id(bytes) return "3EB0" .. crypto.hex(bytes:sub(1, 9)):upper() end

--- An id of the web client's form (§2).
-- @int seconds Unix time
-- @string user of the own phone-number JID
-- @string random 16 bytes
function Sender.make_id(seconds, user, random) return to_id(crypto.sha256((">I8"):pack(seconds) .. user .. "@c.us" .. random)) end

local function random_id(client)
  return Sender.make_id(math.floor(core.net.time()), (jid.parse(client.me.jid)), crypto.random(16))
end

--- A fresh id of a message.
function Sender:new_id() return random_id(self.client) end

-- The id of a handler's n-th send, or of a part of it: the same whenever the handler runs again.
local function caused_id(client, cause)
  local m, n, part = cause[1], cause[2], cause[3]
  return to_id(client.account:derive((">s4s4s4I8"):pack(m.chat, m.sender, m.id, n) .. (part and (">I8"):pack(part) or "")))
end

-- The lock of a chat: its sends leave in the order they were asked for. A chat known by its number so far keeps it when the LID is
-- learnt.
local function lock_of(self, to)
  local lids, locks = self.client.lids, self.locks
  local name = lids:stable(to)
  local pn = not locks[name] and lids:pn_of(name)
  return locks:of(pn and locks[pn] and pn or name)
end

-- The ciphertexts and the outbox row, in one transaction.
local function store_stanza(self, letter, address)
  local client = self.client
  local room = address.post and client.newsletters.posts or address.group and client.fanout_group or client.fanout
  local node, told, tells = room:build(letter.id, address, letter.message, letter.bytes)
  if not node then return nil, told end
  letter.tells = tells
  local changes = address.post and address.post.id -- what changes a post goes under the post's id, and is no message of its own
  local added, err
  added, err = client.outbox:add {
    id = letter.id, to = address.outer or address.to, stanza = core.wire.encode(node), cause = letter.cause,
    message = not changes and letter.bytes or nil, origin = letter.origin, told = told,
  }
  if not added or changes then return added, err end
  client.archive:put {
    chat = address.chat, id = letter.id, sender = client.lids:stable(client.me.jid), from_me = true, name = client.me.name,
    time = math.floor(core.net.time()), bytes = letter.bytes, message = letter.message, to = address.outer or address.to,
    status = "pending",
  }
  local shown = letter.recipients or letter.outer and { letter.to }
  if shown then client.status_posts:keep_audience(letter.id, shown) end
  return true
end

-- One try; it fails with "closed" when the connection ends in the middle.
local function try(self, letter)
  local client = self.client
  local seconds = client.outbox:patience(letter.cause)
  local ok, err = client.connection:wait_online(math.max(0, letter.began + seconds - core.net.now()))
  if not ok then return nil, err.code == "timeout" and client.outbox.expired(letter.id, letter.to, seconds) or err end
  local address
  if letter.post then
    address = { to = letter.to, chat = letter.to, post = letter.post }
  elseif letter.group then
    address, err = client.fanout_group:address(letter.to, letter.recipients, letter.mode, letter.message)
  else
    address, err = client.fanout:address(letter.to, letter.by_pn)
  end
  if not address then return nil, err end
  address.setting, address.outer = letter.setting, letter.outer
  if letter.outer then address.chat = letter.outer end
  letter.by_lid = select(2, jid.parse(address.to)) == "lid"
  return client.store:atomic(store_stanza, self, letter, address)
end

-- What another try mends: the connection has ended, the members of a group have changed.
local passing = { closed = true, changed = true }

-- Everything up to the stanza in the outbox, when it is this chat's turn.
local function post(self, letter, ticket)
  local client = self.client
  local lock <close> = lock_of(self, letter.to)
  local turn <close> = lock.turn:hold()
  client.throttle:wait(client.lids:stable(letter.to))
  while turn do
    local ok, err = try(self, letter)
    if ok then
      client.turn:wait(function(durable, why)
        if not durable then ticket:settle(nil, why) end
      end)
      if letter.tells then ticket:wait() end -- the next message need not tell the key again
      return true
    end
    if not passing[err.code] or client.connection.stopped then return nil, err end
    task.sleep(0) -- the connection counts as online until the loop has heard of its end
  end
end

-- Whether a refusal is answered with another try, and which.
local function try_again(self, letter, err)
  local status = err.status or 0
  if status == NOT_MIGRATED and letter.by_lid and self.client.lids:pn_of(self.client.lids:stable(letter.to)) then
    letter.by_pn, self.by_pn = true, true
    return true
  end
  if letter.group and status == STALE_GROUP and not letter.readdressed then
    letter.readdressed = true
    self.client.sender_keys:members_left(letter.to)
    self.client.groups:forget(letter.to)
    return true
  end
  if status < 500 or letter.tried then return false end
  letter.tried = true
  task.sleep(self.busy_pause)
  return true
end

-- Posts, and waits for what becomes of it.
local function deliver(self, letter, ticket)
  while true do
    ticket:reset()
    local ok, err = post(self, letter, ticket)
    if not ok then return nil, err end
    local sent
    sent, err = ticket:wait()
    if sent then
      self.client.privacy_tokens:sent(letter.to, letter.message)
    elseif err.status == UNACQUAINTED then
      self.client.privacy_tokens:refused(letter.to)
    end
    if sent or not try_again(self, letter, err) then return sent, err end
  end
end

--- Sends a group's message of an earlier run anew: the server has refused it since our copy of the group's addressing was stale.
-- @tparam table row of the outbox, taken out of it
function Sender:readdress(row)
  local client = self.client
  local letter = {
    id = row.id, to = row.to, message = assert(proto.decode("Message", row.message)), bytes = row.message, cause = row.cause, group = true,
    origin = row.origin, began = core.net.now() - (core.net.time() - row.time),
  }
  task.spawn(function()
    local ticket <close> = client.outbox:expect(letter.id)
    local sent, err = try_again(self, letter, { status = STALE_GROUP })
    if sent then sent, err = deliver(self, letter, ticket) end
    if not sent then client:emit("error", err) end
  end)
end

-- What became of the send of a cause before: whether there was one, and its result, which is waited for.
local function sent_before(self, cause)
  local client, id = self.client, cause and caused_id(self.client, cause)
  if not id then return false end
  local time = client.sent:time(id)
  if time then return true, { id = id, time = time } end
  local ticket <close> = client.outbox:expect(id)
  if client.outbox:holds(id) then return true, ticket:wait() end
  return false
end

-- How a message is put to where it goes: to whom of a status, as which post of a newsletter.
local function plan_for(self, aim, draft, options, name, level)
  local client = self.client
  if aim.room == "status" then
    local plan, err = compose.said(name, level, client.status_posts.plan, client.status_posts, draft.message, options.to)
    return plan, err
  end
  if aim.room ~= "newsletter" then return {} end
  local channel_post, err = client.newsletters.posts:prepare(aim.to, draft.message)
  if not channel_post then return nil, err end
  channel_post.attrs.media_id = draft.handle
  return { post = channel_post }
end

--- Sends a Message that is made.
-- @tparam table aim whom to (moonpost.client.compose)
-- @tparam table draft message; handle
-- @tparam table options as of `send`
-- @string name how the caller's call reads
-- @int level how many calls it is away
function Sender:launch(aim, draft, options, name, level)
  local client = self.client
  local message, bytes = compose.encode(aim, draft.message, name, level + 1)
  if not message then return nil, bytes end
  local plan, err = plan_for(self, aim, { message = message, handle = draft.handle }, options, name, level + 1)
  if not plan then return nil, err end
  local post_id = plan.post and plan.post.id -- what changes a post goes under the post's id
  local cause = not post_id and options.cause or nil
  local id = post_id or cause and caused_id(client, cause) or random_id(client)
  local ticket <close> = client.outbox:expect(id)
  return deliver(self, {
    id = id, to = plan.author or aim.to, message = message, bytes = bytes, cause = cause ~= nil, by_pn = self.by_pn, began = core.net.now(),
    group = aim.room == "group" or plan.recipients ~= nil, post = plan.post,
    recipients = plan.recipients, mode = plan.recipients and "lid", setting = plan.setting, outer = plan.author and aim.to,
    origin = cause and cause[1].entry and cause[1].entry.sequence,
  }, ticket)
end

--- Makes a Message of a spec, and uploads its files, unless a cause has sent it before: its files may be gone since.
-- @treturn ?table { message =, handle = }, or { before = true, result = {id, time}, err = }: it was sent before
-- @treturn ?table err
function Sender:draft(aim, spec, options, name, level)
  local before, result, why = sent_before(self, options.cause)
  if before then return { before = true, result = result, err = why } end
  local draft, err = compose.draft(self.client, aim, spec, name, level + 1)
  return draft, err
end

--- Sends a message; see client:send.
-- @tparam string|table spec
-- @tparam table options quote = m; cause = {m, n}: the n-th send of the handler of m; to: who is to see a status post;
-- said_by: how the caller's call reads in errors, and level: how many calls it is away
function Sender:send(to, spec, options)
  local client = self.client
  local name, level = options.said_by or "client:send", 2 + (options.level or 0)
  if not client.me then return nil, core.error("unlinked", "this store is not linked: pair first") end
  if not task.running() then error(name .. " waits, so it must be called in a task (moonpost.task.spawn)", level) end
  local aim, err = compose.aim(client, to, options)
  if not aim then return nil, err end
  if type(spec) == "table" and spec.album ~= nil then
    local sent, why = album(self, aim, spec, options, name, level + 1)
    return sent, why
  end
  if aim.room == "status" then spec = compose.said(name, level, client.status_posts.spec, client.status_posts, spec) end
  local draft
  draft, err = self:draft(aim, spec, options, name, level + 1)
  if not draft then return nil, err end
  if draft.before then return draft.result, draft.err end
  local sent
  sent, err = self:launch(aim, draft, options, name, level + 1)
  return sent, err
end

--- What became of the send of a cause before: {id=, time=}; nil when the server has not taken it.
function Sender:done(cause)
  local id = caused_id(self.client, cause)
  local time = self.client.sent:time(id)
  return time and { id = id, time = time }
end

return function(client) return setmetatable({ client = client, locks = new_locks(), busy_pause = BUSY_PAUSE }, Sender) end
