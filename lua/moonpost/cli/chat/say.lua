--- Commands that say something: each kind of message that can be sent.
-- @module moonpost.cli.chat.say
local core = require "moonpost.core"
local json = require "cjson.safe"
local words = require "moonpost.cli.chat.words"

local wrong, need, parts = words.wrong, words.need, words.parts

local function text_of(text)
  if text == "" then wrong "a text is missing" end
  return text
end

local function reply(chat, text, m) chat:say(text_of(text), { quote = m }) end

local function mention(chat, text)
  local who, said = text:match "^([^|]*)|(.*)$"
  if not who or words.trim(said) == "" then wrong "people and a text are given, with | between them" end
  local jids = {}
  if words.trim(who) == "everyone" then
    jids = "everyone"
  else
    for i, account in ipairs(need(chat.people:several(who))) do jids[i] = chat.client.lids:stable(account.lid) end
  end
  chat:say { text = words.trim(said), mentions = jids }
end

-- Question and choices.
local function poll_of(text)
  local list = parts(text)
  if #list < 3 then wrong "a question and at least two choices are given, with | between them" end
  return table.remove(list, 1), list
end

local function poll(multiple)
  return function(chat, text)
    local question, choices = poll_of(text)
    chat:say { poll = question, choices = choices, multiple = multiple }
  end
end

local function quiz(chat, text)
  local question, choices = poll_of(text)
  local answer
  for i, choice in ipairs(choices) do
    local right = choice:match "^%*%s*(.+)$"
    if right and answer then wrong "one answer is right" end
    if right then answer, choices[i] = right, right end
  end
  if not answer then wrong "the right answer begins with *" end
  chat:say { poll = question, choices = choices, answer = answer }
end

local function event(chat, text)
  local list = parts(text)
  local starts = list[2] and words.time(list[2], math.floor(core.net.time()))
  if not starts then wrong "a name and a time are given, such as 2h, 18:00 or 2026-12-24 18:00, with | between them" end
  chat:say { event = list[1], starts = starts, location = list[3], guests = true }
end

local function location(word)
  return function(chat, text)
    local lat, lon, name = text:match "^(%-?[%d.]+)%s*,%s*(%-?[%d.]+)%s*(.*)$"
    lat, lon = tonumber(lat), tonumber(lon)
    if not lat or not lon then wrong "latitude and longitude are given in degrees, such as 52.5, 13.4" end
    chat:say { [word] = { lat, lon, name = word == "location" and name ~= "" and name or nil }, text = word ~= "location" and name ~= ""
      and name or nil }
  end
end

local function contact(chat, text)
  local cards = {}
  for i, one in ipairs(parts(text)) do
    local name, phone = one:match "^(.-)%s*(%+%d[%d%s().%-]*)$"
    if not name or name == "" then wrong "a name and a number that begins with + are given" end
    cards[i] = { name = name, phone = phone }
  end
  if #cards == 0 then wrong "a name and a number that begins with + are given" end
  chat:say { contact = cards }
end

-- A personal invite, which the server gave when somebody could not be added.
local function invite(chat, text)
  local account = need(chat.people:several(text))[1]
  local known = chat.invites[account.lid]
  if not known then wrong("there is no invite for %s: one comes when /group add is refused", account.push_name) end
  chat:say({ invite = known }, { to = { jid = account.jid, chat = chat.client.lids:stable(account.lid), name = account.push_name } })
end

local function product(chat, text)
  local list = parts(text)
  local price, currency = (list[2] or ""):match "^([%d.]+)%s*(%u%u%u)$"
  if not tonumber(price) then wrong "a title and a price are given, such as Tea | 3.50 EUR" end
  chat:say { product = { id = "1", title = list[1], owner = chat.client.me.jid, price = tonumber(price), currency = currency } }
end

local function phone(chat, text)
  if text ~= "ask" and text ~= "show" then wrong "it is ask or show" end
  chat:say(text == "ask" and { phone_request = true } or { phone_share = true })
end

-- By what it says or its number among the choices.
local function press(chat, text, m)
  local choices = m.menu and m.menu.choices or {}
  local chosen = choices[math.tointeger(tonumber(text)) or 0]
  for _, choice in ipairs(choices) do
    if choice.text == text or choice.id == text then chosen = choice end
  end
  if not chosen then wrong("'%s' is none of its choices", text) end
  chat:say({ button = chosen }, { quote = m })
end

local function once(chat, text) chat:say { text = text_of(text), view_once = true } end

local function message(chat, text)
  local content, why = json.decode(text)
  if type(content) ~= "table" then wrong("that is no JSON object: %s", tostring(why or type(content))) end
  local bytes, err = core.proto.encode("Message", content)
  if not bytes then wrong("that is no Message: %s", tostring(err)) end
  chat:say { message = need(core.proto.decode("Message", bytes)) }
end

local QUESTION = "QUESTION | CHOICE | CHOICE …"

return {
  { name = "reply", target = "other", usage = "TEXT", about = "answers a message, quoting it", run = reply },
  { name = "mention", usage = "NAME, NAME … | TEXT", about = "names people in a text; everyone in place of names", run = mention },
  { name = "once", usage = "TEXT", about = "a text to be seen once", run = once },
  { name = "poll", usage = QUESTION, about = "a poll, one choice each", run = poll(nil) },
  { name = "multipoll", usage = QUESTION, about = "a poll, any number of choices each", run = poll(true) },
  { name = "quiz", usage = "QUESTION | *RIGHT | WRONG …", about = "a poll with a right answer", run = quiz },
  { name = "event", usage = "NAME | TIME [| PLACE]", about = "an event, at 18:00, in 2h, on 2026-12-24 18:00", run = event },
  { name = "location", usage = "LAT, LON [NAME]", about = "a place", run = location "location" },
  { name = "live", usage = "LAT, LON [TEXT]", about = "a live location", run = location "live_location" },
  { name = "contact", usage = "NAME +NUMBER [| NAME +NUMBER …]", about = "cards of contacts", run = contact },
  { name = "invite", usage = "NAME", about = "the invite for somebody whom /group add could not add", run = invite },
  { name = "product", usage = "TITLE | PRICE CURRENCY", about = "a product", run = product },
  { name = "phone", usage = "ask|show", about = "asks for the number; shows yours", run = phone },
  { name = "press", target = "menu", usage = "CHOICE", about = "answers a menu, by a choice or its number", run = press },
  { name = "message", usage = "JSON", about = "any Message, as a JSON object", run = message },
}
