--- The posts of newsletters: filed under rising numbers, handed to the followers, changed, reacted to and counted (fact sheet 08 S-752
-- to S-757).
-- @module moonpost.sandbox.newsletter_posts
local core = require "moonpost.core"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"

local crypto, jid = core.crypto, core.wire.jid

local COUNT_MAX = 300 -- posts of one answer

local posts = {}

local function prefix(one) return ("N%s\0"):format(one.id) end

local function row_key(one, server_id) return prefix(one) .. (">I8"):pack(server_id) end

local whole = { "server_id", "t", "edited" }

local function decode(row)
  local post = assert(json.decode(row))
  for _, name in ipairs(whole) do post[name] = post[name] and math.tointeger(post[name]) end
  post.body = crypto.unbase64(post.body)
  return post
end

local function save(sandbox, one, post)
  local copy = {}
  for name, value in pairs(post) do copy[name] = value end
  copy.body = crypto.base64(post.body)
  sandbox.store:put("world", row_key(one, post.server_id), assert(json.encode(copy)))
end

local function read(sandbox, one, server_id)
  local row = server_id and sandbox.store:get("world", row_key(one, server_id))
  return row and decode(row)
end

local function find(sandbox, one, id)
  for _, row in ipairs(sandbox.store:range("world", prefix(one))) do
    local post = decode(row[2])
    if post.id == id then return post end
  end
end

--- Forgets what was posted.
function posts.forget(sandbox, one)
  for _, row in ipairs(sandbox.store:range("world", prefix(one))) do sandbox.store:delete("world", row[1]) end
end

