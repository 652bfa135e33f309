-- The row `fleet`: 200 accounts of moonpost in one process and one store, idle before a sandbox in another, over wss with the
-- certificate verified. They are linked in a first run; what is measured is a second one, which resumes: all that is resident in
-- the process, divided by the accounts. Prints one JSON object.
-- usage: moonpost run -- spec/bench/fleet.lua
local core = require "moonpost.core"
local json = require "cjson.safe"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"

local ACCOUNTS = 200
local LINE_SECONDS = 120 -- until the accounts' process says the next thing

-- Runs the accounts until all are online; the bytes resident then.
local function run_accounts(link, url, folder)
  local accounts <close> = process.start(("moonpost run spec/bench/accounts.lua -- %d '%s/state' '%s' %s '%s/ca.pem'"):format(
    ACCOUNTS, folder, url, core.crypto.hex(link.root), folder))
  while true do
    local word, rest = accounts:wait("^(%l+) (.*)$", LINE_SECONDS)
    if word == "ready" then
      accounts:signal "INT"
      accounts:wait_end(LINE_SECONDS)
      return assert(tonumber(rest))
    end
    assert(link:scan(rest))
  end
end

task.run(function()
  local folder = support.tmpdir()
  local server <close> = process.start "moonpost sandbox --tls"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local file = assert(io.open(folder .. "/ca.pem", "w"))
  file:write(link.ca)
  assert(file:close())
  run_accounts(link, url, folder)
  print(json.encode { resident = run_accounts(link, url, folder) / ACCOUNTS })
end)
