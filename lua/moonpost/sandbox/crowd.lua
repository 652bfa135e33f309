--- Crowds: accounts by the hundred, for large groups. They are listed with their devices and have keys for whoever asks, made when he
-- does; nobody is behind them, so they read nothing and nothing waits for them.
-- @module moonpost.sandbox.crowd
local core = require "moonpost.core"

local crypto, proto = core.crypto, core.proto

local ONE_TIME = 100 -- as many one-time keys as they say they have left

local crowd = {}

local Sink = { count = 0 }
Sink.__index = Sink
function Sink.push() end
function Sink.clear() end
function Sink.confirm() return false end
function Sink.each() return function() end end

local Keys = {}
Keys.__index = Keys
function Keys.count() return ONE_TIME end
function Keys.list() return {} end
function Keys.clear() end
function Keys.forget() end
function Keys.take() return crypto.random(3) .. crypto.keypair():public() end

--- What a device of a crowd has in place of a queue and of one-time keys.
function crowd.open(device) device.queue, device.one_time = setmetatable({}, Sink), setmetatable({}, Keys) end

local function identity_row(account) return "crowd " .. account.pn end

--- The identity of an account's phone, made at first need.
function crowd.identity(sandbox, account)
  local pair = account.crowd_identity or sandbox.store:get_keypair(identity_row(account))
  if not pair then
    pair = crypto.keypair()
    sandbox.store:put_keypair(identity_row(account), pair)
  end
  account.crowd_identity = pair
  return pair
end

-- Registration, identity and signed prekey of one that never needs their private halves again.
local function public_keys(identity)
  local value = crypto.keypair():public()
  return {
    registration = (">I4"):pack((">I4"):unpack(crypto.random(4)) & 0x3fff), identity = identity:public(), skey_id = "\0\0\1",
    skey_value = value, skey_signature = identity:sign("\5" .. value),
  }
end

-- The account's word for a device and the device's word back (02 §2.7).
local function vouch(sandbox, account, device, identity)
  local own = crowd.identity(sandbox, account)
  local details = assert(proto.encode("ADVDeviceIdentity", {
    rawId = account.raw_id, timestamp = sandbox.time(), keyIndex = device.key_index, accountType = "E2EE", deviceType = "E2EE",
  }))
  return assert(proto.encode("ADVSignedDeviceIdentity", {
    details = details, accountSignatureKey = own:public(), accountSignature = own:sign("\6\0" .. details .. identity:public()),
    deviceSignature = identity:sign("\6\1" .. details .. identity:public() .. own:public()),
  }))
end

--- Gives a device its keys, if it has none yet.
-- @tparam table device of a crowd
function crowd.equip(sandbox, device)
  if device.identity then return end
  local identity = crypto.keypair()
  for name, value in pairs(public_keys(identity)) do device[name] = value end
  device.identity_blob = vouch(sandbox, device.account, device, identity)
  sandbox.accounts:save(device.account)
end

--- The keys of an account's phone, with a fresh one-time key.
function crowd.bundle(sandbox, account)
  account.crowd_keys = account.crowd_keys or public_keys(crowd.identity(sandbox, account))
  return setmetatable({ key = Keys.take() }, { __index = account.crowd_keys })
end

--- Makes accounts.
-- @int count how many
-- @int devices linked to each
-- @treturn table accounts
function crowd.make(sandbox, count, devices)
  local list = {}
  for i = 1, count do
    local account = sandbox.accounts:of_crowd(devices)
    for _, device in pairs(account.devices) do crowd.open(device) end
    list[i] = account
  end
  return list
end

return crowd
