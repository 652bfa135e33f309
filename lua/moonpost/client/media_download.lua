--- Downloading: from the hosts, and when they have a file no more, with the phone's help (fact sheet 05 §14.4, §14.5).
-- @module moonpost.client.media_download
local core = require "moonpost.core"
local fetch = require "moonpost.client.media_fetch"
local hosts_in_turn = require "moonpost.client.media_hosts_in_turn"
local progress_of = require "moonpost.client.media_progress"
local targets = require "moonpost.client.media_target"
local transfer = require "moonpost.client.media_transfer"

local download = {}

-- From the hosts alone.
local function from_hosts(self, reference, type, target, options, progress)
  local job <close>, err = fetch.new(self.client, reference, type, target, options, progress, self.pace.stall)
  if not job then return nil, err end
  return transfer.run(self, self.downloads, job.most, function()
    return hosts_in_turn(self, function(known) return fetch.candidates(self.client, reference, type, known) end,
      function(one) return job:attempt(one) end)
  end)
end

local gone = { ["media-gone"] = true, ["media-expired"] = true }

-- Whether the phone may help: it seals its answer with the file's key.
local function phone_may_help(reference, message, err)
  return gone[err.code] and message ~= nil and type(reference.mediaKey) == "string" and #reference.mediaKey == 32
end

local function into(self, reference, type, target, options)
  local progress = progress_of(options)
  local ok, err = from_hosts(self, reference, type, target, options, progress)
  if not ok and phone_may_help(reference, options.message, err) then
    ok, err = self.retry:ask(reference, options.message)
    if not ok then return nil, err end
    ok, err = target:restart()
    if not ok then return nil, err end
    ok, err = from_hosts(self, reference, type, target, options, progress)
  end
  if not ok then return nil, err end
  local done, why = target:finish()
  return done, why
end

local function check(reference, type)
  if not core.media.types[type] then error(("there is no media type '%s'"):format(tostring(type)), 4) end
  if _G.type(reference) ~= "table" then error("a reference is a table, not a " .. _G.type(reference), 4) end
end

--- Downloads into a function: `client.media:download`.
function download.to_sink(self, reference, type, sink, options)
  check(reference, type)
  if self.ended then return nil, self.ended end
  local target <close> = targets.sink(sink)
  local done, err = into(self, reference, type, target, options)
  return done, err
end

--- Downloads into a file: `client.media:save`.
function download.to_file(self, reference, type, path, options)
  check(reference, type)
  if self.ended then return nil, self.ended end
  local target <close>, err = targets.file(path, options.fresh)
  if not target then return nil, err end
  local done, why = into(self, reference, type, target, options)
  return done, why
end

return download