-- How many have reacted how.
local function reactions(post)
  local counts, list = {}, {}
  for _, code in pairs(post.reactions) do counts[code] = (counts[code] or 0) + 1 end
  for code, count in pairs(counts) do list[#list + 1] = stanza.node("reaction", { code = code, count = count }) end
  table.sort(list, function(a, b) return a.attrs.code < b.attrs.code end)
  return #list > 0 and stanza.node("reactions", nil, list) or nil
end

local function views(post)
  local count = 0
  for _ in pairs(post.viewers) do count = count + 1 end
  return count > 0 and stanza.node("views_count", { count = count }) or nil
end

local function compact(...)
  local list = {}
  for i = 1, select("#", ...) do list[#list + 1] = (select(i, ...)) end
  return list
end

local function body(post) return stanza.node("plaintext", { mediatype = post.mediatype }, not post.revoked and post.body or nil) end

-- What is said of a post besides: how a poll is one, and when it was changed.
local function about(post)
  if not post.edited and not post.polltype then return nil end
  return stanza.node("meta", {
    msg_edit_t = post.edited, original_msg_t = post.edited and post.t, polltype = not post.edited and post.polltype or nil,
  })
end

-- Of a post in an answer.
local function told(post, account)
  return stanza.node("message", {
    id = post.id, server_id = post.server_id, t = post.t, type = post.type, edit = post.revoked and "8" or post.edited and "3" or nil,
    is_sender = post.author == account.pn and "true" or nil,
  }, compact(not post.revoked and body(post) or nil, about(post), views(post), reactions(post)))
end

--- Posts as an answer tells them.
-- @tparam table attrs count, before, after
-- @treturn table array of nodes
function posts.range(sandbox, one, attrs)
  local count = math.min(math.tointeger(tonumber(attrs.count)) or COUNT_MAX, COUNT_MAX)
  local before, after = math.tointeger(tonumber(attrs.before)) or math.huge, math.tointeger(tonumber(attrs.after)) or 0
  local owner, list = { pn = "" }, {}
  for _, row in ipairs(sandbox.store:range("world", prefix(one))) do
    local post = decode(row[2])
    if post.server_id < before and post.server_id > after then list[#list + 1] = told(post, owner) end
  end
  local first = attrs.after and 1 or math.max(1, #list - count + 1)
  return table.move(list, first, math.min(#list, first + count - 1), 1, {})
end

local function followers(sandbox, one)
  local list = {}
  for pn in pairs(one.members) do list[#list + 1] = sandbox.accounts.by_pn[pn] end
  table.sort(list, function(a, b) return a.pn < b.pn end)
  return list
end

-- Hands a post to every device of the followers but the one it came from.
local function hand_out(conn, one, post, edit)
  local sandbox = conn.sandbox
  for _, account in ipairs(followers(sandbox, one)) do
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      if device ~= conn.device then
        device.queue:push(stanza.node("message", {
          from = jid.make(one.id, "newsletter"), id = post.id, server_id = post.server_id, t = post.t,
          type = post.revoked and "text" or post.type, edit = edit, is_sender = account.pn == post.author and "true" or nil,
        }, compact(body(post), about(post))))
      end
    end
  end
end

local function plaintext(node)
  local found = stanza.child(node, "plaintext")
  return found, found and type(found.content) == "string" and found.content or ""
end

-- Kinds of posts that are a file (05 §12.1). Baileys names none, and no handle either.
local files = {
  image = true, video = true, gif = true, ptv = true, audio = true, ptt = true, document = true, sticker = true, sticker_pack = true,
}

-- Whether a post that is a file names an upload of this host's, and shows it (05 §14.3, §17).
local function names_its_file(sandbox, node, mediatype, bytes)
  local handle = node.attrs.media_id
  if not handle then return not files[mediatype] end
  local object = sandbox.media:of_handle(handle)
  return object ~= nil and bytes:find(object.hash, 1, true) ~= nil
end

--- Files and hands out a new post; one that came before is acknowledged again.
-- @treturn table server_id, or error
function posts.add(conn, one, node)
  local before = find(conn.sandbox, one, node.attrs.id)
  if before then return { server_id = before.server_id } end
  local found, bytes = plaintext(node)
  if bytes == "" or not names_its_file(conn.sandbox, node, found.attrs.mediatype, bytes) then return { error = 400 } end
  local meta = stanza.child(node, "meta")
  one.last = one.last + 1
  local post = {
    id = node.attrs.id, server_id = one.last, t = conn.sandbox.time(), type = node.attrs.type, mediatype = found.attrs.mediatype,
    polltype = meta and meta.attrs.polltype, author = conn.device.account.pn, body = bytes, reactions = {}, viewers = {},
  }
  save(conn.sandbox, one, post)
  hand_out(conn, one, post)
  return { server_id = post.server_id }
end

--- Changes ("3") or revokes ("8") a post, named by the stanza's id.
-- @treturn ?table server_id; nil when there is none to change
function posts.change(conn, one, node)
  local post = find(conn.sandbox, one, node.attrs.id)
  local found, bytes = plaintext(node)
  if not post or post.revoked or node.attrs.edit ~= "3" and node.attrs.edit ~= "8" then return nil end
  if node.attrs.edit == "8" then
    post.revoked, post.body = true, ""
  else
    if bytes == "" then return { error = 400 } end
    post.body, post.mediatype, post.edited = bytes, found.attrs.mediatype, math.floor(core.net.time() * 1000)
  end
  save(conn.sandbox, one, post)
  hand_out(conn, one, post, node.attrs.edit)
  return { server_id = post.server_id }
end

-- Tells those who watch a newsletter live how its post is counted now (S-756): also in the place where whatsmeow looks.
local function push_counts(conn, one, post)
  local sandbox, now, channel = conn.sandbox, core.net.now(), jid.make(one.id, "newsletter")
  local counted = compact(reactions(post) or stanza.node "reactions", views(post))
  local attrs = { server_id = post.server_id, t = post.t, type = post.type, id = post.id }
  for _, account in pairs(sandbox.accounts.list) do
    for _, device in ipairs(sandbox.accounts:companions(account)) do
      if device.live and (device.live[one.id] or 0) > now then
        device.queue:push(stanza.node("notification", { type = "newsletter", from = channel, id = sandbox:next_id(), t = sandbox.time() },
          stanza.node("live_updates", nil, {
            stanza.node("messages", { jid = channel, t = sandbox.time() }, stanza.node("message", attrs, counted)),
            stanza.node("message", attrs, counted),
          })))
      end
    end
  end
end

--- A reaction: one of each account, replaced or taken back (S-756).
-- @treturn table server_id, or error
function posts.react(conn, one, node)
  local post = read(conn.sandbox, one, math.tointeger(tonumber(node.attrs.server_id)))
  local reaction = stanza.child(node, "reaction")
  if not post or not reaction then return { error = 404 } end
  local code = reaction.attrs.code
  post.reactions[conn.device.account.pn] = node.attrs.edit ~= "7" and code ~= "" and code or nil
  save(conn.sandbox, one, post)
  push_counts(conn, one, post)
  return { server_id = post.server_id }
end

--- Counts a view of each post a receipt names, once for each account (S-757).
function posts.view(conn, one, node)
  for _, item in stanza.children(stanza.child(node, "list"), "item") do
    local post = read(conn.sandbox, one, math.tointeger(tonumber(item.attrs.server_id)))
    if post and not post.viewers[conn.device.account.pn] then
      post.viewers[conn.device.account.pn] = true
      save(conn.sandbox, one, post)
      push_counts(conn, one, post)
    end
  end
end

return posts
