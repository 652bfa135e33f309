--- Opening the store of a client, with the key it is sealed with.
-- @module moonpost.client.opening
local core = require "moonpost.core"
local damage = require "moonpost.client.damage"
local task = require "moonpost.task"

local CHECK_SECONDS = 60 -- a store of ten million rows takes less
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

-- Whether who had it open last was killed, or ended by a damaged page: the lock file still names a process that is no more.
local function ended_badly(path)
  local lock <close> = io.open(path .. "/lock")
  local pid = lock and lock:read "n"
  if not pid or pid <= 0 then return false end
  local alive <close> = io.open(("/proc/%d/stat"):format(pid))
  return alive == nil
end

-- In a child, which a damaged page may end: a walk over all rows. What keeps it from looking is left to the opening.
local function look(path)
  local store <close> = core.store.open { path = path, reader = true, sealed = true }
  if not store then return "" end
  local counts, err = store:check(function() end)
  return counts and "" or err.message
end

local function check_whole(path)
  if not ended_badly(path) then return true end
  local wrong, err = core.store.child(function() return look(path) end, CHECK_SECONDS)
  if wrong == "" then return true end
  return nil, core.error("damaged", ("store %s is damaged, and did not end well: %s; see moonpost store check"):format(
    path, wrong or "reading it does not work, " .. err.message))
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
  local ready
  ready, err = check_whole(path)
  if ready and key then ready, err = prepare(key, path) end
  if ready then store, err = core.store.open { path = path, kind = "client", durability = options.durability, key = key } end
  if key and ours then key:close() end
  return store, err and damage(err)
end
