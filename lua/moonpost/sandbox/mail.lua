--- What was written to phones and not read by them yet. Nobody asks most phones for anything, and a decryption costs more than the relay
-- of its message: letters are read when their phone is needed, when there are many, and when the server has nothing else to do.
-- @module moonpost.sandbox.mail
local core = require "moonpost.core"

local MOST = 1000         -- letters of a phone: more than so many keys ahead a ratchet does not go
local QUIET_SECONDS = 0.2 -- without a new letter, until the old ones are read
local SLICE = 16          -- letters read in a turn of the loop

local mail = {}

--- Reads all of an account's letters, in order.
-- @tparam table account
-- @func read fn(sandbox, account, letter)
function mail.read(account, read)
  local waiting = account.mail
  while waiting and waiting.first <= waiting.last do
    local letter = waiting[waiting.first]
    waiting[waiting.first] = nil
    waiting.first = waiting.first + 1
    read(waiting.sandbox, account, letter)
  end
  account.mail = nil
end

-- Reads a slice; whether there is more.
local function read_some(sandbox, read)
  local left = SLICE
  while left > 0 do
    local account = next(sandbox.mailed)
    if not account then return false end
    local waiting = account.mail
    if waiting and waiting.first <= waiting.last then
      local letter = waiting[waiting.first]
      waiting[waiting.first] = nil
      waiting.first = waiting.first + 1
      read(sandbox, account, letter)
      left = left - 1
    else
      account.mail, sandbox.mailed[account] = nil, nil
    end
  end
  return true
end

local function wait(sandbox, seconds, read)
  local before = sandbox.letters
  sandbox.mail_timer = core.net.timer(seconds, function()
    if sandbox.letters ~= before then return wait(sandbox, QUIET_SECONDS, read) end
    sandbox.mail_timer = nil
    if read_some(sandbox, read) then wait(sandbox, 0, read) end
  end)
end

--- Takes a letter.
-- @func read as in `read`
function mail.put(sandbox, account, letter, read)
  sandbox.letters = sandbox.letters + 1
  local waiting = account.mail or { sandbox = sandbox, first = 1, last = 0 }
  account.mail = waiting
  waiting.last = waiting.last + 1
  waiting[waiting.last] = letter
  sandbox.mailed[account] = true
  if waiting.last - waiting.first >= MOST then mail.read(account, read) end
  if not sandbox.mail_timer then wait(sandbox, QUIET_SECONDS, read) end
end

--- Ends the waiting: the server closes.
function mail.stop(sandbox)
  if sandbox.mail_timer then sandbox.mail_timer:stop() end
end

return mail
