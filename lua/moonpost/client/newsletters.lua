--- Newsletters (fact sheet 07 §8.2, §9): making, finding and following them, what was posted, and being told live how posts are counted.
-- Writing into one goes by `client:send`, as anywhere; what comes is heard as messages of place "newsletter".
--
--     local news = assert(client.newsletters:create { name = "Garden news" })
--     client:send(news.jid, "the first tomatoes are ripe")
--
-- Functions wait, so they belong in a task; they return nil and an error: code "mex" or "iq" with the server's `status`.
-- @module moonpost.client.newsletters
local core = require "moonpost.core"
local lazy = require "moonpost.lazy"
local mex = require "moonpost.client.mex"
local new_again = require "moonpost.client.again"
local new_posts = require "moonpost.client.newsletter_posts"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local jid = core.wire.jid

local square = lazy "moonpost.client.square"

-- Operations of the official web client.
local CREATE, METADATA, SUBSCRIBED = "25149874324715067", "27456920720571478", "25399611239711790"
local UPDATE, JOIN, LEAVE, DELETE = "24250201037901610", "24404358912487870", "9767147403369991", "30062808666639665"

local COUNT = 50           -- posts asked for when nobody says how many
local COUNT_MAX = 300      -- of one question
local RENEW = 0.9          -- of the time a subscription to live updates lasts
local DURATION_MIN, DURATION_MAX = 30, 600 -- seconds it may last (10 §7.1)

local Newsletters = {}
Newsletters.__index = Newsletters

local function value(any) return any ~= mex.null and any or nil end

local function text_of(any)
  any = value(any)
  return type(any) == "table" and value(any.text) or any
end

-- A picture, in one of its sizes: where its file is to be had; nil when there is none.
local function picture_of(told, of, full)
  told = value(told)
  local path, url = value(told and told.direct_path), value(told and told.url)
  if type(path) ~= "string" or path == "" then path = nil end
  if type(url) ~= "string" or url == "" then url = nil end
  if not path and not url then return nil end
  return { jid = of, id = tostring(value(told.id) or ""), directPath = path, url = url, full = full }
end

local function lower(any) return type(any) == "string" and any:lower() or nil end

-- A newsletter as callers are told; nil when the server's words are none.
local function read(told)
  told = value(told)
  if type(told) ~= "table" or type(told.id) ~= "string" or not jid.parse(told.id) then return nil end
  local thread, viewer, state = value(told.thread_metadata) or {}, value(told.viewer_metadata) or {}, value(told.state) or {}
  return {
    jid = told.id, name = text_of(thread.name), description = text_of(thread.description), invite = value(thread.invite),
    subscribers = math.tointeger(tonumber(value(thread.subscribers_count))), verified = lower(thread.verification) == "verified",
    created = math.tointeger(tonumber(value(thread.creation_time))), role = lower(viewer.role), muted = lower(viewer.mute) == "on",
    state = lower(state.type), preview = picture_of(thread.preview, told.id, false), image = picture_of(thread.picture, told.id, true),
  }
end

local function check_jid(any, name)
  local user, server = jid.parse(type(any) == "string" and any or "")
  if server ~= "newsletter" or user == "" then
    error(("newsletters:%s expects a newsletter's JID (digits@newsletter), not '%s'"):format(name, tostring(any)), 3)
  end
end

local function ask(self, id, variables, field)
  local data, err = mex.query(self.client, id, variables)
  if not data then return nil, err end
  local found = read(data[field])
  if found then return found end
  return nil, core.error("not-found", "there is no such newsletter")
end

-- A picture as GraphQL takes it; nil without one.
local function encoded(source)
  if not source then return nil end
  local jpeg, err = square(source)
  if not jpeg then return nil, err end
  return core.crypto.base64(jpeg)
end

--- Makes a newsletter; this account is its owner.
-- @tparam table wanted name; description; picture = { file = path }, { bytes = string } or { reader = function }, which is made a square
-- JPEG (moonpost.client.square)
-- @treturn ?table {jid, name, description, invite, subscribers, verified, created (Unix seconds), role, muted, state, preview and image
--   (its picture, small and in full, for client.pictures:bytes and :save)}
-- @treturn ?table err
function Newsletters:create(wanted)
  if type(wanted) ~= "table" or type(wanted.name) ~= "string" or wanted.name == "" then
    error("newsletters:create expects { name = text, description = text }", 2)
  end
  local picture, err = encoded(wanted.picture)
  if err then return nil, err end
  return ask(self, CREATE, { input = { name = wanted.name, description = wanted.description or "", picture = picture } },
    "xwa2_newsletter_create")
