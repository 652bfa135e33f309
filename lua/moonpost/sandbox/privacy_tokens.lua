--- Privacy tokens (fact sheet 08 §19): an account gives one to those it writes to; who is restricted takes first messages only with one.
--   world "x" issuer's number 00 holder's number -> the token's time (u64 BE), token
-- @module moonpost.sandbox.privacy_tokens
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local crypto = core.crypto

local BUCKET, BUCKETS = 604800, 4 -- seconds; how many are good (S-802)
local KIND = "trusted_contact"
local LENGTH = 24 -- bytes of a token

local privacy_tokens = {}

local function row_key(issuer, holder) return ("x%s\0%s"):format(issuer.pn, holder.pn) end

-- The token an account has given another: bytes and time; nil when it has given none.
local function read(sandbox, issuer, holder)
  local row = sandbox.store:get("world", row_key(issuer, holder))
  if not row then return nil end
  return row:sub(9), (">I8"):unpack(row)
end

-- The token of the same 7 days stays (S-800).
local function mint(sandbox, issuer, holder, time)
  local token, before = read(sandbox, issuer, holder)
  if not token or before // BUCKET ~= time // BUCKET then token = crypto.random(LENGTH) end
  sandbox.store:put("world", row_key(issuer, holder), (">I8"):pack(time) .. token)
  return token
end

local function notify(sandbox, issuer, holder, token, time)
  for _, device in ipairs(sandbox.accounts:companions(holder)) do
    device.queue:push(stanza.node("notification", {
      type = "privacy_token", from = issuer:jid(), sender_lid = issuer:jid "lid", id = sandbox:next_id(), t = sandbox.time(),
    }, stanza.node("tokens", nil, stanza.node("token", { jid = holder:jid "lid", type = KIND, t = time }, token))))
  end
end

--- An account gives tokens to people (S-800): they get them by notification alone.
-- @tparam table issuer account
-- @tparam table tokens node
function privacy_tokens.issue(sandbox, issuer, tokens)
  for _, one in stanza.children(tokens, "token") do
    local holder, time = sandbox.accounts:lookup(one.attrs.jid), math.tointeger(tonumber(one.attrs.t))
    if holder and holder ~= issuer and time and time > 0 then
      notify(sandbox, issuer, holder, mint(sandbox, issuer, holder, time), time)
    end
  end
end

--- Whether a token is the one somebody has given an account, and still good (S-802).
-- @tparam table account
-- @tparam table target who has given it
-- @tparam ?string shown
function privacy_tokens.is_good(sandbox, account, target, shown)
  local token, time = read(sandbox, target, account)
  return shown ~= nil and shown == token and time >= (sandbox.time() // BUCKET - (BUCKETS - 1)) * BUCKET
end

local function shows_token(sandbox, account, target, node)
  return privacy_tokens.is_good(sandbox, account, target, stanza.bytes(node, "tctoken"))
end

--- Whether somebody's picture and presence may be shown to an account: one of these nodes holds a good token, where that is wanted.
function privacy_tokens.shows(sandbox, account, target, ...)
  if not target.flags.restricted or account == target then return true end
  for _, node in ipairs { ... } do
    if shows_token(sandbox, account, target, node) then return true end
  end
  return false
end

--- Whether an account takes a message of another (S-803, S-804).
-- @tparam table sender account
-- @tparam table target account
-- @tparam table node the message
function privacy_tokens.admits(sandbox, sender, target, node)
  local flags = target.flags
  if not flags.restricted or sender == target or target.talked[sender.pn] then return true end
  if flags.tc_enabled ~= false and shows_token(sandbox, sender, target, node) then return true end
  local first = flags.cs_enabled ~= false and sender.nct_salt and stanza.bytes(node, "cstoken")
  return first and first == crypto.hmac_sha256(sender.nct_salt, target:jid "lid") or false
end

return privacy_tokens
