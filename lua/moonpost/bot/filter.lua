--- Filters of `bot:on("message", filter, fn)`.
-- A filter is a function of the context, or a table whose every field must match: `text` is a Lua pattern, `media` the kind of the file
-- that came, the others (`chat`, `group`, `place`, `sender`, `phone`, `kind`, `from_me`, `late`) are compared; `true` asks only that the
-- field is there. What could not be read, kind "undecryptable", is for filters that name `kind` and for functions alone: other handlers
-- expect a message.
-- Status posts, channels and what somebody sends to a list of people are spoken to nobody in particular: only filters that name `place`
-- (or the `chat`) hear them, so that no bot answers them by accident.
-- A pattern may take time that grows with the square of the text, and holds up everything meanwhile: of a text a stranger made long
-- it sees the beginning. A pattern that ends with `$` would take the cut for the end, and matches no such text.
-- @module moonpost.bot.filter
local kind_names = require "moonpost.client.kinds.names"
local places = require "moonpost.client.places"

local known = {
  text = "string", chat = "string", group = "boolean", sender = "string", phone = "string", kind = "string", from_me = "boolean",
  place = "string", media = "string", late = "boolean",
}

local SEEN = 4096 -- bytes of a text that patterns are tried on

-- Fields that are one of a few words: any other would never be heard.
local words = {
  kind = kind_names, place = { direct = true, group = true, status = true, broadcast = true, newsletter = true },
  media = { image = true, video = true, gif = true, round_video = true, audio = true, voice = true, document = true, sticker = true,
    sticker_pack = true },
}

local advice = {
  kind = "docs/kinds.md lists them", place = "direct, group, status, broadcast, newsletter",
  media = "image, video, gif, round_video, audio, voice, document, sticker, sticker_pack",
}

local function check_word(name, wanted, level)
  if wanted == true or not words[name] or words[name][wanted] then return end
  error(("a filter's '%s': there is no %s '%s' (%s)"):format(name, name, wanted, advice[name]), level + 1)
end

-- The beginning of a text, cut at a character.
local function beginning(text)
  local length = SEEN
  while length > SEEN - 4 and (text:byte(length + 1) & 0xc0) == 0x80 do length = length - 1 end
  return text:sub(1, length)
end

-- Whether a pattern's last character is the anchor, not a "$" that was escaped.
local function ends_with_anchor(pattern) return #pattern:match "(%%*)%$?$" % 2 == 0 and pattern:sub(-1) == "$" end

local function finds(text, pattern)
  if #text <= SEEN then return text:find(pattern) ~= nil end
  return not ends_with_anchor(pattern) and beginning(text):find(pattern) ~= nil
end

local function matches(fields, ctx)
  for name, wanted in pairs(fields) do
    local value = ctx[name]
    if wanted == true then
      if not value then return false end
    elseif name == "text" then
      if not (value and finds(value, wanted)) then return false end
    elseif name == "media" then
      if not (value and value.kind == wanted) then return false end
    elseif value ~= wanted then
      return false
    end
  end
  return true
end

-- Kinds that are for handlers who ask for them: others expect a message that says something new.
local quiet = { undecryptable = true, edit = true }

-- Whether a message is for a filter at all.
local function is_meant(filter, ctx)
  local named = type(filter) == "table" and filter or {}
  if places.aloof[ctx.place] and named.place == nil and named.chat == nil then return false end
  return not quiet[ctx.kind] or named.kind ~= nil or type(filter) == "function"
end

--- Makes a predicate of a filter.
-- @tparam ?function|table filter
-- @int level the caller's level, for the error of a wrong filter
-- @treturn function fn(ctx) -> boolean
return function(filter, level)
  if filter == nil then return function(ctx) return is_meant(nil, ctx) end end
  if type(filter) == "function" then return function(ctx) return is_meant(filter, ctx) and filter(ctx) end end
  if type(filter) ~= "table" then error("a filter is a function or a table, not a " .. type(filter), level + 1) end
  if next(filter) == nil then error("a filter has at least one field, such as { text = \"^%d+$\" }", level + 1) end
  for name, wanted in pairs(filter) do
    if not known[name] then
      local all = "chat, from_me, group, kind, late, media, phone, place, sender, text"
      error(("a filter has no field '%s' (%s)"):format(tostring(name), all), level + 1)
    end
    if wanted ~= true and type(wanted) ~= known[name] then
      error(("a filter's '%s' is a %s or true, not a %s"):format(name, known[name], type(wanted)), level + 1)
    end
    check_word(name, wanted, level + 1)
  end
  if type(filter.text) == "string" then
    local ok, why = pcall(string.find, "", filter.text)
    if not ok then error(("a filter's text '%s' is no Lua pattern: %s"):format(filter.text, why), level + 1) end
  end
  return function(ctx) return is_meant(filter, ctx) and matches(filter, ctx) end
end
