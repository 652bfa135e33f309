--- What the server holds of this device's keys, compared with what is here (fact sheet 02 §10.4): when it asks for that, and daily.
-- @module moonpost.client.digest
local core = require "moonpost.core"
local new_again = require "moonpost.client.again"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local DAY = 24 * 3600
local NOTHING = 404 -- the server has no keys of this device
local LAST_ID = 16777214 -- ids go round there (02 §10.2)

local Digest = {}
Digest.__index = Digest

-- The public halves here by id.
local function publics(account)
  local by_id = {}
  for _, key in ipairs(account:prekeys()) do by_id[key.id] = key.public end
  return by_id
end

local function read_skey(digest)
  local id = stanza.bytes(digest, "skey", "id") or ""
  return {
    id = #id == 3 and (">I3"):unpack(id) or nil, public = stanza.bytes(digest, "skey", "value"),
    signature = stanza.bytes(digest, "skey", "signature"),
  }
end

-- How many of the listed one-time keys are not here, and the hash as it should be.
local function check_list(account, digest, skey)
  local here, missing = publics(account), 0
  local parts = { account:public().identity, skey.public, skey.signature }
  for _, id in stanza.children(stanza.child(digest, "list"), "id") do
    local number = type(id.content) == "string" and #id.content == 3 and (">I3"):unpack(id.content)
    local public = number and here[number]
    if not public then missing = missing + 1 end
    parts[#parts + 1] = public
  end
  return missing, core.crypto.sha1(table.concat(parts))
end

-- What is wrong with the one-time keys; nil when nothing is.
local function wrong_list(account, digest, skey)
  local missing, hash = check_list(account, digest, skey)
  if missing > 0 then
    return ("the server gives out %d one-time keys that are not here: messages of who got one come at the second try"):format(missing)
  elseif hash ~= stanza.bytes(digest, "hash") then
    return "the server's hash over this device's keys is another than that of the keys here"
  end
end

local function same(one, other) return one.id == other.id and one.public == other.public and one.signature == other.signature end

-- The server has another signed prekey than this device: it gets ours again, the next one when it has that already.
local function mend_skey(self, theirs)
  local client = self.client
  local ours = client.account:public().signed_prekey
  if same(theirs, ours) then return end
  local is_next = theirs.id == ours.id % LAST_ID + 1 and client.account:has_signed_prekey(theirs.id)
  if is_next and same(theirs, client.account:next_signed_prekey()) then return client.signed_prekey:rotate() end
  client:emit("error", core.error("keys", "the server has a signed prekey that is not this device's: it is given the right one"))
  local ok, err = self.giving:try()
  if not ok and err.code ~= "closed" then client:emit("error", err) end
end

local function compare(self, digest)
  local client, account = self.client, self.client.account
  local public = account:public()
  if stanza.bytes(digest, "identity") ~= public.identity
    or stanza.bytes(digest, "registration") ~= (">I4"):pack(public.registration_id) then
    return client:emit("error", core.error("keys",
      "the server has another identity for this device: unlink it on the phone and link it anew"))
  end
  local theirs = read_skey(digest)
  local wrong = theirs.public and theirs.signature and wrong_list(account, digest, theirs)
  if wrong then client:emit("error", core.error("keys", wrong)) end
  mend_skey(self, theirs)
end

--- Asks and compares. In a task. What cannot be asked now is asked the next time.
function Digest:run()
  if self.busy then return end
  self.busy, self.at = true, core.net.now()
  local guard <close> = setmetatable({}, { __close = function() self.busy = false end })
  local client = self.client
  local answer, err = client:query(stanza.node("iq", { xmlns = "encrypt", type = "get", to = "s.whatsapp.net" }, { stanza.node "digest" }))
  if not guard or not client.me then return end
  local digest = answer and stanza.child(answer, "digest")
  if digest then return compare(self, digest) end
  if not answer and err.status ~= NOTHING then return end
  local ok, why = client.prekeys:refill()
  if not ok and why.code ~= "closed" then client:emit("error", why) end
end

--- Runs once a day; beside whatever the caller does.
function Digest:daily()
  if self.at and core.net.now() - self.at < DAY then return end
  task.spawn(self.run, self)
end

return function(client)
  local giving = new_again(client, function() return client.signed_prekey:offer(client.account:public().signed_prekey) end)
  return setmetatable({ client = client, giving = giving }, Digest)
end
