--- Pictures of people and groups (fact sheets 08 S-840, S-711, 05 §17, 07 §4.4): kept as they came, handed out by the media host, and
-- told of when they change.
--   world "P" JID of the person (by number) or group -> its id (u64 BE), JPEG
-- @module moonpost.sandbox.pictures
local book = require "moonpost.sandbox.group_book"
local iq = require "moonpost.sandbox.iq"
local privacy_tokens = require "moonpost.sandbox.privacy_tokens"
local settings = require "moonpost.sandbox.group_settings"
local stanza = require "moonpost.stanza"

local JPEG = "\xff\xd8\xff"

local pictures = { BYTES_MAX = 4 << 20 }

local function read(sandbox, subject)
  local row = sandbox.store:get("world", "P" .. subject)
  if row then return (">I8"):unpack(row), row:sub(9) end
end

--- Whether some bytes can be a picture.
function pictures.fits(bytes) return #bytes <= pictures.BYTES_MAX and bytes:sub(1, #JPEG) == JPEG end

--- Keeps the picture of a subject; nil takes it away. What stands in its place has a higher number.
-- @string subject
-- @tparam ?string jpeg
-- @treturn ?int its id
function pictures.keep(sandbox, subject, jpeg)
  if not jpeg then
    sandbox.store:delete("world", "P" .. subject)
    return nil
  end
  sandbox.last_picture = math.max(sandbox.time(), (read(sandbox, subject) or 0) + 1, (sandbox.last_picture or 0) + 1)
  sandbox.store:put("world", "P" .. subject, (">I8"):pack(sandbox.last_picture) .. jpeg)
  return sandbox.last_picture
end

--- What the media host has of it.
-- @string subject
-- @treturn ?int id; nil: it has no picture
-- @treturn ?string path at the media host
function pictures.link(sandbox, subject)
  local id, jpeg = read(sandbox, subject)
  if not id then return nil end
  local object = assert(sandbox.media:add(jpeg))
  return id, sandbox.media:link(object, "image")
end

-- Whether somebody's picture is shown to an account: privacy, and the token they may have given it.
local function sees(sandbox, viewer, owner, ...)
  local setting = owner.privacy.profile or "all"
  if viewer == owner then return true end
  if not privacy_tokens.shows(sandbox, viewer, owner, ...) or setting == "none" then return false end
  if setting == "all" or owner.contacts[viewer.pn] then return true end
  for _, node in ipairs { ... } do
    if privacy_tokens.is_good(sandbox, viewer, owner, stanza.bytes(node, "tctoken")) then return true end
  end
  return false
end

--- The id of somebody's picture, as far as a usync's asker is shown it (S-234).
-- @tparam table viewer account
-- @tparam table owner account
-- @tparam table user the `<user>` that asks for it
-- @treturn ?int id
function pictures.seen(sandbox, viewer, owner, user) return sees(sandbox, viewer, owner, user) and read(sandbox, owner:jid()) or nil end

-- Whose picture a query is about, as rows name it; nil and a code when it is not to be had. A community's is asked for otherwise.
local function subject_of(conn, target, asked, node)
  local sandbox, viewer = conn.sandbox, conn.device.account
  local owner, group = sandbox.accounts:lookup(target), book.of(sandbox):lookup(target)
  if owner then
    if not sees(sandbox, viewer, owner, asked, node) then return nil, 401 end
    return owner:jid()
  end
  if not group then return nil, 404 end
  local invited = group.code ~= nil and asked.attrs.invite == group.code
  if group.parent or not group:has(viewer) and not invited then return nil, 401 end
  return group:jid()
end

local function described(sandbox, id, path, asked)
  return stanza.node("picture", {
    id = id, type = asked.attrs.type == "image" and "image" or "preview", url = ("https://%s%s"):format(sandbox.media_address, path),
    direct_path = path, parent_group_jid = asked.attrs.parent_group_jid, sub_group_jid = asked.attrs.sub_group_jid,
  })
end

local function get(conn, node)
  local asked = stanza.child(node, "picture")
  if not asked then return iq.error(conn, node, 400) end
  local subject, code = subject_of(conn, node.attrs.target or conn.device.account:jid(), asked, node)
  if not subject then return iq.error(conn, node, code) end
  local id, path = pictures.link(conn.sandbox, subject)
  if not id then return iq.error(conn, node, 404) end
  if asked.attrs.id == tostring(id) then return iq.result(conn, node) end -- it is the one that is known
  iq.result(conn, node, described(conn.sandbox, id, path, asked))
