--- Opening the store of a client, with the key it is sealed with.
-- @module moonpost.client.opening
local core = require "moonpost.core"
local task = require "moonpost.task"

local VARIABLE = "MOONPOST_STORE_KEY" -- of the environment, where neither script nor command line give a key

-- The key: that of the options, a text or a handle, or the environment's. Also whether it is to be closed behind the opening.
local function find_key(option)
  if type(option) == "userdata" then return option, nil, false end
  local key, err
  if option then key, err = core.store.key(option) else key, err = core.store.key_from_env(VARIABLE) end
  return key, err, true
end

-- Derives what the opening needs where others need not wait for it.
local function prepare(key, path)
  if not task.running() then return true end
  local started, err
  task.await(function(resume)
    started, err = key:prepare(path, resume)
    if not started then resume() end
  end)
  return started, err
end

--- Opens it.
-- @string path its folder
-- @tparam table options durability, key
-- @treturn ?store
-- @treturn ?table err
return function(path, options)
  local key, err, ours = find_key(options.key)
  if err then return nil, err end
  local store
  local ready = true
  if key then ready, err = prepare(key, path) end
  if ready then store, err = core.store.open { path = path, kind = "client", durability = options.durability, key = key } end
  if key and ours then key:close() end
  return store, err
end
