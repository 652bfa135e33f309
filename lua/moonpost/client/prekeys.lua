--- One-time prekeys: upload after the first login, top up when the server runs low (fact sheet 02 §10).
-- @module moonpost.client.prekeys
local core = require "moonpost.core"
local new_again = require "moonpost.client.again"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local FIRST_BATCH, TOP_UP, LOW = 812, 50, 5
local SLICE = 100 -- keys made per turn of the loop: some 3 ms

-- A server that says again and again that it has no keys gets no more of them than this: so many uploads at once, then one every so
-- many seconds; and so many keys in the store, beyond which the oldest it was given are dropped.
local UPLOADS, UPLOAD_SECONDS = 6, 600
local KEPT = 8 * FIRST_BATCH

local Prekeys = {}
Prekeys.__index = Prekeys

local function count_on_server(self)
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "encrypt", type = "get", to = "s.whatsapp.net" }, {
    stanza.node "count",
  }))
  if not answer then return nil, err end
  local count = stanza.child(answer, "count")
  return count and math.tointeger(tonumber(count.attrs.value)) or 0
end

-- Keys made before and never confirmed go first: their result may have been lost. Returns how many those are, too.
local function gather(self, wanted)
  local keys = self.client.account:prekeys(false, wanted)
  local old = #keys
  while #keys < wanted do
    for _, key in ipairs(self.client.account:new_prekeys(math.min(SLICE, wanted - #keys))) do keys[#keys + 1] = key end
    task.sleep(0)
  end
  return keys, old
end

-- Whether an upload may be made now; when not, why, told once.
local function allowed(self)
  local now = core.net.now()
  self.uploads = math.min(UPLOADS, self.uploads + (now - self.counted_at) / UPLOAD_SECONDS)
  self.counted_at = now
  if self.uploads >= 1 then
    self.uploads, self.told = self.uploads - 1, false
    return true
  end
  if self.told then return false end
  self.told = true
  return false, core.error("limit", "the server asks for one-time keys too often: it gets the next ones at a later login or notification")
end

-- Drops the oldest of the keys the server was given, so that `wanted` more are within KEPT.
local function make_room(self, wanted)
  local account = self.client.account
  local given = account:prekeys(true)
  for i = 1, math.min(#given, #given + wanted - self.kept) do account:drop_prekey(given[i].id) end
end

-- Uploads so many; returns whether some of them may be known to the server already.
local function upload(self, wanted)
  make_room(self, wanted)
  local keys, old = gather(self, wanted)
  local safe, why = self.client:committed() -- the private halves, before anybody may use the public ones
  if not safe then return nil, why end
  local public = self.client.account:public()
  local list = {}
  for i, key in ipairs(keys) do
    list[i] = stanza.node("key", nil, {
      stanza.node("id", nil, (">I3"):pack(key.id)), stanza.node("value", nil, key.public),
    })
  end
  local answer, err = self.client:query(stanza.node("iq", { xmlns = "encrypt", type = "set", to = "s.whatsapp.net" }, {
    stanza.node("registration", nil, (">I4"):pack(public.registration_id)), stanza.node("type", nil, "\5"),
    stanza.node("identity", nil, public.identity), stanza.node("list", nil, list),
    self.client.signed_prekey.node(public.signed_prekey),
  }))
  if not answer then return nil, err end
  for _, key in ipairs(keys) do self.client.account:mark_uploaded(key.id, key.id) end
  return true, old > 0
end

local function refill(self)
  if self.busy then return true end
  self.busy = true
  local guard <close> = setmetatable({}, { __close = function() self.busy = false end })
  local again
  repeat
    local count, err = count_on_server(self)
    if not count then return guard and nil, err end
    if count >= LOW then return true end
    local may, why = allowed(self)
    if not may and why then return nil, why end
    if not may then return true end
    local ok, offered_before = upload(self, count == 0 and self.first or TOP_UP)
    if not ok then
      self.uploads = self.uploads + 1 -- the same keys are offered again
      return nil, offered_before
    end
    again = offered_before -- what the server has given out already it does not take again
  until not again
  return true
end

--- Asks the server how many it holds, and uploads when they are few. What the server cannot do now is tried again by itself.
-- @treturn ?boolean true: there are enough, or another refill is under way
-- @treturn ?table err
function Prekeys:refill() return self.again:try() end

return function(client)
  local self = setmetatable({ client = client, uploads = UPLOADS, counted_at = core.net.now(), first = FIRST_BATCH, kept = KEPT }, Prekeys)
  self.again = new_again(client, function() return refill(self) end)
  return self
end
