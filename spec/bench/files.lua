-- The row `files`: a document of 200 MB goes up to the media host of a sandbox in another process and comes down into a file, by a client
-- in a process of its own (files_client.lua): how much its memory grows at most, and its CPU time per MB each way. Prints one JSON object.
-- usage: moonpost run -- spec/bench/files.lua [MB]
local core = require "moonpost.core"
local process = require "spec.process"
local sandbox_link = require "moonpost.cli.sandbox_link"
local support = require "spec.support"
local task = require "moonpost.task"

local MB = tonumber(arg[1]) or 200
local SECONDS = 300

task.run(function()
  local folder = support.tmpdir()
  local server <close> = process.start "moonpost sandbox"
  local url = server:wait "^sandbox (.*)$"
  local link = sandbox_link(url)
  assert(link:prepare())
  local certificate = assert(io.open(folder .. "/ca.pem", "w"))
  certificate:write(link.ca):close()
  local client <close> = process.start(("moonpost run -- spec/bench/files_client.lua '%s' %s '%s' %d")
    :format(url, core.crypto.hex(link.root), folder, MB))
  assert(link:scan(client:wait "^qr (.*)$"))
  print(client:wait("^(%b{})$", SECONDS))
  client:wait_end()
end)
