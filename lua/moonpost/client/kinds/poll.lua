--- Polls and quizzes (fact sheet 05 §8.1, §8.2): the question; votes, which only who knows the poll can read; and results as an app posts
-- them.
-- @module moonpost.client.kinds.poll
local core = require "moonpost.core"
local check = require "moonpost.client.kinds.check"
local key = require "moonpost.client.kinds.key"
local messages = require "moonpost.client.messages"
local moment = require "moonpost.client.kinds.moment"

local crypto = core.crypto

local CHOICES_MIN, CHOICES_MAX = 2, 12
local poll = { read = {}, build = {}, takes = {}, acts = { "vote" } }

-- The fields of Message that hold a poll; V4 is a wrapper around one of them.
local fields = {
  "pollCreationMessage", "pollCreationMessageV2", "pollCreationMessageV3", "pollCreationMessageV5", "pollCreationMessageV6",
}

-- What a poll says, as handlers are told.
local function describe(content)
  local choices = {}
  for i, option in ipairs(content.options or {}) do choices[i] = option.optionName or "" end
  local quiz = content.pollType == "QUIZ"
  return {
    question = content.name or "", choices = choices, multiple = content.selectableOptionsCount or 0, quiz = quiz,
    answer = quiz and content.correctAnswer and content.correctAnswer.optionName or nil, ends = moment.of_either(content.endTime),
  }
end

local function read_poll(content, m)
  m.kind, m.poll = "poll", describe(content)
  m.text = m.poll.question
end

for _, name in ipairs(fields) do poll.read[name] = read_poll end

--- A vote: `m.opened` is what was decrypted of it (StoreOpened).
function poll.read.pollUpdateMessage(content, m, client)
  m.kind, m.target = "vote", key.read(content.pollCreationMessageKey, m, client)
  if m.opened then m.vote = { choices = m.opened.choices or {} } end
end

local function read_result(content, m)
  local result = { question = content.name or "", quiz = content.pollType == "QUIZ", total = 0 }
  for i, one in ipairs(content.pollVotes or {}) do
    local count = math.max(0, one.optionVoteCount or 0)
    result[i] = { choice = one.optionName or "", count = count }
    result.total = result.total + count
  end
  m.kind, m.text, m.result = "poll_result", result.question, result
end

poll.read.pollResultSnapshotMessage, poll.read.pollResultSnapshotMessageV3 = read_result, read_result
poll.read.pollResultSnapshotMessageV3Legacy = read_result

--- The poll of a Message without its wrappers, as handlers are told of it; nil when it holds none.
-- @tparam table content
-- @treturn ?table {question, choices, multiple, quiz, answer, ends}
-- @treturn ?string the field of Message that holds it
function poll.of(content)
  for _, name in ipairs(fields) do
    if content[name] then return describe(content[name]), name end
  end
end

