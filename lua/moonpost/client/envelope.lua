--- Whom a `<message>` is from and where it belongs (fact sheet 04 §2.3).
-- @module moonpost.client.envelope
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local places = require "moonpost.client.places"
local jid = core.wire.jid

local ID_MAX = 128 -- bytes; an id is part of keys in the store, and the longest in use have 32

local kinds = { ["g.us"] = "group", broadcast = "group", newsletter = "newsletter" }

local function is_own(me, user, server)
  return server == "s.whatsapp.net" and user == jid.parse(me.jid) or server == "lid" and me.lid and user == jid.parse(me.lid)
end

local function malformed(text, ...) error(core.error("malformed", text:format(...)), 0) end

local function direct(envelope, me, node, user, server)
  local attrs, from_me = node.attrs, is_own(me, user, server)
  envelope.from_me = from_me and true or false
  envelope.sender = attrs.from
  if from_me then
    envelope.kind = attrs.category == "peer" and "peer" or "direct"
    envelope.chat = attributes.bare(node, attrs.recipient and "recipient" or "from")
    envelope.chat_other = attrs.peer_recipient_lid or attrs.peer_recipient_pn
  else
    envelope.kind = "direct"
    envelope.chat = jid.bare(attrs.from)
    envelope.sender_other = attrs.sender_lid or attrs.sender_pn
  end
end

local function several(envelope, me, node)
  local attrs, author = node.attrs, attributes.jid(node, "participant")
  if not author then malformed("message %s in %s names no participant", envelope.id, attrs.from) end
  local user, server = jid.parse(author)
  envelope.from_me = is_own(me, user, server) and true or false
  envelope.chat, envelope.sender = attrs.from, author
  if server == "lid" then envelope.sender_other = attrs.participant_pn else envelope.sender_other = attrs.participant_lid end
  if envelope.server == "broadcast" and attrs.from ~= places.STATUS then -- what others sent to a list belongs into their own chat
    envelope.broadcast = attrs.from
    if not envelope.from_me then envelope.chat = jid.bare(author) end
  end
end

--- Reads the envelope of a message stanza.
-- @tparam table me own identity
-- @tparam table node
-- @treturn table {node, id, kind = "direct" | "peer" | "group" | "newsletter", chat (bare), sender (device JID), from_me,
--   group (whether it is a group's), shared (whether it may be encrypted once for all: in a group, as a status post), chat_other,
--   sender_other (their other names), name, time, status_post (of a group or a channel), broadcast (the list it was sent to),
--   server_id (its number in a channel)}
-- @raise "malformed": what is wrong with it
return function(me, node)
  local attrs = node.attrs
  local id, from = attrs.id, attrs.from
  if not id or id == "" or not from then malformed "a message without id or from" end
  if #id > ID_MAX then malformed("a message with an id of %d bytes", #id) end
  local user, server = jid.parse(from)
  if (user or "") == "" then malformed("message %s is from '%s', which is nobody's JID", id, from) end
  local name = attrs.notify
  local envelope = {
    node = node, id = id, kind = kinds[server], server = server, name = name ~= "" and name ~= "-" and name or nil,
    time = attributes.time(attrs.t) or math.floor(core.net.time()), offline = attrs.offline ~= nil,
  }
  if envelope.kind == "newsletter" then
    envelope.chat, envelope.sender, envelope.from_me = from, from, attrs.is_sender == "true"
    envelope.server_id = attributes.server_id(attrs.server_id)
  elseif envelope.kind == "group" then
    several(envelope, me, node)
    envelope.group, envelope.shared = server == "g.us", not envelope.broadcast
  else
    direct(envelope, me, node, user, server)
  end
  envelope.status_post = node.tag == "status" and from ~= places.STATUS or nil
  return envelope
end
