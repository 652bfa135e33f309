--- Pictures of people, groups and channels, as bots have them: `bot:picture`, `bot:set_picture`, `bot:remove_picture`; groups and
-- newsletters have methods of these names. They raise when they fail.
--
--     local picture = bot:picture(ctx.sender, { full = true })
--     if picture then picture:download "faces/" end
--     bot:set_picture "garden.jpg"
-- @module moonpost.bot.pictures
local jid = require("moonpost.core").wire.jid
local dress = require "moonpost.bot.media"
local parse_phone = require("moonpost.client.phone_number").parse
local running = require "moonpost.bot.running"

local pictures = {}

local absent = { ["no-picture"] = true, hidden = true }

local function check(value, err)
  if value == nil then error(err, 0) end
  return value
end

local function check_options(options, name, level)
  if options ~= nil and type(options) ~= "table" then error(("%s expects options such as { full = true }"):format(name), level + 1) end
  for key, value in pairs(options or {}) do
    if key ~= "full" then error(("%s has no option '%s' (full)"):format(name, tostring(key)), level + 1) end
    if type(value) ~= "boolean" then error(("%s: '%s' is true or false"):format(name, key), level + 1) end
  end
end

--- The file of a picture, with the methods of a message's (moonpost.bot.media).
-- @param client
-- @tparam table picture as moonpost.client.pictures has it
-- @treturn table jid, id, full, mime; `:download([path])`, `:bytes([max])`, `:stream()`
function pictures.object(client, picture)
  local name = ("%s.jpg"):format((jid.parse(picture.jid)))
  local file = {
    kind = "picture", mime = "image/jpeg", filename = name, type = "ppic", reference = picture, jid = picture.jid, id = picture.id,
    full = picture.full,
  }
  return dress({ media = file }, client).media
end

--- What is given as a picture: a path, { bytes = string }, an iterator, or the file of a message or another picture.
-- @param value
-- @string name of the method, for the error of a wrong one
-- @int level
-- @treturn table as moonpost.client.media takes it
function pictures.source(value, name, level)
  if type(value) == "string" and value ~= "" then return { file = value } end
  if type(value) == "function" then return { reader = value } end
  if type(value) == "table" and type(value.reference) == "table" then return { bytes = value:bytes() } end
  if type(value) == "table" and type(value.bytes) == "string" then return { bytes = value.bytes } end
  error(("%s expects a path, { bytes = string }, an iterator or a file that came, not %s"):format(name,
    value == "" and "an empty path" or "a " .. type(value)), level + 1)
end

--- Somebody's picture as an object; nil and a word, "no-picture" or "hidden", where there is none to be seen.
function pictures.of(client, of, options, name, level)
  check_options(options, name, level + 1)
  local picture, err = client.pictures:get(of, options)
  if not picture and absent[err.code] then return nil, err.code end
  return pictures.object(client, check(picture, err))
end

--- Sets a picture, of a group or the own one.
function pictures.set(client, value, of, name, level)
  return check(client.pictures:set(pictures.source(value, name, level + 1), of))
end

--- Takes one away.
function pictures.remove(client, of) return check(client.pictures:remove(of)) end

local methods = {}

--- Somebody's picture.
-- @string of JID of a person or group, or a phone number that begins with +
-- @tparam ?table options full = true: in full size, else small
-- @treturn ?table jid, id, full, mime; `:download([path])`, `:bytes([max])`, `:stream()`; nil where there is none to be seen
-- @treturn ?string why: "no-picture" or "hidden"
function methods.picture(bot, of, options)
  local client = running(bot, "picture", 2)
  local phone = type(of) == "string" and of:find "^%s*%+" and parse_phone(of)
  if phone then of = jid.make(phone, "s.whatsapp.net") end
  local user, server = jid.parse(type(of) == "string" and of or "")
  if (server ~= "s.whatsapp.net" and server ~= "lid" and server ~= "g.us") or user == "" then
    error(("bot:picture expects a JID or a +number, not '%s'"):format(tostring(of)), 2)
  end
  return pictures.of(client, of, options, "bot:picture", 2)
end

--- Sets the account's picture: a square JPEG goes as it is, of anything else ffmpeg makes one where it is there.
-- @param source path, { bytes = string }, an iterator, or the file of a message
-- @treturn string the picture's id
function methods.set_picture(bot, source)
  return pictures.set(running(bot, "set_picture", 2), source, nil, "bot:set_picture", 2)
end

--- Takes the account's picture away.
-- @treturn boolean true
function methods.remove_picture(bot) return pictures.remove(running(bot, "remove_picture", 2)) end

pictures.methods = methods

return pictures
