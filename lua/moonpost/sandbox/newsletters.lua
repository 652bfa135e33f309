--- Newsletters (fact sheet 08 §18): written by few, followed by anybody, in plaintext.
--   world "n" id -> newsletter (JSON)      world "N" id 00 server id (u64 BE) -> post (JSON, its body in base64)
-- @module moonpost.sandbox.newsletters
local core = require "moonpost.core"
local iq = require "moonpost.sandbox.iq"
local json = require "cjson.safe"
local pictures = require "moonpost.sandbox.pictures"
local posts = require "moonpost.sandbox.newsletter_posts"
local stanza = require "moonpost.stanza"

local crypto, jid = core.crypto, core.wire.jid

local SERVER = "newsletter"
local NAME_MAX, DESCRIPTION_MAX = 100, 2048 -- characters the apps take
local DURATION = 300 -- seconds a subscription to live updates lasts (S-755)

local newsletters = { operations = {} }

-- The newsletters of a sandbox by id, read at first need.
local function all(sandbox)
  if sandbox.newsletters then return sandbox.newsletters end
  sandbox.newsletters = {}
  for _, row in ipairs(sandbox.store:range("world", "n")) do
    local one = assert(json.decode(row[2]))
    one.created, one.last = math.tointeger(one.created), math.tointeger(one.last)
    sandbox.newsletters[one.id] = one
  end
  return sandbox.newsletters
end

local function save(sandbox, one) sandbox.store:put("world", "n" .. one.id, assert(json.encode(one))) end

local function jid_of(one) return jid.make(one.id, SERVER) end

--- The newsletter a JID or an invite code names; nil when there is none.
function newsletters.lookup(sandbox, key)
  local user, server = jid.parse(key or "")
  if server == SERVER then return all(sandbox)[user] end
  for _, one in pairs(all(sandbox)) do
    if one.invite == key then return one end
  end
end

local function is_admin(one, account)
  local role = one.members[account.pn] and one.members[account.pn].role
  return role == "owner" or role == "admin"
end

local function picture_of(sandbox, one, type)
  local id, path = pictures.link(sandbox, jid_of(one))
  return { id = tostring(id or 0), type = type, direct_path = path or "", url = "" }
end

-- As GraphQL shows it to an account (S-751): nothing but the handle is null, numbers are texts.
local function object(sandbox, one, account)
  local member = one.members[account.pn]
  local count, changed = 0, ("%d000000"):format(one.created)
  for _ in pairs(one.members) do count = count + 1 end
  return {
    id = jid_of(one), state = { type = "active" },
    thread_metadata = {
      creation_time = tostring(one.created), name = { id = changed, text = one.name, update_time = changed },
      description = { id = changed, text = one.description, update_time = changed }, handle = json.null, invite = one.invite,
      subscribers_count = tostring(count), verification = "UNVERIFIED", picture = picture_of(sandbox, one, "IMAGE"),
      preview = picture_of(sandbox, one, "PREVIEW"), settings = { reaction_codes = { value = "all" } },
    },
    viewer_metadata = { mute = member and member.mute or "OFF", role = member and member.role or "guest" },
  }
end

local function text_within(value, most)
  if value == json.null or value == nil then return "" end
  local length = type(value) == "string" and utf8.len(value)
  return length and length <= most and value or nil
end

-- What is given as a picture: bytes, "" for none; nil and a code when it is no picture.
local function picture_given(value)
  if value == nil or value == json.null or value == "" then return "" end
  local jpeg = type(value) == "string" and crypto.unbase64(value)
  if jpeg and pictures.fits(jpeg) then return jpeg end
  return nil, 406
end

local operations = newsletters.operations

