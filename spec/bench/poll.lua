-- The row `poll`: a vote that comes for a poll of 500 votes, decrypted under the poll's secret and kept; and the poll tallied. CPU of this
-- process, for the vote's own part of a message: its session is measured by the row `message`. Prints one JSON object of seconds.
-- usage: moonpost run spec/bench/poll.lua
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local secrets = require "moonpost.client.secrets"

local VOTERS, ROUNDS = 500, 200
local CHOICES = { "Soup", "Salad", "Bread", "Cake", "Tea", "Nothing" }

local store = assert(core.store.open {})
local client = assert(moonpost.client { store_handle = store })
client:set_me { jid = "15550000000@s.whatsapp.net", lid = "999@lid", device = 1 }

local POLL = { chat = "120363000000000001@g.us", id = "3EB0POLL", sender = "999@lid" }
local secret = core.crypto.random(32)
local options = {}
for i, choice in ipairs(CHOICES) do options[i] = { optionName = choice } end
local message = {
  pollCreationMessageV3 = { name = "Lunch?", options = options, selectableOptionsCount = 1 },
  messageContextInfo = { messageSecret = secret },
}

local function vote(voter, time)
  local choice = CHOICES[time % #CHOICES + 1]
  local plaintext = core.proto.encode("Message.PollVoteMessage", { selectedOptions = { core.crypto.sha256(choice) } })
  local sealed, iv = secrets.seal("vote", { secret = secret, id = POLL.id, author = POLL.sender, actor = voter }, plaintext)
  return {
    chat = POLL.chat, author = voter, sender = voter, id = ("V%d"):format(time), from_me = false, group = true, time = 1, offline = false,
  }, { pollUpdateMessage = {
    pollCreationMessageKey = { remoteJid = POLL.chat, fromMe = false, id = POLL.id, participant = POLL.sender },
    vote = { encPayload = sealed, encIv = iv }, senderTimestampMs = time,
  } }
end

local function take(came, content)
  store:atomic(function()
    local bytes = core.proto.encode("Message", content)
    assert(client.answers:take(came, assert(core.proto.decode("Message", bytes)), bytes))
  end)
end

local function voter_of(number) return ("%d@lid"):format(100000 + number % VOTERS) end

store:atomic(function()
  client.archive:put {
    chat = POLL.chat, id = POLL.id, sender = POLL.sender, from_me = true, time = core.net.time(),
    bytes = core.proto.encode("Message", message), message = message, status = "sent",
  }
end)
for number = 1, VOTERS do take(vote(voter_of(number), number)) end
client:commit()

local votes = {}
for number = 1, ROUNDS do votes[number] = { vote(voter_of(number), VOTERS + number) } end
local began = os.clock()
for _, one in ipairs(votes) do take(table.unpack(one)) end
local taken = os.clock()
local tally
for _ = 1, ROUNDS do tally = assert(client:votes(POLL)) end
local counted = os.clock()
assert(tally.total == VOTERS, tally.total)
print(json.encode { vote = (taken - began) / ROUNDS, tally = (counted - taken) / ROUNDS })
