--- The keys of the account's app state (fact sheet 06 §2), which the phone shares and nobody ever deletes; and asking the phone for one
-- that is missing. Table "appstate-key": id -> Message.AppStateSyncKeyData.
-- @module moonpost.client.appstate_keys
local core = require "moonpost.core"
local room = require "moonpost.client.room"
local rows = require "moonpost.client.rows"
local task = require "moonpost.task"

local proto, syncd = core.proto, core.syncd

local ID_MAX, DATA = 64, 32    -- bytes; real ids have 6
local ASK_AGAIN = 24 * 3600    -- seconds until the phone is asked for the same key again

local Keys = {}
Keys.__index = Keys

local function read(bytes) return bytes and proto.decode("Message.AppStateSyncKeyData", bytes) end

local function is_key(data) return data ~= nil and data.keyData ~= nil and #data.keyData == DATA end

--- Keeps what the phone shares; inside its message's transaction. A key that is there never becomes another one.
-- @tparam ?table share AppStateSyncKeyShare
function Keys:learn(share)
  local store = self.client.store
  for _, key in ipairs(share and share.keys or {}) do
    local id = key.keyId and key.keyId.keyId
    if id and #id <= ID_MAX and key.keyData then
      local known = read(store:get("appstate-key", id))
      if is_key(known) and known.keyData ~= key.keyData.keyData then
        self.client.log:warn("app-state key %s was shared once more, and is another: the first one stays", core.crypto.hex(id))
      else
        store:put("appstate-key", id, assert(proto.encode("Message.AppStateSyncKeyData", key.keyData)))
      end
    end
  end
end

--- A key, expanded; nil when it is not known.
-- @string id
function Keys:get(id)
  if self.open[id] then return self.open[id] end
  local data = read(self.client.store:get("appstate-key", id))
  if not is_key(data) then return nil end
  self.open[id] = syncd.keys(data.keyData)
  return self.open[id]
end

-- Newer keys have a higher epoch; of two companions' the lower device number counts (§2.4).
local function rank(id)
  if #id ~= 6 then return -1 end
  local device, epoch = (">I2I4"):unpack(id)
  return epoch << 16 | 0xffff - device
end

--- Calls fn(id) for each key that can be used.
function Keys:each(fn)
  rows.each(self.client.store, "appstate-key", "", function(id, bytes)
    if is_key(read(bytes)) then fn(id) end
  end)
end

--- The key what is written now is sealed with; nil when there is none.
-- @treturn ?string id
function Keys:newest()
  local best
  self:each(function(id)
    if not best or rank(id) > rank(best) then best = id end
  end)
  return best
end

local function ask(self, ids)
  local client, wanted = self.client, {}
  for i, id in ipairs(ids) do wanted[i] = { keyId = id } end
  local ok, err = client.devices:ensure_sessions { client.peer_requests:phone() }
  if ok then
    ok, err = client.store:atomic(client.peer_requests.send, client.peer_requests, { protocolMessage = {
      type = "APP_STATE_SYNC_KEY_REQUEST", appStateSyncKeyRequest = { keyIds = wanted },
    } })
  end
  if ok then return end
  for _, id in ipairs(ids) do self.asked[id] = nil end
  if err.code ~= "closed" then client:emit("error", err) end
end

--- Asks the phone for keys, each once a day.
-- @tparam table ids array
function Keys:ask(ids)
  local now, new = core.net.now(), {}
  for _, id in ipairs(ids) do
    if #id <= ID_MAX and now >= (self.asked[id] or now) then
      self.asked[id] = now + ASK_AGAIN
      new[#new + 1] = id
    end
  end
  if #new == 0 then return end
  task.spawn(function()
    local ok, err = xpcall(ask, room.placed, self, new)
    if not ok then self.client:emit("error", err) end
  end)
end

--- The account is forgotten.
function Keys:forget()
  for _, key in pairs(self.open) do key:close() end
  self.open, self.asked = {}, {}
end

return function(client) return setmetatable({ client = client, open = {}, asked = {} }, Keys) end