function operations.create(conn, variables)
  local input = variables.input or variables.newsletter_input
  local name = type(input) == "table" and text_within(input.name, NAME_MAX)
  local description = name and text_within(input.description, DESCRIPTION_MAX)
  if not description or name == "" then return nil, 400, "a newsletter has a name of 1 to 100 characters" end
  local picture, unfit = picture_given(input.picture)
  if not picture then return nil, unfit, "that is no picture" end
  local sandbox, account = conn.sandbox, conn.device.account
  local id
  repeat id = ("120363%012d"):format((">I8"):unpack(crypto.random(8)) % 1000000000000) until not all(sandbox)[id]
  local one = {
    id = id, name = name, description = description, created = sandbox.time(), last = 99, invite = "0029Va" .. crypto.hex(crypto.random(8)),
    members = { [account.pn] = { role = "owner", mute = "OFF" } },
  }
  all(sandbox)[id] = one
  save(sandbox, one)
  if picture ~= "" then pictures.keep(sandbox, jid_of(one), picture) end
  return { xwa2_newsletter_create = object(conn.sandbox, one, account) }
end

function operations.metadata(conn, variables)
  local input = type(variables.input) == "table" and variables.input or {}
  local one = newsletters.lookup(conn.sandbox, input.key)
  return { xwa2_newsletter = one and object(conn.sandbox, one, conn.device.account) or json.null }
end

operations.dehydrated = operations.metadata

