--- What a message says, as text on a screen: one line for most, whatever kind it is. What strangers wrote stays as it is here; the screen
-- makes it printable.
-- @module moonpost.cli.chat.show
local core = require "moonpost.core"
local words = require "moonpost.cli.chat.words"

local QUOTE_MAX = 60 -- characters shown of a text that is quoted

-- By kind: fn(m, chat) -> text.
local say = {}

local function one_line(text, max)
  text = (text or ""):gsub("%s+", " ")
  local cut = utf8.offset(text, (max or 200) + 1)
  return cut and cut <= #text and text:sub(1, cut - 1) .. "…" or text
end

local function with(text, more) return more and more ~= "" and text .. more or text end
local function number(value) return (("%.6f"):format(value or 0):gsub("0+$", ""):gsub("%.$", "")) end

function say.text(m)
  return with(m.text or "", m.preview and ("   [link: %s]"):format(one_line(m.preview.title or m.preview.url)))
end

-- What is known of a file: its name, how large it is, how long.
local function details(media)
  local list = {}
  if media.filename then list[#list + 1] = one_line(media.filename, 80) end
  if media.width and media.height then list[#list + 1] = ("%d × %d"):format(media.width, media.height) end
  if media.duration and media.duration > 0 then list[#list + 1] = ("%d:%02d"):format(media.duration // 60, media.duration % 60) end
  if media.size then list[#list + 1] = words.bytes(media.size) end
  return #list > 0 and " " .. table.concat(list, ", ") or ""
end

local file_kinds = {
  image = "image", video = "video", gif = "GIF", round_video = "video message", audio = "audio", voice = "voice message",
  document = "document", sticker = "sticker", sticker_pack = "sticker pack",
}

for kind, called in pairs(file_kinds) do
  say[kind] = function(m) return with(("[%s%s]"):format(called, details(m.media or {})), m.text and " " .. m.text) end
end

function say.album(m) return ("[album] %d images, %d videos"):format(m.album.images or 0, m.album.videos or 0) end

local function place(of)
  local text = of.lat and number(of.lat) .. ", " .. number(of.lon) or ""
  for _, more in ipairs { of.name or "", of.address or "" } do
    if more ~= "" then text = text .. (text ~= "" and " " or "") .. one_line(more) end
  end
  return text
end

function say.location(m) return with("[location] " .. place(m.location), m.text and ": " .. m.text) end
function say.live_location(m) return with("[live location] " .. place(m.location), m.text and ": " .. m.text) end

function say.contacts(m)
  local cards = {}
  for i, card in ipairs(m.contacts) do
    cards[i] = one_line(card.name or "?") .. (card.phones[1] and " " .. one_line(table.concat(card.phones, ", ")) or "")
  end
  return ("[%s] %s"):format(m.kind, table.concat(cards, "; "))
end

say.contact = say.contacts

function say.invite(m)
  local invite = m.invite
  return with(("[invite] to the group '%s'%s"):format(one_line(invite.subject or invite.group or "?"),
    invite.expires and ", until " .. words.date(invite.expires) or ""), m.text and ": " .. m.text)
end

function say.newsletter_invite(m)
  return with(("[invite] to %s the channel '%s'"):format(m.invite.admin and "run" or "follow",
    one_line(m.invite.name or m.invite.newsletter or "?")), m.text and ": " .. m.text)
end

function say.phone_request() return "[asks for the phone number]" end
function say.phone_share(m) return "[shows the phone number]" .. (m.phone and " +" .. m.phone or "") end

function say.menu(m)
  local menu, lines = m.menu or {}, {}
  for _, text in ipairs { menu.title or false, menu.text or m.text or false, menu.footer or false } do
    if text and text ~= "" then lines[#lines + 1] = text end
  end
  local text = ("[%s] %s"):format(m.kind, table.concat(lines, "\n"))
  for i, choice in ipairs(menu.choices or {}) do
    text = text .. ("\n%d  %s"):format(i, one_line(choice.text or choice.id or "?")) .. (choice.url and "  " .. one_line(choice.url) or "")
  end
  for _, card in ipairs(menu.cards or {}) do text = text .. "\n□  " .. one_line(card.title or card.text or "?") end
  return text
end

for _, kind in ipairs { "buttons", "list", "template", "interactive" } do say[kind] = say.menu end

function say.button(m) return "[pressed] " .. one_line(m.button.text or m.button.id or "?") end

local function price(amount, currency)
  return amount and (" %s%s"):format(number(amount), currency and " " .. one_line(currency) or "") or ""
end

function say.product(m)
  local product = m.product
  local title = one_line(product.title or product.id or "?")
  return with("[product] " .. title .. price(product.price, product.currency), m.text and ": " .. m.text)
end

function say.order(m)
  local order = m.order
  return with(("[order] %s, %s items%s"):format(one_line(order.title or order.id or "?"), order.items or "?",
    price(order.total, order.currency)), m.text and ": " .. m.text)
end

function say.payment(m)
  local payment = m.payment
  return with(("[payment] %s%s"):format((payment.action or "?"):gsub("_", " "), price(payment.amount, payment.currency)),
    m.text and ": " .. m.text)
end

local function choices(list)
  local text = ""
  for i, choice in ipairs(list) do text = text .. ("\n%d  %s"):format(i, one_line(choice)) end
  return text
end

function say.poll(m)
  local poll = m.poll
  local many = poll.multiple ~= 1 and (poll.multiple == 0 and ", any number of them" or (", %d of them at most"):format(poll.multiple))
  return ("[%s%s] %s%s%s"):format(poll.quiz and "quiz" or "poll", many or "", one_line(poll.question),
    poll.ends and " (until " .. words.date(poll.ends) .. ")" or "", choices(poll.choices))
end

--- How a poll stands: "Soup 2, Salad 1".
-- @tparam table votes of client:votes
local function tally(votes)
  local list = {}
  for i, row in ipairs(votes) do list[i] = ("%s %d"):format(one_line(row.choice), row.count) end
  return table.concat(list, ", ")
end

function say.vote(m, chat)
  local about = chat.lines:name(m.target)
  local votes = chat.client:votes { chat = m.target.chat, id = m.target.id, sender = m.target.sender }
  local chosen = {}
  for i, choice in ipairs(m.vote and m.vote.choices or {}) do chosen[i] = one_line(choice) end
  local said = #chosen > 0 and ("voted %s in %s"):format(table.concat(chosen, " and "), about) or ("took the vote in %s back"):format(about)
  return with(said, votes and ": " .. tally(votes))
end

function say.poll_result(m)
  local list = {}
  for i, row in ipairs(m.result) do list[i] = ("%s %d"):format(one_line(row.choice), row.count) end
  return ("[poll result] %s: %s"):format(one_line(m.result.question), table.concat(list, ", "))
end

function say.event(m)
  local event = m.event
  return ("[event] %s%s%s%s%s%s"):format(one_line(event.name), event.starts and ", " .. words.date(event.starts) or "",
    event.ends and " until " .. words.date(event.ends) or "", event.location and ", " .. place(event.location) or "",
    event.cancelled and " (cancelled)" or "", event.description and "\n" .. event.description or "")
end

local answers = { going = "goes to", not_going = "does not go to", maybe = "may come to" }

--- Who comes to an event: "2 go, 1 may come, 0 do not".
local function coming(list) return ("%d go, %d may come, %d do not"):format(list.going, list.maybe, list.not_going) end

function say.response(m, chat)
  local response = m.response or {}
  local guests = response.guests and response.guests > 0 and (" with %d more"):format(response.guests) or ""
  local list = chat.client:responses { chat = m.target.chat, id = m.target.id, sender = m.target.sender }
  local said = ("%s %s%s"):format(answers[response.answer] or "answers", chat.lines:name(m.target), guests)
  return with(said, list and ": " .. coming(list))
end

function say.comment(m, chat) return ("[comment on %s] %s"):format(chat.lines:name(m.target), m.text or "") end

function say.reaction(m, chat)
  local about, emoji = chat.lines:name(m.target), m.reaction.emoji
  return (emoji or "") == "" and ("took the reaction to %s back"):format(about) or ("reacted %s to %s"):format(one_line(emoji, 20), about)
end

function say.edit(m, chat)
  local new = m.event and say.event(m) or m.poll and say.poll(m) or m.text or ""
  return ("edited %s: %s"):format(chat.lines:name(m.target), new)
end

function say.revoke(m, chat) return "deleted " .. chat.lines:name(m.target) end

function say.pin(m, chat)
  local about = chat.lines:name(m.target)
  return m.pinned and ("pinned %s for %s"):format(about, words.long(m.seconds or 0)) or "unpinned " .. about
end

function say.keep(m, chat) return (m.kept and "keeps " or "no longer keeps ") .. chat.lines:name(m.target) end

function say.expiration(m)
  return m.expiration > 0 and ("has messages disappear after %s"):format(words.long(m.expiration)) or "has messages stay"
end

function say.call(m)
  local call = m.call
  local text = ("[%s%s] %s"):format(call.video and "video " or "", "call", call.action or "?")
  text = with(text, call.outcome and ", " .. tostring(call.outcome):gsub("_", " "))
  text = with(text, call.seconds and (", %s"):format(words.long(call.seconds)))
  text = with(text, call.at and ", " .. words.date(call.at))
  return with(text, call.title and ": " .. one_line(call.title))
end

function say.undecryptable(m) return ("[cannot be read: %s]"):format(m.reason or "?") end

-- What a message nobody reads is made of: the names of its fields.
function say.unknown(m)
  local names = {}
  for name in pairs(m.message or {}) do
    if name ~= "_unknown" and name ~= "messageContextInfo" then names[#names + 1] = name end
  end
  table.sort(names)
  return ("[unknown kind: %s, %d bytes]"):format(#names > 0 and table.concat(names, ", ") or "no field of a name", #(m.raw or ""))
end

-- A kind that is only named.
local function other(m)
  return with(("[%s]"):format((m.kind or "nothing"):gsub("_", " ")), m.text and " " .. m.text)
end

-- Digits that mention somebody become the name.
local function with_names(text, m, chat)
  for _, one in ipairs(m.mentions or {}) do
    for _, name in ipairs { one, chat.client.lids:pn_of(one) or false } do
      local digits = name and core.wire.jid.parse(name)
      local said = digits and digits:find "^%d+$" and "@" .. digits .. "%f[%D]"
      if said then text = text:gsub(said, function() return "@" .. chat.people:name(one) end) end
    end
  end
  return text
end

local function marks(m)
  local text = m.forwarded and (m.forwarded >= 127 and "[forwarded many times] " or "[forwarded] ") or ""
  if m.view_once then text = text .. "[to be seen once] " end
  return text
end

-- What is quoted, in a few words.
local function quoted(m, chat)
  local quote = m.quoted
  if not quote then return "" end
  local target = { chat = quote.chat or m.chat, id = quote.id, sender = quote.sender }
  local line = chat.lines:of(target)
  local called = quote.kind and "[" .. (file_kinds[quote.kind] or quote.kind) .. "]" or ""
  local text = quote.text and quote.text ~= "" and one_line(quote.text, QUOTE_MAX) or called
  return ("   ↪ %s%s"):format(line and "#" .. line.number .. " " or "", text)
end

local show = { tally = tally, coming = coming, one_line = one_line }

--- What a message says.
-- @tparam table m message event
-- @tparam table chat client, people, lines
-- @treturn string
function show.message(m, chat)
  local fn = say[m.kind] or other
  local text = with_names(fn(m, chat), m, chat)
  local timer = (m.expires or 0) > 0 and ("   [for %s]"):format(words.long(m.expires)) or ""
  return marks(m) .. text .. timer .. quoted(m, chat)
end

return show
