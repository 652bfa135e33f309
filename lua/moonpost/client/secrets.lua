--- What is encrypted under a message's secret (fact sheet 05 §9): votes on a poll, responses to an event, encrypted reactions, comments
-- and edits. Its author and who acts on it are part of the key, each by a JID that may be written as number or LID.
-- @module moonpost.client.secrets
local core = require "moonpost.core"
local crypto, proto, jid = core.crypto, core.proto, core.wire.jid

local secrets = {}

local IV_BYTES = 12

-- By what is encrypted: its label, and whether message and actor are authenticated beside it.
local purposes = {
  vote = { "Poll Vote", true }, response = { "Event Response", true }, reaction = { "Enc Reaction" }, comment = { "Enc Comment" },
  event_edit = { "Event Edit" }, message_edit = { "Message Edit" }, poll_edit = { "Poll Edit" }, poll_option = { "Poll Add Option" },
  bot = { "", true },
}

local function parameters(purpose, id, author, actor)
  local label = purposes[purpose]
  return id .. author .. actor .. label[1], label[2] and id .. "\0" .. actor or ""
end

--- Encrypts under a message's secret.
-- @string purpose "vote", "response", "reaction", "comment", "event_edit", "message_edit", "poll_edit", "poll_option"
-- @tparam table of secret (32 bytes), id of the message; author, actor: bare JIDs of one namespace
-- @string plaintext
-- @tparam ?string iv 12 bytes; random ones when left out
-- @treturn string ciphertext and tag
-- @treturn string iv
function secrets.seal(purpose, of, plaintext, iv)
  iv = iv or crypto.random(IV_BYTES)
  local info, aad = parameters(purpose, of.id, of.author, of.actor)
  local sealed, err = crypto.secret_seal(of.secret, info, iv, aad, plaintext)
  if not sealed then error(err, 0) end
  return sealed, iv
end

--- Decrypts; as `seal`.
-- @treturn ?string plaintext
-- @treturn ?table err code "crypto": it was encrypted under anything else
function secrets.open(purpose, of, sealed, iv)
  if #(iv or "") ~= IV_BYTES then return nil, core.error("malformed", ("an iv of %d bytes"):format(#(iv or ""))) end
  local info, aad = parameters(purpose, of.id, of.author, of.actor)
  return crypto.secret_open(of.secret, info, iv, aad, sealed or "")
end

local Secrets = {}
Secrets.__index = Secrets

-- A person's two names; of a name whose other is unknown that one alone.
local function names(self, any)
  local lids = self.client.lids
  local lid = lids:stable(any)
  local pn = select(2, jid.parse(any)) == "s.whatsapp.net" and any or lids:pn_of(lid)
  return lid ~= pn and lid or nil, pn
end

-- The pairs of names to try: as written, both by LID, both by number, then mixed (03 §16.10).
local function pairs_of(self, author, actor)
  local list, seen = {}, {}
  local function add(a, b)
    if not a or not b or seen[a .. " " .. b] then return end
    seen[a .. " " .. b] = true
    list[#list + 1] = { a, b }
  end
  local author_lid, author_pn = names(self, author)
  local actor_lid, actor_pn = names(self, actor)
  add(author, actor)
  add(author_lid, actor_lid)
  add(author_pn, actor_pn)
  add(author_lid, actor_pn)
  add(author_pn, actor_lid)
  return list
end

--- Decrypts what somebody did to a message, whichever names were used.
-- @string purpose as for `seal`
-- @string secret of the message
-- @string id of the message
-- @string author bare JID of who wrote the message, as its key names it
-- @string actor bare JID of who acts on it, as the stanza names them
-- @string sealed
-- @string iv
-- @treturn ?string plaintext
-- @treturn ?table err code "crypto" or "malformed"
function Secrets:open(purpose, secret, id, author, actor, sealed, iv)
  local plaintext, err
  for _, pair in ipairs(pairs_of(self, author, actor)) do
    plaintext, err = secrets.open(purpose, { secret = secret, id = id, author = pair[1], actor = pair[2] }, sealed, iv)
    if plaintext then return plaintext end
  end
  return nil, err
end

--- The own name beside that of a message's author: of the same namespace.
-- @string author bare JID
-- @treturn string bare JID
function Secrets:own_name(author)
  local me = self.client.me
  if select(2, jid.parse(author)) == "lid" then return me.lid or me.jid end
  return me.jid
end

-- The key of an answer of an assistant: under that of the question's own secret (05 §10).
local function bot_secret(secret) return crypto.hkdf(secret, #secret, "Bot Message") end

--- Decrypts the answer of an assistant (`<enc type="msmsg">`, 05 §10).
-- @string secret of the question
-- @string id of the answer, or of the one it goes on
-- @string asker bare JID of who asked
-- @string bot its JID
-- @string bytes MessageSecretMessage
-- @treturn ?string plaintext: a Message without padding
-- @treturn ?table err
function Secrets:open_answer(secret, id, asker, bot, bytes)
  local answer, err = proto.decode("MessageSecretMessage", bytes)
  if not answer then return nil, err end
  return self:open("bot", bot_secret(secret), id, asker, bot, answer.encPayload, answer.encIv)
end

--- Makes the secrets of a client; `seal` and `open` stand alone as well.
return setmetatable(secrets, { __call = function(_, client) return setmetatable({ client = client }, Secrets) end })
