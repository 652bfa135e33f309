--- Own status posts (fact sheet 03 §11.1): encrypted once for all who may see them, who are named in the stanza; a revoke goes to the
-- same people, a reaction to somebody's post to its author alone.
--
--     <message to="status@broadcast"> <meta status_setting/> <participants><to jid=DEVICE>key</to> <to jid=PERSON/> …</participants>
--                                     <enc skmsg/>
-- @module moonpost.client.status_posts
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local places = require "moonpost.client.places"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local AUDIENCE_MAX = 1024 -- people one post is shown to: more is not for a personal bot
local KIND = "audience"   -- of the add-on that keeps whom a post was shown to

-- What the server calls who may see status posts by default, and how posts say it.
local settings = { contacts = "contacts", blacklist = "denylist", whitelist = "allowlist" }

local StatusPosts = {}
StatusPosts.__index = StatusPosts

local function wrong(text, ...) error(core.error("spec", text:format(...)), 0) end

-- 0xAARRGGBB of "#RRGGBB" or a number.
local function color_of(value)
  local hex = type(value) == "string" and value:match "^#(%x%x%x%x%x%x)$"
  local number = hex and 0xff000000 | tonumber(hex, 16) or math.tointeger(value)
  if not number or number < 0 or number > 0xffffffff then wrong("a status: 'background' is a colour such as \"#1f6f4a\"") end
  return number
end

--- The spec of a post: what a text has in a status alone is put into its Message.
-- @tparam string|table spec text, or { text =, background = "#RRGGBB", font = 0..9 }, or any other spec
-- @treturn string|table spec as kinds.build takes it
-- @raise code "spec": what is wrong with it
function StatusPosts.spec(_, spec)
  if type(spec) == "string" then spec = { text = spec } end
  local plain = type(spec) == "table" and type(spec.text) == "string" and next(spec) == "text" and next(spec, "text") == nil
  if type(spec) ~= "table" or not plain and spec.background == nil and spec.font == nil then return spec end
  for name in pairs(spec) do
    if name ~= "text" and name ~= "background" and name ~= "font" then
      wrong("a status with a background is a text: it has no '%s' (text, background, font)", tostring(name))
    end
  end
  if type(spec.text) ~= "string" or spec.text == "" then wrong "a status: 'text' is a text that is not empty" end
  local font = spec.font == nil and 0 or math.tointeger(spec.font)
  if not font or font < 0 or font > 9 then wrong "a status: 'font' is a number from 0 to 9" end
  return { message = { extendedTextMessage = {
    text = spec.text, backgroundArgb = spec.background ~= nil and color_of(spec.background) or nil, font = font,
  } } }
end

-- Who sees status posts by the account's own setting, as the server keeps it: the setting, and the people it names. In a task.
local function ask_setting(self)
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "status", type = "get", to = "s.whatsapp.net" }, stanza.node "privacy"))
  if not answer and err.status == 404 then return "contacts", {} end
  if not answer then return nil, err end
  for _, list in stanza.children(stanza.child(answer, "privacy"), "list") do
    if list.attrs.default == "true" and settings[list.attrs.type] then
      local people = {}
      for _, user in stanza.children(list, "user") do
        if user.attrs.jid and jid.parse(user.attrs.jid) then people[self.client.lids:stable(jid.bare(user.attrs.jid))] = true end
      end
      return list.attrs.type, people
    end
  end
  return "contacts", {}
end

local function is_person(any)
  local user, server = jid.parse(any)
  return (user or "") ~= "" and (server == "lid" or server == "s.whatsapp.net")
end

-- The wanted people, as far as the account's setting lets them see it; without any, those the setting itself names.
local function choose(self, wanted, setting, named)
  local list, seen, me = {}, { [self.client.lids:stable(self.client.me.jid)] = true }, self.client.lids
  local function add(one)
    one = me:stable(jid.bare(one))
    local allowed = setting == "whitelist" and named[one] or setting == "blacklist" and not named[one] or setting == "contacts"
    if not seen[one] and allowed then list[#list + 1] = one end
    seen[one] = true
  end
  for _, one in ipairs(wanted or {}) do add(one) end
  if not wanted and setting == "whitelist" then
    for one in pairs(named) do add(one) end
  end
  table.sort(list)
  return list
end

local function audience(self, wanted)
  if wanted ~= nil and (type(wanted) ~= "table" or #wanted > AUDIENCE_MAX) then
    wrong("a status: 'to' is a list of JIDs, %d at most", AUDIENCE_MAX)
  end
  for _, one in ipairs(wanted or {}) do
    if type(one) ~= "string" or not is_person(one) then wrong("a status: 'to' holds people's JIDs, not '%s'", tostring(one)) end
  end
  local setting, named = ask_setting(self)
  if not setting then return nil, named end
  local list = choose(self, wanted, setting, named)
  if #list > 0 then
    local found, err = self.client.devices:of(list) -- who has a LID is known by it from then on
    if not found then return nil, err end
    for i, one in ipairs(list) do list[i] = self.client.lids:stable(one) end
    return list, settings[setting]
  end
  return nil, core.error("audience", wanted and "the account's own setting lets none of these people see its status posts"
    or "say who is to see it: to = { jid, … }")
end

--- Whom a post of this account was shown to; nil when that is not known.
-- @string id
-- @treturn ?table array of bare JIDs
function StatusPosts:audience_of(id)
  local me = self.client.lids:stable(self.client.me.jid)
  local bytes = self.client.archive:addon_get(KIND, places.STATUS, id, me, me)
  if not bytes then return nil end
  local list = {}
  for one in bytes:gmatch "[^\0]+" do list[#list + 1] = self.client.lids:stable(one) end
  return list
end

--- Keeps whom a post is shown to; in its transaction.
-- @string id
-- @tparam table list array of bare JIDs
function StatusPosts:keep_audience(id, list)
  local me = self.client.lids:stable(self.client.me.jid)
  self.client.archive:addon_put(KIND, places.STATUS, id, me, me, table.concat(list, "\0"))
end

--- How a message to the status is sent. In a task.
-- @tparam table message
-- @tparam ?table wanted array of JIDs: who is to see it
-- @treturn ?table {recipients = array of bare JIDs, setting}; or {author}: a reaction, for one person alone
-- @treturn ?table err code "audience": there is nobody who may see it; "unknown-message": a revoke of what was not posted here
-- @raise code "spec"
function StatusPosts:plan(message, wanted)
  local content = messages.unwrap(message)
  local reaction, protocol = content.reactionMessage, content.protocolMessage
  if reaction then
    local author = reaction.key and reaction.key.participant
    if author and is_person(author) then return { author = jid.bare(author) } end
    return nil, core.error("unknown-message", "the reaction does not say whose status post it is for")
  end
  if content.editedMessage then return nil, core.error("unsupported", "a status post cannot be edited: delete it and post another") end
  if protocol then
    local shown = protocol.key and protocol.key.id and self:audience_of(protocol.key.id)
    if shown then return { recipients = shown } end
    return nil, core.error("unknown-message", "no status post with this id was made here")
  end
  local list, setting = audience(self, wanted)
  if not list then return nil, setting end
  return { recipients = list, setting = setting }
end

return function(client) return setmetatable({ client = client }, StatusPosts) end
