--- The posts of newsletters, in and out (fact sheet 03 §12, 09 §4.10, §4.11): plaintext, filed by the server under a number. An edit and
-- a revoke come under the id of what they change.
--
--     <message to=NEWSLETTER id type><plaintext mediatype>Message</plaintext></message>     edit="3": the new content; edit="8": revoked
--     <message to=NEWSLETTER id type="reaction" server_id><reaction code/></message>         edit="7": taken back
-- @module moonpost.client.newsletter_posts
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local labels = require "moonpost.client.labels"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"

local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local UNREADABLE = 406 -- a post this client refuses (10 §10.3)
local ID_MAX = 128     -- bytes of a post's id

local Posts = {}
Posts.__index = Posts

local function number_key(chat, id) return "n" .. rows.short(chat .. "\0" .. id) end

--- Takes note of a post's number: reactions go by it.
-- @string chat
-- @string id
-- @int server_id
function Posts:number(chat, id, server_id)
  self.client.store:put("dedupe", number_key(chat, id), (">I8"):pack(server_id) .. rows.time(core.net.time()))
end

--- The number of a post; nil when it is not known here.
function Posts:number_of(chat, id)
  local value = self.client.store:get("dedupe", number_key(chat, id))
  return value and (">I8"):unpack(value)
end

-- What a post says, as a Message: of an edit and a revoke what they do, to a post of the same channel.
local function read(envelope)
  local node = envelope.node
  local key = { remoteJid = envelope.chat, fromMe = true, id = envelope.id }
  if node.attrs.edit == "8" then return { protocolMessage = { type = "REVOKE", key = key } } end
  local content, err = proto.decode("Message", stanza.bytes(node, "plaintext") or "")
  if not content then return nil, err end
  if node.attrs.edit == "3" then
    return { protocolMessage = { type = "MESSAGE_EDIT", key = key, editedMessage = content } }
  end
  return content
end

-- Whether just this was heard before.
local function heard_before(self, envelope)
  local edit, store = envelope.node.attrs.edit, self.client.store
  local key = "r" .. rows.message_key(envelope.chat, envelope.author, envelope.id .. (edit and "\0" .. edit or ""))
  local hash = crypto.sha256(stanza.bytes(envelope.node, "plaintext") or "")
  local seen = store:get("dedupe", key)
  if seen and seen:sub(1, 32) == hash then return true end
  store:put("dedupe", key, hash .. rows.time(core.net.time()))
  return false
end

-- Files a post; inside its transaction.
local function take(self, envelope)
  local client, edited = self.client, envelope.node.attrs.edit
  if heard_before(self, envelope) then return true end
  local message, err = read(envelope)
  if not message then return nil, err end
  self:number(envelope.chat, envelope.id, envelope.server_id)
  local bytes = edited and assert(proto.encode("Message", message)) or stanza.bytes(envelope.node, "plaintext")
  client.receive:file(envelope, message, bytes)
  return true
end

-- A reaction or vote another own device has made, or a form nobody reads: told, or kept as it came.
local function take_other(self, envelope)
  local client, reaction = self.client, stanza.child(envelope.node, "reaction")
  if not reaction then return client.journal:keep_raw(envelope.node) end
  client.store:after_commit(function()
    client:emit("newsletter", {
      chat = envelope.chat, server_id = envelope.server_id, own_reaction = envelope.node.attrs.edit ~= "7" and reaction.attrs.code or "",
    })
  end)
end

local function refuse(self, envelope, err)
  self.client:emit("error", core.error("malformed", ("post %s of %s: %s"):format(envelope.id, envelope.chat, err.message)))
  self.client.receipts:ack(envelope.node, UNREADABLE)
end

--- A post that came; acknowledged when it is safe.
-- @tparam table envelope
function Posts:message(envelope)
  local client, node = self.client, envelope.node
  envelope.author = envelope.chat
  if not envelope.server_id then return refuse(self, envelope, { message = "it has no number" }) end
  local readable = node.attrs.edit == "8" or stanza.bytes(node, "plaintext") ~= nil
  local ok, err = client.store:atomic(function()
    if readable then return take(self, envelope) end
    take_other(self, envelope)
    return true
  end)
  if not ok then return refuse(self, envelope, err) end
  client.store:after_commit(function() client.receipts:ack(node) end)
end

local function whole(node)
  local count = node and math.tointeger(tonumber(node.attrs.count))
  return count and count >= 0 and count or nil
end

--- What is counted of a post.
-- @tparam table node `<message>` of a post
-- @treturn table views, forwards, responses (numbers, nil where nothing is said), reactions = { [emoji] = number }
function Posts.counters(node)
  local told, reactions = {}, stanza.child(node, "reactions")
  for _, one in stanza.children(node, "views_count") do told.views = told.views or whole(one) end
  told.forwards, told.responses = whole(stanza.child(node, "forwards_count")), whole(stanza.child(node, "responses_count"))
  for _, one in stanza.children(reactions, "reaction") do
    told.reactions = told.reactions or {}
    if one.attrs.code then told.reactions[one.attrs.code] = whole(one) or 0 end
  end
  if reactions then told.reactions = told.reactions or {} end
  return told
