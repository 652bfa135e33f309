--- Child processes as events of the loop (core.net.spawn), and programs run with limits (moonpost.child).
local child = require "moonpost.child"
local core = require "moonpost.core"
local process = require "spec.process"
local support = require "spec.support"
local task = require "moonpost.task"
local net = core.net

-- Starts a program; what it says and how it ends come by queues.
local function start(args, options)
  local self = { said = task.queue(), over = task.queue() }
  local spec = {
    args = args, output = function(bytes) self.said:push(bytes) end,
    ended = function(code, signal) self.over:push { code, signal } end,
  }
  for name, value in pairs(options or {}) do spec[name] = value end
  self.process = assert(net.spawn(spec))
  return self
end

local function everything(self)
  local ended = assert(self.over:pop(30))
  local all = {}
  while #self.said > 0 do all[#all + 1] = self.said:pop() end
  return table.concat(all), table.unpack(ended, 1, 2)
end

local function alive(pid)
  local file = io.open(("/proc/%d/stat"):format(pid))
  if not file then return false end
  local state = file:read("a"):match "%) (%u)"
  file:close()
  return state
end

-- Waits for the end of a process that is not ours to wait for: whose it is collects it later.
local function wait_killed(pid)
  local deadline = net.now() + 20
  while (alive(pid) or "Z") ~= "Z" and net.now() < deadline do task.sleep(0.01) end
  return (alive(pid) or "Z") == "Z"
end