function operations.subscribed(conn)
  local list, account = {}, conn.device.account
  for _, one in pairs(all(conn.sandbox)) do
    if one.members[account.pn] then list[#list + 1] = object(conn.sandbox, one, account) end
  end
  table.sort(list, function(a, b) return a.id < b.id end)
  return { xwa2_newsletter_subscribed = #list > 0 and list or json.decode "[]" }
end

-- Tells the other devices of an account (S-758).
local function tell_own(conn, operation, key, data)
  local update = stanza.node("update", { op_name = operation }, json.encode { data = { [key] = data } })
  for _, device in ipairs(conn.sandbox.accounts:companions(conn.device.account)) do
    if device ~= conn.device then
      device.queue:push(stanza.node("notification", {
        type = "mex", from = "s.whatsapp.net", id = conn.sandbox:next_id(), t = conn.sandbox.time(),
      }, update))
    end
  end
end

-- An operation on one newsletter: fn(conn, one, variables) -> data.
local function on_one(fn)
  return function(conn, variables)
    local one = newsletters.lookup(conn.sandbox, variables.newsletter_id)
    if not one then return nil, 404, "no such newsletter" end
    return fn(conn, one, variables)
  end
end

operations.join = on_one(function(conn, one)
  local account = conn.device.account
  one.members[account.pn] = one.members[account.pn] or { role = "subscriber", mute = "OFF" }
  save(conn.sandbox, one)
  tell_own(conn, "NotificationNewsletterJoin", "xwa2_notify_newsletter_on_join", object(conn.sandbox, one, account))
  return { xwa2_newsletter_join_v2 = object(conn.sandbox, one, account) }
end)

operations.leave = on_one(function(conn, one)
  local account = conn.device.account
  local member = one.members[account.pn]
  if member and member.role == "owner" then return nil, 403, "an owner does not leave" end
  one.members[account.pn] = nil
  save(conn.sandbox, one)
  tell_own(conn, "NotificationNewsletterLeave", "xwa2_notify_newsletter_on_leave", { id = jid_of(one), role = "guest" })
  return { xwa2_newsletter_leave_v2 = object(conn.sandbox, one, account) }
end)

local function muting(state, key)
  return on_one(function(conn, one)
    local member = one.members[conn.device.account.pn]
    if not member then return nil, 403, "not followed" end
    member.mute = state
    save(conn.sandbox, one)
    return { [key] = object(conn.sandbox, one, conn.device.account) }
  end)
end

operations.mute, operations.unmute = muting("ON", "xwa2_newsletter_mute_v2"), muting("OFF", "xwa2_newsletter_unmute_v2")

operations.update = on_one(function(conn, one, variables)
  if not is_admin(one, conn.device.account) then return nil, 403, "only its admins change a newsletter" end
  local updates = type(variables.updates) == "table" and variables.updates or {}
  local picture, unfit = picture_given(updates.picture)
  if not picture then return nil, unfit, "that is no picture" end
  for field, most in pairs { name = NAME_MAX, description = DESCRIPTION_MAX } do
    local value = updates[field]
    if value ~= nil and value ~= json.null then
      value = text_within(value, most)
      if not value or field == "name" and value == "" then return nil, 400, ("the %s is too long, or empty"):format(field) end
      one[field] = value
    end
  end
  save(conn.sandbox, one)
  if updates.picture ~= nil and updates.picture ~= json.null then
    pictures.keep(conn.sandbox, jid_of(one), picture ~= "" and picture or nil)
  end
  local shown = object(conn.sandbox, one, conn.device.account)
  shown.viewer_metadata = nil
  return { xwa2_newsletter_update = shown }
end)

operations.admins = on_one(function(_, one)
  local count = 0
  for _, member in pairs(one.members) do count = count + (member.role == "subscriber" and 0 or 1) end
  return { xwa2_newsletter_admin = { id = jid_of(one), admin_count = count, admin_profile = json.null, admin_settings = json.null } }
end)

operations.delete = on_one(function(conn, one)
  local member = one.members[conn.device.account.pn]
  if not member or member.role ~= "owner" then return nil, 403, "only its owner deletes a newsletter" end
  all(conn.sandbox)[one.id] = nil
  conn.sandbox.store:delete("world", "n" .. one.id)
  posts.forget(conn.sandbox, one)
  pictures.keep(conn.sandbox, jid_of(one), nil)
  return { xwa2_newsletter_delete_v2 = { id = jid_of(one), state = { type = "DELETED" } } }
end)

-- Queries by their child: fn(conn, node, child, newsletter).
local queries = {}

-- S-753: at most `count`, in order; the newest below `before`, or the oldest above `after`.
function queries.messages(conn, node, child, one)
  local list = posts.range(conn.sandbox, one, child.attrs)
  iq.result(conn, node, stanza.node("messages", { jid = jid_of(one), t = conn.sandbox.time() }, list))
end

-- S-754.
function queries.message_updates(conn, node, child, one)
  local list = posts.range(conn.sandbox, one, child.attrs)
  iq.result(conn, node, stanza.node("message_updates", nil,
    stanza.node("messages", { jid = jid_of(one), t = conn.sandbox.time() }, list)))
end

-- S-755.
function queries.live_updates(conn, node, _, one)
  conn.device.live = conn.device.live or {}
  conn.device.live[one.id] = core.net.now() + DURATION
  iq.result(conn, node, stanza.node("live_updates", { duration = DURATION }))
end

--- A query of the namespace "newsletter".
function newsletters.query(conn, node)
  local child = stanza.child(node)
  local fn = child and queries[child.tag]
  if not fn then return iq.error(conn, node, 501) end
  local key = child.attrs.type == "invite" and child.attrs.key or child.attrs.jid or node.attrs.to
  local one = newsletters.lookup(conn.sandbox, key)
  if not one then return iq.error(conn, node, 404) end
  fn(conn, node, child, one)
end

-- Answers what was posted (S-752); with an error it was not taken.
local function ack(conn, node, about)
  conn:send(stanza.node("ack", {
    class = "message", from = node.attrs.to, id = node.attrs.id, t = conn.sandbox.time(), server_id = about.server_id, error = about.error,
    edit = node.attrs.edit,
  }))
end

--- What a client posts: a message, an edit, a revoke, or a reaction.
function newsletters.message(conn, node)
  local sandbox, account = conn.sandbox, conn.device.account
  if not node.attrs.id then return conn:refuse() end
  local one = newsletters.lookup(sandbox, node.attrs.to)
  if not one then return ack(conn, node, { error = 404 }) end
  sandbox:count "messages"
  local member = one.members[account.pn]
  if node.attrs.type == "reaction" then
    if not member then return ack(conn, node, { error = 403 }) end
    return ack(conn, node, posts.react(conn, one, node))
  end
  if not is_admin(one, account) then return ack(conn, node, { error = 403 }) end
  local about = node.attrs.edit and posts.change(conn, one, node) or not node.attrs.edit and posts.add(conn, one, node)
  if not node.attrs.edit then save(sandbox, one) end
  ack(conn, node, about or { error = 404 })
end

--- What somebody has seen (S-757).
function newsletters.viewed(conn, node)
  local one = newsletters.lookup(conn.sandbox, node.attrs.to)
  if one then posts.view(conn, one, node) end
end

return newsletters