end

--- A newsletter by its JID, its invite code, or the link https://whatsapp.com/channel/CODE.
-- @string key
-- @treturn ?table as `create` returns it
-- @treturn ?table err code "not-found"
function Newsletters:get(key)
  if type(key) ~= "string" or key == "" then error("newsletters:get expects a JID or an invite code", 2) end
  local by_jid = select(2, jid.parse(key)) == "newsletter"
  return ask(self, METADATA, {
    fetch_creation_time = true, fetch_full_image = true, fetch_viewer_metadata = true,
    input = { key = by_jid and key or key:match "([%w_-]+)/*$" or key, type = by_jid and "JID" or "INVITE" },
  }, "xwa2_newsletter")
end

--- The newsletters this account follows or has made.
-- @treturn ?table array
-- @treturn ?table err
function Newsletters:list()
  local data, err = mex.query(self.client, SUBSCRIBED, { fetch_status_metadata = false, fetch_wamo_sub = false })
  if not data then return nil, err end
  local list = {}
  for _, one in ipairs(type(data.xwa2_newsletter_subscribed) == "table" and data.xwa2_newsletter_subscribed or {}) do
    list[#list + 1] = read(one)
  end
  return list
end

--- Follows a newsletter: its posts come from now on.
-- @string to JID
-- @treturn ?table the newsletter
-- @treturn ?table err
function Newsletters:follow(to)
  check_jid(to, "follow")
  return ask(self, JOIN, { newsletter_id = to }, "xwa2_newsletter_join_v2")
end

--- Follows it no more.
function Newsletters:unfollow(to)
  check_jid(to, "unfollow")
  self:unwatch(to)
  return ask(self, LEAVE, { newsletter_id = to }, "xwa2_newsletter_leave_v2")
end

--- Changes name, description or picture; for admins.
-- @string to JID
-- @tparam table changed name, description, picture (as `create` takes it; false: there shall be none)
function Newsletters:update(to, changed)
  check_jid(to, "update")
  local picture, err = encoded(changed.picture)
  if err then return nil, err end
  if changed.picture == false then picture = "" end
  return ask(self, UPDATE, {
    newsletter_id = to, updates = { name = changed.name, description = changed.description, picture = picture, settings = mex.null },
  }, "xwa2_newsletter_update")
end

--- Deletes it, for good; for its owner.
function Newsletters:delete(to)
  check_jid(to, "delete")
  self:unwatch(to)
  return ask(self, DELETE, { newsletter_id = to }, "xwa2_newsletter_delete_v2")
end

-- A post of an answer, as handlers are told of messages, with what is counted of it.
local function describe(self, chat, node)
  local envelope = self.posts.envelope(chat, node)
  if not envelope or not envelope.id then return nil end
  local bytes = stanza.bytes(node, "plaintext")
  local revoked = node.attrs.edit == "8"
  if not bytes and not revoked then return nil end
  local ok, m = pcall(self.client.journal.describe, self.client.journal, {
    chat = chat, sender = chat, id = envelope.id, fromMe = envelope.from_me, time = envelope.time, message = bytes or "",
    serverId = envelope.server_id,
  })
  if not ok then return nil end
  local meta = stanza.child(node, "meta")
  local edited = meta and math.tointeger(tonumber(meta.attrs.msg_edit_t))
  m.newsletter = self.posts.counters(node)
  m.newsletter.server_id, m.edited = envelope.server_id, edited and edited // 1000 or m.edited
  if revoked then m.kind, m.text = "revoke", nil end
  self.posts:number(chat, envelope.id, envelope.server_id)
  return m
end

local function read_all(self, chat, list)
  local found = {}
  for _, node in stanza.children(list, "message") do found[#found + 1] = describe(self, chat, node) end
  return found
end

local function count_of(options, name)
  local count = options.count or COUNT
  if math.type(count) ~= "integer" or count < 1 or count > COUNT_MAX then
    error(("newsletters:%s: count is a whole number from 1 to %d"):format(name, COUNT_MAX), 3)
  end
  return count
end

--- What was posted, oldest first.
-- @string to JID
-- @tparam ?table options count (50); before, after: numbers of posts (m.newsletter.server_id)
-- @treturn ?table array of messages as handlers are told them; m.newsletter = {server_id, views, reactions = {[emoji] = n}, …}; a
-- post that was revoked has kind "revoke"
-- @treturn ?table err
function Newsletters:messages(to, options)
  check_jid(to, "messages")
  options = options or {}
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "newsletter", type = "get", to = "s.whatsapp.net" }, {
    stanza.node("messages", {
      type = "jid", jid = to, count = count_of(options, "messages"), before = options.before, after = options.after,
    }),
  }))
  return answer and read_all(self, to, stanza.child(answer, "messages")), err