end

-- Who hears of a change: all own devices, the acting one too, and who knows the account; or the group's members.
local function audience(sandbox, owner, group)
  local accounts, devices = group and group:accounts() or { owner }, {}
  for pn in pairs(not group and owner.contacts or {}) do
    local one = sandbox.accounts.by_pn[pn]
    if sees(sandbox, one, owner) then accounts[#accounts + 1] = one end
  end
  for _, account in ipairs(accounts) do
    for _, device in ipairs(sandbox.accounts:reachable(account)) do devices[#devices + 1] = device end
  end
  return devices
end

-- Own devices are told by the same notification as others. An `account_sync` with `<picture/>` beside it, which 07 §4.4 has of some
-- clients, is none the official client reads (09 §2.1).
local function tell(sandbox, subject, id, actor, devices)
  sandbox.spread:hand_out(devices, function()
    return stanza.node("notification", { type = "picture", from = subject, id = sandbox:next_id(), t = sandbox.time() },
      stanza.node(id and "set" or "delete", { jid = subject, id = id, author = actor:jid() }))
  end)
end

-- Whose picture is to be changed; nil and a code when it may not be.
local function changeable(conn, target)
  local sandbox, actor = conn.sandbox, conn.device.account
  local owner, group = sandbox.accounts:lookup(target or actor:jid()), book.of(sandbox):lookup(target)
  if owner then return owner == actor and owner or nil, nil, 403 end
  if not group then return nil, nil, 404 end
  if not settings.may_describe(group, actor) then return nil, nil, group:has(actor) and 403 or 401 end
  return nil, group
end

local function set(conn, node)
  local sandbox = conn.sandbox
  local picture = stanza.child(node, "picture")
  local jpeg = picture and stanza.bytes(node, "picture") or ""
  local owner, group, code = changeable(conn, node.attrs.target)
  if not owner and not group then return iq.error(conn, node, code) end
  if jpeg ~= "" and not pictures.fits(jpeg) then return iq.error(conn, node, 406) end
  local subject = (owner or group):jid()
  local id = pictures.keep(sandbox, subject, jpeg ~= "" and jpeg or nil)
  iq.result(conn, node, id and stanza.node("picture", { id = id }) or nil)
  tell(sandbox, subject, id, conn.device.account, audience(sandbox, owner, group))
end

--- An account's owner changes the picture, or takes it away, on the phone.
-- @tparam table account
-- @tparam ?string jpeg that fits
-- @treturn ?int its id
function pictures.by_phone(sandbox, account, jpeg)
  local id = pictures.keep(sandbox, account:jid(), jpeg)
  tell(sandbox, account:jid(), id, account, audience(sandbox, account))
  return id
end

--- A query of the namespace "w:profile:picture".
function pictures.query(conn, node)
  if node.attrs.type == "set" then return set(conn, node) end
  get(conn, node)
end

-- One of a community's, each as it was asked for (10 §3.2).
local function among(conn, parent, asked)
  local name = asked.attrs.parent_group_jid or asked.attrs.sub_group_jid
  local group = book.of(conn.sandbox):lookup(name)
  local answered = { parent_group_jid = asked.attrs.parent_group_jid, sub_group_jid = asked.attrs.sub_group_jid }
  local belongs = group and (group == parent or group.linked_parent == parent.id)
  local id, path
  if belongs then id, path = pictures.link(conn.sandbox, group:jid()) end
  if id and asked.attrs.id ~= tostring(id) then return described(conn.sandbox, id, path, asked) end
  answered.status = not belongs and "405" or id and "304" or "204"
  return stanza.node("picture", answered)
end

--- Pictures of a community and its groups (S-711).
-- @tparam table parent group
-- @tparam table wanted the `<pictures>` that asks
-- @treturn ?table node
-- @treturn ?int code
function pictures.of_community(conn, parent, wanted)
  if not parent.parent then return nil, 404 end
  if not parent:has(conn.device.account) then return nil, 403 end
  local list = {}
  for _, asked in stanza.children(wanted, "picture") do list[#list + 1] = among(conn, parent, asked) end
  return stanza.node("pictures", nil, list)
end

return pictures
