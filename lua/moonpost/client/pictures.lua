--- Pictures of people, groups and communities (fact sheets 07 §4.4, 05 §16, 10 §5.2): had, set, taken away, and told of when they change.
--
--     local picture = assert(client.pictures:get(m.sender, { full = true }))
--     assert(client.pictures:save(picture, "ana.jpg"))
--     assert(client.pictures:set({ file = "garden.jpg" }))
--
-- All in a task; they fail with nil and an error whose `code` is a word: "no-picture", "hidden", "not-acceptable" what is no picture,
-- "forbidden", "not-found", …; of the file what client.media's say. Event `picture`{jid, group, id, by, from_me}: somebody's or a group's
-- picture is another one now; without `id` there is none any more.
-- @module moonpost.client.pictures
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local group_errors = require "moonpost.client.group_errors"
local group_node = require "moonpost.client.group_node"
local lazy = require "moonpost.lazy"
local stanza = require "moonpost.stanza"
local jid = core.wire.jid

local square = lazy "moonpost.client.square"

local XMLNS, SERVER = "w:profile:picture", "s.whatsapp.net"
local FILE_TYPE = "ppic"
local PICTURE_MAX = 8 << 20 -- bytes of a picture that is loaded

local Pictures = {}
Pictures.__index = Pictures

local function check_of(of, method)
  local user, server = jid.parse(type(of) == "string" and of or "")
  if (server == SERVER or server == "lid" or server == "g.us") and user ~= "" then return jid.bare(of) end
  error(("pictures:%s expects the JID of a person or group, not '%s'"):format(method, tostring(of)), 3)
end

local function is_own(client, of) return of == client.me.jid or of == client.me.lid end

local function none() return nil, core.error("no-picture", "there is no picture") end
local function hidden() return nil, core.error("hidden", "the picture is not shown to this account") end

local by_status = {
  ["204"] = none, ["401"] = hidden, ["403"] = hidden, ["404"] = none,
  ["405"] = function() return nil, group_errors.make("not-found", "the group is none of that community", 405) end,
}

local function failed(err)
  if err.code == "iq" and err.status == 404 then return none() end
  if err.code == "iq" and (err.status == 401 or err.status == 403) then return hidden() end
  return nil, group_errors.of_query(err)
end

-- What an answer's `<picture>` says.
local function read(of, node, options)
  local attrs = node and node.attrs or {}
  local inner = node and stanza.child(node, "error")
  local refused = by_status[inner and inner.attrs.code or attrs.status]
  if refused then return refused() end
  if attrs.id and (attrs.url or attrs.direct_path) then
    local path = not attrs.url and attrs.direct_path or nil
    return { jid = of, id = attrs.id, url = attrs.url, directPath = path, full = options.full == true }
  end
  if options.known then return { jid = of, id = options.known, unchanged = true } end
  return none()
end

local function wanted(options, attrs, content)
  attrs.type, attrs.query = options.full and "image" or "preview", "url"
  attrs.id, attrs.invite = options.known, options.invite
  return stanza.node("picture", attrs, content)
end

-- A community's is asked for among groups: the other way it is refused (07 §2).
local function of_community(self, of, options)
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "w:g2", type = "get", to = of }, {
    stanza.node("pictures", nil, wanted(options, { parent_group_jid = of })),
  }))
  if not answer then return failed(err) end
  return read(of, stanza.path(answer, "pictures", "picture"), options)
end

local function is_community(client, of)
  if not group_node.is_group(of) then return false end
  local known = client.groups:known(of)
  return known ~= nil and known.community == true
end

