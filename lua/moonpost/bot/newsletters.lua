--- What a bot does with newsletters: `bot:newsletter`, `bot:newsletters`, `bot:create_newsletter`. Methods of the bot; they, and those of
-- the objects they return, raise when they fail.
--
--     local news = bot:create_newsletter { name = "Garden news" }
--     news:send "the first tomatoes are ripe"
--     bot:on("message", { place = "newsletter" }, function(ctx) print(ctx.chat, ctx.text) end)
-- @module moonpost.bot.newsletters
local running = require "moonpost.bot.running"

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
for _, name in ipairs { "follow", "unfollow", "update", "delete" } do
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

--- Posts into it; for its admins.
-- @tparam string|table spec as `bot:send` takes it
-- @treturn table the message that was sent
function methods:send(spec) return self.bot:send(self.info.jid, spec) end

local newsletters = {}

--- A newsletter.
-- @string key its JID, its invite code or link
-- @treturn table jid, name, description, invite, subscribers, verified, created, role, muted, state; methods follow, unfollow, update,
-- delete, send, messages, updates, watch, unwatch, viewed (moonpost.client.newsletters)
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
-- @tparam table wanted name; description
-- @treturn table the newsletter
function newsletters:create_newsletter(wanted)
  local client = client_of(self, "create_newsletter")
  if type(wanted) ~= "table" or type(wanted.name) ~= "string" or wanted.name == "" then
    error("bot:create_newsletter expects { name = text, description = text }", 2)
  end
  return object(self, check(client.newsletters:create(wanted)))
end

return newsletters
