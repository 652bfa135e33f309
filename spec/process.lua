--- Programs in processes of their own, for specs: their lines come as events of the loop.
--
--     local bot <close> = process.start("build/moonpost run bot.lua")
--     bot:wait "^online"
--     bot:signal "KILL"
--     local code = bot:wait_end()
local net = require("moonpost.core").net
local support = require "spec.support"
local task = require "moonpost.task"

local Process = {}
Process.__index = Process

--- Waits for a line that matches a Lua pattern; returns its captures. Fails with all that was printed when none comes.
-- @string pattern
-- @tparam ?number timeout seconds (60)
function Process:wait(pattern, timeout)
  local deadline = net.now() + (timeout or 60)
  while true do
    local line, err = self.lines:pop(math.max(0, deadline - net.now()))
    if not line then
      error(("%s: no line '%s' (%s); it printed:\n%s"):format(self.command, pattern, tostring(err), table.concat(self.output, "\n")), 0)
    end
    if line:find(pattern) then return line:match(pattern) end
  end
end

--- Sends a signal: "INT", "TERM", "KILL".
function Process:signal(name) os.execute(("kill -%s %d 2>&1"):format(name, self.pid)) end

--- Waits for the end; returns the exit code, and the signal's number when one ended it.
-- @tparam ?number timeout seconds (60)
function Process:wait_end(timeout)
  if not self.ended then
    local over, err = self.over:pop(timeout or 60)
    if not over and err.code ~= "closed" then
      error(("%s has not ended; it printed:\n%s"):format(self.command, table.concat(self.output, "\n")), 0)
    end
    local _, how, number = self.pipe:close()
    self.ended = how == "exit" and { number } or { 128 + number, number }
  end
  return table.unpack(self.ended)
end

--- All lines so far, as one text.
function Process:text() return table.concat(self.output, "\n") end

function Process:__close()
  if self.ended then return end
  self:signal "KILL"
  self:wait_end()
end

local process = {}

--- The program under test: build/moonpost, or the one of the environment's MOONPOST.
process.moonpost = os.getenv "MOONPOST" or "build/moonpost"

--- Starts a command of one program and its words; both of its streams are heard. In a task.
-- @string command shell words; `moonpost` as the first is the program under test
-- @tparam ?table options before: what the shell does first, such as "export X=1"; input: true to write to its standard input by
-- `self.input`, a file (else it has the spec's own)
-- @treturn table :wait(pattern), :signal(name), :wait_end(), :text(); to be closed
function process.start(command, options)
  options = options or {}
  local program = command:gsub("^moonpost%f[%s\0]", process.moonpost)
  local fifo = options.input and support.tmpdir() .. "/input"
  if fifo then assert(os.execute("mkfifo " .. fifo)) end
  local shell = ("echo $$; %s exec %s 2>&1 %s"):format(options.before and options.before .. ";" or "", program, fifo and "<" .. fifo or "")
  local self = setmetatable({
    command = command, pipe = assert(io.popen(shell)), lines = task.queue(), over = task.queue(), output = {},
  }, Process)
  net.lines(function(line)
    if not line then
      self.lines:close()
      self.over:close()
      return
    end
    if self.pid then self.output[#self.output + 1] = line end
    self.pid = self.pid or math.tointeger(tonumber(line))
    self.lines:push(line)
  end, self.pipe)
  assert(self.lines:pop(30) and self.pid, "the shell did not start")
  if fifo then
    self.input = assert(io.open(fifo, "w"))
    self.input:setvbuf "no"
  end
  return self
end

return process