--- What picture somebody, a group or a community has. Strangers who hide theirs are shown the token they have given us.
-- @string of JID
-- @tparam ?table options full = true: in full size, else small; known = id: of a picture that is known already; invite = code of a group
--   this account is not in
-- @treturn ?table {jid, id, url, full}: the file is had by `bytes` and `save`; {jid, id, unchanged = true}: it is the one that is known
-- @treturn ?table err code "no-picture", "hidden", …
function Pictures:get(of, options)
  of, options = check_of(of, "get"), options or {}
  local client = self.client
  if is_community(client, of) then return of_community(self, of, options) end
  local token = not is_own(client, of) and client.privacy_tokens:shown_to(of) or nil
  local answer, err = client:query(stanza.node("iq", { xmlns = XMLNS, type = "get", to = SERVER, target = of },
    wanted(options, {}, token)))
  if not answer then return failed(err) end
  return read(of, stanza.child(answer, "picture"), options)
end

local function change(self, of, method, content)
  of = of and check_of(of, method)
  local target = of and not is_own(self.client, of) and of or nil
  local answer, err = self.client:query(stanza.node("iq", { xmlns = XMLNS, type = "set", to = SERVER, target = target }, content))
  if not answer and err.status == 406 then
    return nil, group_errors.make("not-acceptable", "the server takes no such picture: it wants a small square JPEG (406)", 406)
  end
  if not answer then return nil, group_errors.of_query(err) end
  return answer
end

--- Sets the own picture, or a group's. It is made a square JPEG (moonpost.client.square).
-- @tparam table source { file = path }, { bytes = string } or { reader = function }
-- @tparam ?string of JID of the group or community; nil: the own one
-- @treturn ?string id of the picture, as the server names it
-- @treturn ?table err code "not-acceptable": the server takes no such picture; "media-format": it cannot be made one
function Pictures:set(source, of)
  local jpeg, err = square(source)
  if not jpeg then return nil, err end
  local answer, why = change(self, of, "set", stanza.node("picture", { type = "image" }, jpeg))
  if not answer then return nil, why end
  local picture = stanza.child(answer, "picture")
  return picture and picture.attrs.id or ""
end

--- Takes the own picture away, or a group's.
-- @tparam ?string of JID of the group or community; nil: the own one
-- @treturn ?boolean true
-- @treturn ?table err
function Pictures:remove(of)
  local answer, err = change(self, of, "remove")
  return answer and true or nil, err
end

--- Loads a picture's file.
-- @tparam table picture as `get` returns it, or of a newsletter
-- @tparam ?int most bytes it may have (8 MiB)
-- @treturn ?string JPEG
-- @treturn ?table err
function Pictures:bytes(picture, most)
  local pieces = {}
  local ok, err = self.client.media:download(picture, FILE_TYPE, function(piece) pieces[#pieces + 1] = piece end,
    { limit = most or PICTURE_MAX })
  if not ok then return nil, err end
  return table.concat(pieces)
end

--- Saves a picture's file.
-- @tparam table picture
-- @string path
-- @tparam ?table options as client.media:save takes them
-- @treturn ?string the path it has
-- @treturn ?table err
function Pictures:save(picture, path, options)
  local all = { limit = PICTURE_MAX }
  for name, value in pairs(options or {}) do all[name] = value end
  return self.client.media:save(picture, FILE_TYPE, path, all)
end

--- A `picture` notification (07 §11.2); inside its transaction. One without a child says that there is none any more.
function Pictures:notification(node)
  local client, child = self.client, stanza.child(node)
  local of = attributes.bare(node, "from")
  local set = child and child.tag == "set" and child or nil
  if not set and child and child.tag ~= "delete" then return end
  local by = child and child.attrs.author and attributes.bare(child, "author")
  by = by and client.lids:stable(by)
  local group = group_node.is_group(of)
  local told = {
    jid = group and of or client.lids:stable(of), group = group, id = set and (set.attrs.id or set.attrs.hash or "") or nil, by = by,
    from_me = by ~= nil and is_own(client, by),
  }
  client.store:after_commit(function() client:emit("picture", told) end)
end

return function(client) return setmetatable({ client = client }, Pictures) end