end

--- How posts are counted now, and what was changed of them.
-- @string to JID
-- @tparam ?table options count (50); since: Unix seconds
-- @treturn ?table array as `messages` returns it
-- @treturn ?table err
function Newsletters:updates(to, options)
  check_jid(to, "updates")
  options = options or {}
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "newsletter", type = "get", to = to }, {
    stanza.node("message_updates", { count = count_of(options, "updates"), since = options.since }),
  }))
  return answer and read_all(self, to, stanza.path(answer, "message_updates", "messages")), err
end

local renew

-- Subscribes, and again before that ends.
local function subscribe(self, to, watch)
  if self.watched[to] ~= watch then return true end
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "newsletter", type = "set", to = to }, stanza.node "live_updates"))
  if not answer then return nil, err end
  local told = stanza.child(answer, "live_updates")
  local seconds = math.tointeger(tonumber(told and told.attrs.duration)) or DURATION_MAX // 2
  if self.watched[to] ~= watch or self.client.closed then return true end
  if watch.timer then watch.timer:stop() end
  watch.timer = core.net.timer(math.max(DURATION_MIN, math.min(seconds, DURATION_MAX)) * RENEW, function()
    watch.timer = nil
    task.spawn(renew, self, watch)
  end)
  return true
end

-- Subscribes again; what the server cannot do now it is asked for later, and what it refuses for good at the next login.
function renew(self, watch)
  local ok, err = watch.again:try()
  if not ok and not watch.again.going and err.code ~= "closed" then self.client:emit("error", err) end
end

--- Has the server tell live how posts of a newsletter are counted: event `newsletter`. It goes on until `unwatch`, over lost connections
-- too, while this client runs.
-- @string to JID
-- @treturn ?boolean true
-- @treturn ?table err
function Newsletters:watch(to)
  check_jid(to, "watch")
  local watch = self.watched[to]
  if not watch then
    watch = {}
    watch.again = new_again(self.client, function() return subscribe(self, to, watch) end)
    self.watched[to] = watch
  end
  local ok, err = subscribe(self, to, watch)
  if not ok then self:unwatch(to) end
  return ok, err
end

--- Ends that.
function Newsletters:unwatch(to)
  local watch = self.watched[to]
  if watch and watch.timer then watch.timer:stop() end
  self.watched[to] = nil
end

--- Online again: what is watched is subscribed to again.
function Newsletters:go()
  for _, watch in pairs(self.watched) do task.spawn(renew, self, watch) end
end

--- The client closes.
function Newsletters:stop()
  for to in pairs(self.watched) do self:unwatch(to) end
end

--- Tells the server that posts were seen.
-- @string to JID
-- @param ... their numbers
-- @treturn ?boolean true
-- @treturn ?table err
function Newsletters:viewed(to, ...)
  check_jid(to, "viewed")
  local items = {}
  for i, number in ipairs { ... } do items[i] = stanza.node("item", { server_id = number }) end
  if #items == 0 then error("newsletters:viewed expects the numbers of posts", 2) end
  return self.client.connection:send(stanza.node("receipt", { id = self.client:next_id(), to = to, type = "view" },
    stanza.node("list", nil, items)))
end

--- A `<message>` of a newsletter that came.
function Newsletters:message(envelope) self.posts:message(envelope) end

--- A `newsletter` notification; inside its transaction.
function Newsletters:notification(node) self.posts:notification(node) end

return function(client) return setmetatable({ client = client, posts = new_posts(client), watched = {} }, Newsletters) end