local function check_choices(choices)
  check.value("a poll", "choices", choices, "table", true)
  if #choices < CHOICES_MIN or #choices > CHOICES_MAX then
    check.wrong("a poll has %d to %d choices, not %d", CHOICES_MIN, CHOICES_MAX, #choices)
  end
  local seen, options = {}, {}
  for i, choice in ipairs(choices) do
    check.text("a poll", ("choices[%d]"):format(i), choice)
    if seen[choice] then check.wrong("a poll: '%s' stands twice among its choices", choice) end
    seen[choice], options[i] = true, { optionName = choice }
  end
  return options, seen
end

-- How many may be chosen: one, unless more are asked for; 0 is any number.
local function selectable(spec, count)
  local multiple = check.value("a poll", "multiple", spec.multiple, "boolean|number")
  if not multiple then return 1 end
  if multiple == true then return 0 end
  if math.tointeger(multiple) == nil or multiple < 0 or multiple > count then
    check.wrong("a poll: 'multiple' is true or how many of its %d choices may be chosen (0: any number), not %s", count, multiple)
  end
  return math.tointeger(multiple)
end

local function quiz_answer(spec, seen)
  if spec.answer == nil then
    if spec.quiz then check.wrong "a quiz needs an 'answer'" end
    return nil
  end
  check.text("a quiz", "answer", spec.answer)
  if not seen[spec.answer] then check.wrong("a quiz: the answer '%s' is not among its choices", spec.answer) end
  if spec.multiple then check.wrong "a quiz has one answer: 'multiple' is for polls" end
  return { optionName = spec.answer, optionHash = crypto.hex(crypto.sha256(spec.answer)) }
end

local function ends_at(spec)
  if spec.ends == nil then return nil end
  local ends = check.time("a poll", "ends", spec.ends)
  if ends <= core.net.time() then check.wrong("a poll: 'ends' is a time to come, in Unix seconds, not %s", spec.ends) end
  return ends
end

--- { poll = "Lunch?", choices = { "Soup", "Salad" }, multiple = true or how many, answer = "Soup" (a quiz), ends = Unix seconds }
-- @tparam table spec
-- @tparam table given client and chat: a poll for the announcement group of a community is of a version of its own
-- @treturn table Message
function poll.build.poll(spec, given)
  check.fields("a poll", spec, {
    poll = "string", choices = "table", multiple = "boolean|number", quiz = "boolean", answer = "string", ends = "number",
    hide_voters = "boolean",
  })
  local options, seen = check_choices(spec.choices)
  local count = selectable(spec, #options)
  local answer = quiz_answer(spec, seen)
  local group = given.client and messages.is_group(given.chat) and given.client.groups:get(given.chat)
  local version = group and group.announcements and "pollCreationMessageV2" or count == 1 and "pollCreationMessageV3"
    or "pollCreationMessage"
  return {
    [version] = {
      name = check.text("a poll", "poll", spec.poll), options = options, selectableOptionsCount = count, pollContentType = "TEXT",
      pollType = answer and "QUIZ" or nil, correctAnswer = answer, endTime = ends_at(spec),
      hideParticipantName = spec.hide_voters or nil,
    },
    messageContextInfo = { messageSecret = crypto.random(32) },
  }
end

--- The hashes that stand for choices in a vote; of what is not among them an error is raised, code "spec".
-- @tparam table about the poll, as `of` gives it
-- @tparam table choices array of texts
-- @treturn table array of 32 bytes each
function poll.hashes(about, choices)
  if type(choices) ~= "table" then check.wrong("a vote is a choice or an array of choices, not a %s", type(choices)) end
  local there, hashes, chosen = {}, {}, {}
  for _, choice in ipairs(about.choices) do there[choice] = true end
  if about.multiple > 0 and #choices > about.multiple then
    check.wrong("a vote: %d of %d choices, of which %d may be chosen", #choices, #about.choices, about.multiple)
  end
  for i, choice in ipairs(choices) do
    if type(choice) ~= "string" then check.wrong("a vote: choice %d is a %s, not a text", i, type(choice)) end
    if not there[choice] then check.wrong("a vote: '%s' is no choice of '%s'", choice, about.question) end
    if chosen[choice] then check.wrong("a vote: '%s' is chosen twice", choice) end
    chosen[choice], hashes[i] = true, crypto.sha256(choice)
  end
  return hashes
end

--- The choices a vote's hashes stand for, in the order of the poll.
-- @tparam table about the poll
-- @tparam table hashes
-- @treturn ?table array of texts
-- @treturn ?string why the vote does not count
function poll.chosen(about, hashes)
  local wanted, count, choices = {}, 0, {}
  for _, hash in ipairs(hashes) do
    if not wanted[hash] then count = count + 1 end
    wanted[hash] = true
  end
  for _, choice in ipairs(about.choices) do
    local hash = crypto.sha256(choice)
    if wanted[hash] then choices[#choices + 1] = choice end
    wanted[hash] = nil -- of two choices with one name the first is meant
  end
  if #choices < count then return nil, "it is for something that is no choice of the poll" end
  if about.multiple > 0 and count > about.multiple then
    return nil, ("it is for %d choices, and only %d may be chosen"):format(count, about.multiple)
  end
  return choices
end

local Tally = {}
Tally.__index = Tally

--- The choice with the most votes, as it stands in the tally; nil when nobody has voted, or several have as many.
-- @treturn ?table { choice=, count=, voters= }
function Tally:winner()
  local best, even
  for _, one in ipairs(self) do
    if not best or one.count > best.count then best, even = one, false elseif one.count == best.count then even = true end
  end
  return best and best.count > 0 and not even and best or nil
end

--- Counts.
-- @tparam table about the poll
-- @tparam table votes set: who -> array of choices
-- @treturn table array in the order of the poll of { choice=, count=, voters = sorted array of JIDs }; `total`: how many people voted
function poll.tally(about, votes)
  local tally, places = setmetatable({ total = 0 }, Tally), {}
  for i, choice in ipairs(about.choices) do
    tally[i] = { choice = choice, count = 0, voters = {} }
    places[choice] = places[choice] or tally[i]
  end
  for who, choices in pairs(votes) do
    local counted = false
    for _, choice in ipairs(choices) do
      local place = places[choice]
      if place then
        place.count, place.voters[place.count + 1], counted = place.count + 1, who, true
      end
    end
    if counted then tally.total = tally.total + 1 end
  end
  for _, one in ipairs(tally) do table.sort(one.voters) end
  return tally
end

return poll