describe("a child process", function()
  it("tells what it writes, then how it has ended", support.async(function()
    local text, code, signal = everything(start { "sh", "-c", "echo one; exit 3" })
    assert.same({ "one\n", 3 }, { text, code, signal })
  end))

  it("gets its words as they are: no shell reads them", support.async(function()
    local words = { "; echo b", "$(echo c)", "*", "'\"", "ü\n" }
    local text = everything(start { "printf", "%s|", table.unpack(words) })
    assert.equal(table.concat(words, "|") .. "|", text)
  end))

  it("has nothing to read and nobody to tell where that was not asked for", support.async(function()
    local over = task.queue()
    assert(net.spawn { args = { "sh", "-c", "cat; echo x; echo y >&2; exit 5" }, ended = function(code) over:push(code) end })
    assert.equal(5, over:pop(30))
  end))

  it("is killed with all it has started", support.async(function()
    local self = start { "sh", "-c", "sleep 1000 & echo $!; wait" }
    local grandchild = tonumber(self.said:pop(30))
    assert.is_string(alive(grandchild))
    self.process:kill()
    local _, code, signal = everything(self)
    assert.same({ 0, 9 }, { code, signal })
    assert.is_true(wait_killed(grandchild))
  end))

  it("takes along what it leaves behind when it ends", support.async(function()
    local text, code = everything(start { "sh", "-c", "sleep 1000 & echo $!; exit 0" })
    assert.equal(0, code)
    assert.is_true(wait_killed(tonumber(text)))
  end))

  it("leaves no zombie, also when it is stopped and nobody hears of its end", support.async(function()
    local self = start { "sleep", "1000" }
    local pid = self.process:pid()
    self.process:stop()
    local deadline = net.now() + 20
    while alive(pid) and net.now() < deadline do task.sleep(0.01) end
    assert.is_false(alive(pid))
    assert.equal(0, #self.over)
    assert.is_nil(self.process:pid())
  end))

  it("does not outlive the script that has started it and ends", support.async(function()
    local script = support.tmpdir() .. "/script.lua"
    local file = assert(io.open(script, "w"))
    file:write 'local net = require("moonpost.core").net print(net.spawn({ args = { "sleep", "1000" }, ended = print }):pid())'
    file:close()
    local parent <close> = process.start("moonpost run -- " .. script)
    local pid = tonumber(parent:wait "^(%d+)$")
    assert.equal(0, (parent:wait_end()))
    assert.is_true(wait_killed(pid))
  end))

  it("that is not there is an error that names it", support.async(function()
    local none, err = net.spawn { args = { "no-such-program" }, ended = error }
    assert.is_nil(none)
    assert.same({ "not-found", "no-such-program cannot be started: no such file or directory" }, { err.code, err.message })
  end))

  it("cannot be started without a descriptor left, and can once there is one", support.async(function()
    local limits <close> = assert(io.open "/proc/self/limits")
    local soft = limits:read "a":match "Max open files%s+(%d+)"
    local function allow(count) assert(os.execute(("prlimit --pid $PPID --nofile=%s:"):format(count))) end
    allow(48)
    local held = {}
    for i = 1, 64 do held[i] = io.open "/dev/null" end
    local none, err = net.spawn { args = { "true" }, output = error, ended = error }
    for _, file in pairs(held) do file:close() end
    allow(soft)
    assert.same({ nil, "network" }, { none, err.code })
    assert.matches("^no child process: ", err.message)
    assert.equal("here", everything(start { "printf", "here" }))
  end))

  it("inherits none of the files that are open here", support.async(function()
    local here <close> = assert(io.open "/proc/self/status")
    local store <close> = assert(core.store.open { path = support.tmpdir() .. "/state", kind = "client" })
    local server = assert(net.listen { host = "127.0.0.1", port = 0, request = error })
    local text = everything(start { "sh", "-c", "ls -l /proc/self/fd" })
    server:close()
    assert.not_matches("%.mdb", text)
    assert.not_matches("socket:%[.*socket:%[.*socket:%[", text)
    return here and store
  end))

  it("takes no words with a zero byte, and no list without a program", function()
    assert.has_error(function() net.spawn { args = { "echo", "a\0b" } } end, "spawn: args: a zero byte")
    assert.has_error(function() net.spawn { args = {} } end, "spawn: args: a program expected")
    assert.has_error(function() net.spawn { args = { "echo", 1, {} } } end, "spawn: args: a list of texts expected")
  end)
end)

describe("a program with limits", function()
  local function run(script, options)
    local all = { args = { "sh", "-c", script }, seconds = 30, memory = 256 << 20 }
    for name, value in pairs(options or {}) do all[name] = value end
    return child.run(all)
  end

  it("returns its exit code, what it wrote and what it complained of", support.async(function()
    local ended = assert(run "echo out; echo err >&2; exit 7")
    assert.same({ code = 7, output = "out\n", errors = "err\n" }, ended)
  end))

  it("is ended when it takes too long", support.async(function()
    local ended, err = run("sleep 1000", { seconds = 0.2, cpu = 1 })
    assert.same({ nil, "timeout", "sh has not ended within 0.2 s" }, { ended, err.code, err.message })
  end))

  it("is ended when it writes more than is wanted", support.async(function()
    local ended, err = run("exec cat /dev/zero", { max = 1000000 })
    assert.same({ nil, "limit", "sh has written more than 1000000 bytes" }, { ended, err.code, err.message })
  end))

  it("is ended by who hears its output, with the reason given there", support.async(function()
    local ended, err = run("exec cat /dev/zero", { output = function() return core.error("enough", "that is enough") end })
    assert.same({ nil, "enough" }, { ended, err.code })
  end))

  it("gets no more memory, processor time or room in a file than that", support.async(function()
    local hungry = assert(child.run { args = { "head", "-c", "1G", "/dev/zero" }, seconds = 30, memory = 1 << 20 })
    assert.not_equal(0, hungry.code)
    local ended, err = run("while :; do :; done", { cpu = 1 })
    assert.same({ nil, "timeout", "sh has used all of its 1 s of processor time" }, { ended, err.code, err.message })
    local path = support.tmpdir() .. "/file"
    ended, err = run("exec head -c 100000 /dev/zero > " .. path, { file = 5000 })
    assert.same({ nil, "limit", "sh has written a file of more than 5000 bytes" }, { ended, err.code, err.message })
    local file <close> = assert(io.open(path))
    assert.equal(5000, file:seek "end")
  end))

  it("finds nothing of our environment but where programs are", support.async(function()
    assert.equal("LC_ALL\nPATH\n", run("env | cut -d= -f1 | grep -v -e PWD -e SHLVL -e '^_$' -e LD_LIBRARY_PATH | sort").output)
  end))

  it("is killed when the task that waits for it is cancelled", support.async(function()
    local pids = task.queue()
    local waiting = task.spawn(run, "echo $$; sleep 1000", { output = function(text) pids:push(tonumber(text)) end })
    local pid = assert(pids:pop(30))
    waiting:cancel()
    assert.is_true(wait_killed(pid))
  end))

  it("dies with the process that has started it", support.async(function()
    local script = support.tmpdir() .. "/parent.lua"
    local file = assert(io.open(script, "w"))
    file:write [[
      local child, task = require "moonpost.child", require "moonpost.task"
      task.run(function()
        child.run { args = { "sh", "-c", "echo $$; exec sleep 1000" }, seconds = 1000, memory = 1 << 28, output = function(text)
          io.stdout:write(text)
          io.stdout:flush()
        end }
      end)
    ]]
    file:close()
    local parent <close> = process.start("moonpost run -- " .. script)
    local pid = tonumber(parent:wait "^(%d+)$")
    assert.is_string(alive(pid))
    parent:signal "KILL"
    assert.is_true(wait_killed(pid))
  end))

  it("that is not there is an error of code no-tools", support.async(function()
    local ended, err = child.run { args = { "no-such-program" }, seconds = 1, memory = 1 << 28 }
    assert.same({ nil, "no-tools", "there is no program no-such-program" }, { ended, err.code, err.message })
  end))
end)
