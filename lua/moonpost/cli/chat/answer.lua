--- Commands of polls and events: votes and responses, and how they stand.
-- @module moonpost.cli.chat.answer
local show = require "moonpost.cli.chat.show"
local words = require "moonpost.cli.chat.words"

local wrong, need = words.wrong, words.need

-- By what it says, or by its number among the choices.
local function choice_of(poll, word)
  for _, choice in ipairs(poll.choices) do
    if choice == word then return choice end
  end
  for _, choice in ipairs(poll.choices) do
    if choice:lower() == word:lower() then return choice end
  end
  return poll.choices[math.tointeger(tonumber(word)) or 0]
end

local function vote(chat, text, m)
  local poll = (chat.client:message(m.chat, m.id, m.sender) or m).poll -- its author may have added choices
  if not poll then wrong("%s is no poll", chat.lines:name(m)) end
  local chosen = {}
  for i, word in ipairs(words.parts(text)) do
    chosen[i] = choice_of(poll, word)
    if not chosen[i] then wrong("'%s' is none of its choices (%s)", word, table.concat(poll.choices, ", ")) end
  end
  local most = poll.multiple
  if most > 0 and #chosen > most then wrong("%d of its choices may be chosen, not %d", most, #chosen) end
  chat:act(m, { kind = "vote", vote = { choices = chosen } }, function(client) return client:vote(m, chosen) end)
end

local function votes(chat, _, m)
  local list = need(chat.client:votes(m))
  local text = ("%s, %s: %d voted"):format(chat.lines:name(m), show.one_line(m.poll and m.poll.question), list.total)
  for _, row in ipairs(list) do
    text = text .. ("\n%d  %s"):format(row.count, show.one_line(row.choice))
      .. (row.count > 0 and "  (" .. chat.people:list(row.voters) .. ")" or "")
  end
  chat:note(text)
end

local answers = {
  going = "going", yes = "going", no = "not_going", not_going = "not_going", ["not going"] = "not_going", maybe = "maybe",
}

local function respond(chat, text, m)
  if m.kind ~= "event" then wrong("%s is no event", chat.lines:name(m)) end
  local word, guests = text:match "^(.-)%s*%+(%d+)$"
  local answer = answers[(word or text):lower()]
  if not answer then wrong "the answer is going, no or maybe" end
  guests = math.tointeger(tonumber(guests)) or 0
  chat:act(m, { kind = "response", response = { answer = answer, guests = guests } }, function(client)
    return client:respond(m, answer, { guests = guests > 0 and guests or nil })
  end)
end

local function responses(chat, _, m)
  local list = need(chat.client:responses(m))
  local text = ("%s, %s: %s"):format(chat.lines:name(m), show.one_line(m.event and m.event.name), show.coming(list))
  for _, one in ipairs(list) do
    text = text .. ("\n%s: %s%s"):format(chat.people:name(one.jid), one.answer:gsub("_", " "),
      one.guests and one.guests > 0 and (", %d more"):format(one.guests) or "")
  end
  chat:note(text)
end

local function comment(chat, text, m)
  if text == "" then wrong "a text is missing" end
  chat:act(m, { kind = "comment", text = text }, function(client) return client:comment(m, text) end)
end

return {
  { name = "vote", target = "poll", usage = "[CHOICE | CHOICE …]", about = "votes, by names or numbers; takes the vote back", run = vote },
  { name = "votes", target = "poll", about = "how a poll stands", run = votes },
  { name = "respond", target = "event", usage = "going|no|maybe [+GUESTS]", about = "answers an event", run = respond },
  { name = "responses", target = "event", about = "who comes to an event", run = responses },
  { name = "comment", target = "other", usage = "TEXT", about = "comments, in a community's announcement group", run = comment },
}
