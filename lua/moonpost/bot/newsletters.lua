--- What a bot does with newsletters: `bot:newsletter`, `bot:newsletters`, `bot:create_newsletter`. Methods of the bot; they, and those of
-- the objects they return, raise when they fail.
--
--     local news = bot:create_newsletter { name = "Garden news" }
--     news:send "the first tomatoes are ripe"
--     bot:on("message", { place = "newsletter" }, function(ctx) print(ctx.chat, ctx.text) end)
-- @module moonpost.bot.newsletters
local lazy = require "moonpost.lazy"
local running = require "moonpost.bot.running"

local pictures = lazy "moonpost.bot.pictures"

local methods = {}

local Newsletter = {}

local function check(value, err)
  if value == nil then error(err, 0) end
  return value
end

-- Methods first; every other field is what is known of the newsletter.
function Newsletter.__index(object, name) return methods[name] or rawget(object, "info")[name] end

function Newsletter.__tostring(object) return ("newsletter %s (%s)"):format(object.jid, tostring(object.name)) end

local function object(bot, info) return setmetatable({ bot = bot, info = info }, Newsletter) end

local function client_of(bot, method) return running(bot, method, 3) end

-- Those of moonpost.client.newsletters that take its JID; what they tell of the newsletter is known from then on.
for _, name in ipairs { "follow", "unfollow", "delete" } do
  methods[name] = function(self, ...)
    local newsletters = self.bot.client.newsletters
    self.info = check(newsletters[name](newsletters, self.info.jid, ...))
    return self
  end
end

for _, name in ipairs { "messages", "updates", "watch", "unwatch", "viewed" } do
  methods[name] = function(self, ...)
    local newsletters = self.bot.client.newsletters
    if name == "unwatch" then return newsletters:unwatch(self.info.jid) end
    return check(newsletters[name](newsletters, self.info.jid, ...))
  end
end

-- What is known of it: an answer to a change says nothing of how this account stands to it.
local function learn(self, told)
  for name, value in pairs(told) do
    if name ~= "muted" then self.info[name] = value end
  end
  self.info.preview, self.info.image = told.preview, told.image
end

--- Changes name, description or picture; for its admins.
-- @tparam table changed name, description, picture (as `set_picture` takes it)
function methods:update(changed)
  local copy = {}
  for name, value in pairs(changed) do copy[name] = value end
  if changed.picture then copy.picture = pictures.source(changed.picture, "newsletter:update", 2) end
  learn(self, check(self.bot.client.newsletters:update(self.info.jid, copy)))
  return self
end

--- Its picture.
-- @tparam ?table options full = true: in full size, else small
-- @treturn ?table moonpost.bot.pictures; nil where there is none
function methods:picture(options)
  local picture = self.info[options and options.full and "image" or "preview"]
  return picture and pictures.object(self.bot.client, picture)
end

--- Sets its picture; for its admins.
-- @param source path, { bytes = string }, an iterator, or the file of a message
function methods:set_picture(source)
  local found = pictures.source(source, "newsletter:set_picture", 2)
  learn(self, check(self.bot.client.newsletters:update(self.info.jid, { picture = found })))
  return self
end

--- Takes its picture away.
function methods:remove_picture()
  learn(self, check(self.bot.client.newsletters:update(self.info.jid, { picture = false })))
  return self
end

--- Posts into it; for its admins.
-- @tparam string|table spec as `bot:send` takes it
-- @treturn table the message that was sent
function methods:send(spec) return self.bot:send(self.info.jid, spec) end

local newsletters = {}

--- A newsletter.
-- @string key its JID, its invite code or link
-- @treturn table jid, name, description, invite, subscribers, verified, created, role, muted, state; methods follow, unfollow, update,
-- delete, picture, set_picture, remove_picture, send, messages, updates, watch, unwatch, viewed (moonpost.client.newsletters)
function newsletters:newsletter(key)
  local client = client_of(self, "newsletter")
  return object(self, check(client.newsletters:get(key)))
end

--- The newsletters this account follows or has made.
-- @treturn table array
function newsletters:newsletters()
  local list = check(client_of(self, "newsletters").newsletters:list())
  for i, one in ipairs(list) do list[i] = object(self, one) end
  return list
end

--- Makes a newsletter.
-- @tparam table wanted name; description; picture (a path, …)
-- @treturn table the newsletter
function newsletters:create_newsletter(wanted)
  local client = client_of(self, "create_newsletter")
  if type(wanted) ~= "table" or type(wanted.name) ~= "string" or wanted.name == "" then
    error("bot:create_newsletter expects { name = text, description = text }", 2)
  end
  local copy = { name = wanted.name, description = wanted.description }
  if wanted.picture then copy.picture = pictures.source(wanted.picture, "bot:create_newsletter", 2) end
  return object(self, check(client.newsletters:create(copy)))
end

return newsletters