end

--- The envelope of a post inside something else; nil when it has no number.
-- @string chat
-- @tparam table node `<message>`
function Posts.envelope(chat, node)
  local server_id, id = attributes.server_id(node.attrs.server_id), node.attrs.id
  if not server_id then return nil end
  return {
    node = node, kind = "newsletter", chat = chat, sender = chat, author = chat, id = id and #id <= ID_MAX and id or nil,
    server_id = server_id, from_me = node.attrs.is_sender == "true", time = attributes.time(node.attrs.t) or math.floor(core.net.time()),
    offline = false,
  }
end

-- One post of a notification: its content when that is new, and its counters.
local function update(self, chat, node)
  local client, envelope = self.client, Posts.envelope(chat, node)
  if not envelope then return end
  if envelope.id and stanza.bytes(node, "plaintext") then
    local ok, err = take(self, envelope)
    if not ok then client.log:debug("post %s of %s: %s", envelope.id, chat, err.message) end
  end
  local told = Posts.counters(node)
  if not next(told) then return end
  told.chat, told.server_id, told.id = chat, envelope.server_id, envelope.id
  client.store:after_commit(function() client:emit("newsletter", told) end)
end

--- A `newsletter` notification: live updates (09 §4.10); inside its transaction. The server may say each twice.
function Posts:notification(node)
  local chat, updates, seen = attributes.bare(node, "from"), stanza.child(node, "live_updates"), {}
  if not chat or select(2, jid.parse(chat)) ~= "newsletter" or not updates then return end
  local function each(parent)
    for _, one in stanza.children(parent, "message") do
      local number = one.attrs.server_id
      if number and not seen[number] then
        seen[number] = true
        update(self, chat, one)
      end
    end
  end
  for _, list in stanza.children(updates, "messages") do each(list) end
  each(updates)
end

local function unknown(to, id)
  return nil, core.error("unknown-message", ("the number of post %s in %s is not known: it was neither sent nor heard here"):format(id, to))
end

local changes = {} -- by the type of a protocolMessage

function changes.REVOKE(key) return { id = key.id, attrs = { type = "text", edit = "8" }, content = "" } end

function changes.MESSAGE_EDIT(key, protocol)
  local attrs, enc_attrs = labels(protocol.editedMessage)
  return {
    id = key.id, attrs = { type = attrs.type, edit = "3" }, mediatype = enc_attrs.mediatype,
    content = assert(proto.encode("Message", protocol.editedMessage)),
  }
end

--- How a message is put to a newsletter: what a Message does to another one is said by the stanza there.
-- @string to
-- @tparam table message
-- @treturn ?table post: id (of the one it changes), attrs, content (bytes), mediatype, polltype, reaction (a code, "" takes it back)
-- @treturn ?table err
function Posts:prepare(to, message)
  local content = messages.unwrap(message)
  local edit = content.editedMessage and content.editedMessage.message
  local reaction, protocol = content.reactionMessage, edit and edit.protocolMessage or content.protocolMessage
  if reaction then
    local id = reaction.key and reaction.key.id or ""
    local server_id = self:number_of(to, id)
    if not server_id then return unknown(to, id) end
    local taken = (reaction.text or "") == ""
    return { attrs = { type = "reaction", server_id = server_id, edit = taken and "7" or nil }, reaction = reaction.text or "" }
  end
  local change = protocol and (protocol.editedMessage and changes.MESSAGE_EDIT or changes[protocol.type or "REVOKE"])
  if change and (protocol.key or {}).id then return change(protocol.key, protocol) end
  if protocol then return nil, core.error("unsupported", "a newsletter knows no such action") end
  local attrs, enc_attrs, meta = labels(message)
  return {
    attrs = { type = attrs.type }, mediatype = enc_attrs.mediatype, polltype = meta and meta.attrs.polltype,
    content = assert(proto.encode("Message", message)),
  }
end

--- The stanza of a post.
-- @string id
-- @tparam table address {to, post = what `prepare` returns}
-- @treturn table node
function Posts.build(_, id, address)
  local post, attrs = address.post, { id = id, to = address.to }
  for name, value in pairs(post.attrs) do attrs[name] = value end
  if post.reaction then
    return stanza.node("message", attrs, stanza.node("reaction", { code = post.reaction ~= "" and post.reaction or nil }))
  end
  local content = { stanza.node("plaintext", { mediatype = post.mediatype }, post.content ~= "" and post.content or nil) }
  if post.polltype then content[2] = stanza.node("meta", { polltype = post.polltype }) end
  return stanza.node("message", attrs, content)
end

--- A post was accepted: its number is kept, and the server's copy of it for this device is none that is new.
-- @tparam table row of the outbox
-- @int server_id
function Posts:accepted(row, server_id)
  local key = "r" .. rows.message_key(row.to, row.to, row.id)
  self:number(row.to, row.id, server_id)
  if self.client.store:get("dedupe", key) then return end -- the post was changed
  self.client.store:put("dedupe", key, crypto.sha256(row.message or "") .. rows.time(core.net.time()))
end

return function(client) return setmetatable({ client = client }, Posts) end
