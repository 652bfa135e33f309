--- Privacy tokens (fact sheet 03 §15.2 to §15.5): who wants no first messages of strangers is written to with a token of theirs, which
-- they hand out to those they write to themselves. One who has none may have the salt of the own account, with which the token of a first
-- contact is made.
--
--     <message …><tctoken>bytes</tctoken></message>       theirs, if they have given us one
--     <message …><cstoken>32 bytes</cstoken></message>    else what the own account's salt makes of their LID
-- @module moonpost.client.privacy_tokens
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local messages = require "moonpost.client.messages"
local rows = require "moonpost.client.rows"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, jid = core.crypto, core.wire.jid

local BUCKET = 7 * 24 * 3600 -- seconds: one token is issued in each
local BUCKETS = 4            -- so many are good: the one that runs and those before it
local TOKEN_MAX = 4096       -- bytes of a token; real ones have some tens
local SALT_MAX = 256         -- bytes of the salt; real ones have 32

local KIND = "trusted_contact"
local NO_ACCOUNT = "0" -- the user of service announcements

local Tokens = {}
Tokens.__index = Tokens

local function bucket(seconds) return seconds // BUCKET end

local function now_of(self) return math.floor(self.client.connection:server_time()) end

local function is_good(self, time) return time >= (bucket(now_of(self)) - (BUCKETS - 1)) * BUCKET end

local function read_row(self, peer) return rows.get(self.client.store, "token", peer, "StoreToken") or {} end

local function write_row(self, peer, row) rows.put(self.client.store, "token", peer, "StoreToken", row) end

-- Whose tokens these are: a person's stable name; nil of everybody else and of the own account.
local function peer_of(self, any)
  local client, user, server = self.client, jid.parse(any)
  if server ~= "s.whatsapp.net" and server ~= "lid" or user == "" or user == NO_ACCOUNT then return nil end
  local peer = client.lids:stable(jid.bare(any))
  if peer == client.me.jid or peer == client.me.lid then return nil end
  return peer
end

-- The token of a first contact; nil without a salt or a LID.
local function first_contact(self, peer)
  local salt = self.client.store:get("setting", "nct-salt")
  if not salt or select(2, jid.parse(peer)) ~= "lid" then return nil end
  return crypto.hmac_sha256(salt, peer)
end

--- The node that shows a person our token of theirs, for what asks something of them.
-- @string to JID
-- @tparam ?boolean first also the token of a first contact, which goes with messages alone
-- @treturn ?table node; nil when there is none to show
function Tokens:shown_to(to, first)
  local peer = peer_of(self, to)
  if not peer then return nil end
  local row = read_row(self, peer)
  if row.token and is_good(self, row.time or 0) then return stanza.node("tctoken", nil, row.token) end
  local token = first and first_contact(self, peer)
  return token and stanza.node("cstoken", nil, token) or nil
end

-- Says that a person may write to us, as of `time`; in a task of its own.
local function issue(self, peer, time)
  if self.issuing[peer] then return end
  self.issuing[peer] = true
  task.spawn(function()
    local free <close> = setmetatable({}, { __close = function() self.issuing[peer] = nil end })
    local client = self.client
    local answer, err = client:query(stanza.node("iq", { xmlns = "privacy", type = "set", to = "s.whatsapp.net" }, {
      stanza.node("tokens", nil, stanza.node("token", { jid = peer, t = time, type = KIND })),
    }))
    if not answer then
      client.log:debug("no privacy token was issued to %s: %s", peer, err.message)
      return free
    end
    if not client.me or client.over then return free end
    peer = client.lids:stable(peer)
    local row = read_row(self, peer)
    row.issued = time
    write_row(self, peer, row)
  end)
end

--- A message to somebody was accepted: they get a token of ours, one in each bucket.
-- @string to bare JID
-- @tparam table message Message
function Tokens:sent(to, message)
  local peer = peer_of(self, to)
  if not peer or messages.content(message) == "protocolMessage" then return end
  local issued, now = read_row(self, peer).issued, now_of(self)
  if not issued or bucket(now) > bucket(issued) then issue(self, peer, now) end
end

--- A message to somebody was refused since they know us too little (error 463): they get a token of ours, once. The message is not sent
-- again, which would count as one more reach for a stranger (03 §15.5).
-- @string to bare JID
function Tokens:refused(to)
  local peer = peer_of(self, to)
  if not peer or self.asked[peer] then return end
  self.asked[peer] = true
  issue(self, peer, now_of(self))
end

--- Somebody has new keys: their new devices get the token again which their old ones had, of the same time (03 §15.4).
-- @string bare JID, stable
function Tokens:identity_changed(bare)
  local peer = peer_of(self, bare)
  local issued = peer and read_row(self, peer).issued
  if issued and is_good(self, issued) then issue(self, peer, issued) end
end

-- Keeps a token if it is no older than the one there.
local function keep(self, peer, one)
  local time = attributes.time(one.attrs.t)
  local token = type(one.content) == "string" and one.content or ""
  if one.attrs.type ~= KIND or not time or token == "" or #token > TOKEN_MAX then return end
  local row = read_row(self, peer)
  if row.token and (row.time or 0) > time then return end
  row.token, row.time = token, time
  write_row(self, peer, row)
end

--- A `privacy_token` notification: somebody lets us write to them (09 §2.13); inside its transaction.
function Tokens:notification(node)
  local from, lid = attributes.bare(node, "from"), attributes.bare(node, "sender_lid")
  if not from then return end
  self.client.lids:learn(from, lid)
  local peer = peer_of(self, lid or from)
  if not peer then return end
  for _, one in stanza.children(stanza.child(node, "tokens"), "token") do keep(self, peer, one) end
  local presence, pn = self.client.presence, self.client.lids:pn_of(peer)
  if not presence.watched[peer] and not (pn and presence.watched[pn]) then return end
  self.client.store:after_commit(function() presence:subscribe(peer) end) -- with the token it may be answered now (07 §5.5)
end

--- The LID of a number has become known: what was kept under the number goes on under the LID; inside a transaction.
-- @string pn bare JID
function Tokens:renamed(pn)
  local store, row = self.client.store, read_row(self, pn)
  if not next(row) then return end
  local peer = self.client.lids:stable(pn)
  local there = read_row(self, peer)
  if not there.token or (there.time or 0) < (row.time or 0) then there.token, there.time = row.token, row.time end
  there.issued = math.max(there.issued or 0, row.issued or 0)
  store:delete("token", pn)
  write_row(self, peer, there)
end

--- Takes the account's salt, as the phone tells it in its history (03 §15.3); inside a transaction.
-- @tparam ?string salt
function Tokens:learn_salt(salt)
  if salt and salt ~= "" and #salt <= SALT_MAX then self.client.store:put("setting", "nct-salt", salt) end
end

--- Takes a token the phone's history tells of.
-- @string chat JID
-- @tparam table conversation tcToken, tcTokenTimestamp and tcTokenSenderTimestamp of it, Unix seconds
function Tokens:learn_history(chat, conversation)
  local peer = jid.parse(chat) and peer_of(self, chat)
  if not peer then return end
  keep(self, peer, { attrs = { type = KIND, t = conversation.tcTokenTimestamp }, content = conversation.tcToken })
  local row, issued = read_row(self, peer), attributes.time(conversation.tcTokenSenderTimestamp)
  if not issued or (row.issued or 0) >= issued then return end
  row.issued = issued
  write_row(self, peer, row)
end

--- The account is forgotten.
function Tokens:forget() self.asked = {} end

return function(client) return setmetatable({ client = client, issuing = {}, asked = {} }, Tokens) end
