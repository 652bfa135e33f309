--- The folder of a store: its own alone, for its owner alone; and what commands say of one they cannot use.
local core = require "moonpost.core"
local log = require "moonpost.log"
local process = require "spec.process"
local start = require("spec.rig").start
local support = require "spec.support"

local KEY = ("0123456789abcdef"):rep(4)

local function write(path, text)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(text))
end

local function chmod(bits, path) assert(os.execute(("chmod %s '%s'"):format(bits, path))) end

local function mode(path) return ("%o"):format(assert(core.system.stat(path)).mode) end

local function make_store(path, key)
  local store <close> = assert(core.store.open { path = path, kind = "client", key = key })
  core.signal.account(store):create()
  assert(store:commit())
  return path
end

-- Exit code, and all that was printed.
local function run(command, before)
  local child <close> = process.start("moonpost " .. command, { before = before })
  local code = child:wait_end()
  return code, child:text()
end

describe("a store's folder", function()
  it("is not made of one that holds other things", function()
    local folder = support.tmpdir()
    chmod("755", folder)
    write(folder .. "/letters.txt", "mine")
    local store, err = core.store.open { path = folder }
    assert.is_nil(store)
    assert.equal("invalid", err.code)
    assert.equal(("the folder %s holds other things (letters.txt) and no store: a new store needs a new or empty folder"):format(folder),
      tostring(err))
    assert.is_nil(core.system.stat(folder .. "/lock"))
    assert.is_nil(core.system.stat(folder .. "/keys.mdb"))
    assert.equal("755", mode(folder))
  end)

  it("may get other things later", function()
    local folder = make_store(support.tmpdir() .. "/state")
    write(folder .. "/letters.txt", "mine")
    local store <close> = assert(core.store.open { path = folder })
    assert.equal(folder, store:path())
  end)

  it("may hold what a store that was not finished has left", function()
    local folder = support.tmpdir()
    for _, name in ipairs { "lock", "at-hand", "keys.mdb-lock" } do write(folder .. "/" .. name, "") end
    local store <close> = assert(core.store.open { path = folder })
    assert.equal(folder, store:path())
  end)

  it("that was there empty is closed to others", function()
    local folder = support.tmpdir()
    chmod("755", folder)
    make_store(folder)
    assert.equal("700", mode(folder))
  end)

  it("holds files for its owner alone while a bot runs, and one of before is closed", support.async(function()
    local rig <close> = start()
    local folder = make_store(support.tmpdir() .. "/state")
    write(folder .. "/at-hand", "")
    chmod("644", folder .. "/at-hand")
    rig:contact("Echo", { store = folder })
    for _, name in ipairs { "keys.mdb", "keys.mdb-lock", "traffic.mdb", "traffic.mdb-lock", "lock", "at-hand" } do
      assert.same({ name, "600" }, { name, mode(folder .. "/" .. name) })
    end
  end))

  it("takes no backup of itself, at whatever depth", support.async(function()
    local path = make_store(support.tmpdir() .. "/state")
    assert(os.execute(("mkdir '%s/there'"):format(path)))
    for _, target in ipairs { "copy", "there/copy", "there/../copy" } do
      local code, text = run(("backup %s/%s --store %s"):format(path, target, path))
      assert.equal(1, code)
      assert.matches("copy is inside the store: a backup needs a place of its own$", text)
      assert.is_nil(core.system.stat(path .. "/" .. target))
    end
    assert.equal(0, (run(("backup %s-copy --store %s"):format(path, path))))
  end))
end)

describe("a log's file", function()
  it("is for its owner alone when it is new, and stays as open as it was otherwise", function()
    local folder = support.tmpdir()
    assert(log.file(folder .. "/new.log")) { level = "info", text = "x", time = 0 }
    assert.equal("600", mode(folder .. "/new.log"))
    write(folder .. "/old.log", "line\n")
    chmod("644", folder .. "/old.log")
    assert(log.file(folder .. "/old.log")) { level = "info", text = "x", time = 0 }
    assert.equal("644", mode(folder .. "/old.log"))
    local file <close> = assert(io.open(folder .. "/old.log"))
    assert.equal("line\n1970-01-01T00:00:00.000Z info  -: x\n", file:read "a")
  end)

  it("that cannot be opened is told with its name", function()
    assert.same({ nil, "/proc/none/x.log: No such file or directory" }, { log.file "/proc/none/x.log" })
  end)
end)

describe("a command about a store", function()
  it("says that there is none, and makes none", support.async(function()
    local folder = support.tmpdir()
    for _, command in ipairs { "accounts --store %s", "logout --store %s", "store seal %s" } do
      local code, text = run(command:format(folder), "export MOONPOST_STORE_KEY=" .. KEY)
      assert.equal(1, code)
      assert.matches("there is no store in " .. folder:gsub("%p", "%%%0") .. "$", text)
    end
    assert.is_nil(core.system.stat(folder .. "/lock"))
  end))

  it("says why the folder cannot be opened", support.async(function()
    local path = support.tmpdir() .. "/loop"
    assert(os.execute(("ln -s loop '%s'"):format(path)))
    for _, command in ipairs { "accounts", "logout" } do
      local code, text = run(("%s --store %s"):format(command, path))
      assert.same({ 1, ("moonpost %s: cannot open the store's folder %s: Too many levels of symbolic links"):format(command, path) },
        { code, text })
    end
  end))

  it("says that the file of its keys is missing", support.async(function()
    local path = make_store(support.tmpdir() .. "/state")
    os.remove(path .. "/keys.mdb")
    for _, command in ipairs { "accounts", "logout" } do
      local code, text = run(("%s --store %s"):format(command, path))
      assert.equal(1, code)
      assert.matches("store .* is damaged: its keys.mdb is missing or empty", text)
    end
  end))

  it("seals no store that is sealed, and says how it gets another key", support.async(function()
    local path = make_store(support.tmpdir() .. "/state", assert(core.store.key(KEY)))
    local code, text = run("store seal " .. path, "export MOONPOST_STORE_KEY=" .. KEY)
    assert.same({ 1, ("moonpost store: store %s is sealed already: `moonpost store rekey` gives it another key"):format(path) },
      { code, text })
  end))

  it("points at the check when the store is damaged", support.async(function()
    local path = make_store(support.tmpdir() .. "/state")
    local script = support.tmpdir() .. "/bot.lua"
    write(script, ('require("moonpost").bot { store = "%s" }:run()'):format(path))
    do
      local store <close> = assert(core.store.open { path = path })
      store:account "":put("setting", "me", "\255\255")
      assert(store:commit())
    end
    local commands = { "accounts --store " .. path, "logout --store " .. path, "run " .. script }
    for _, command in ipairs(commands) do
      local code, text = run(command)
      assert.equal(1, code, text)
      assert.matches("^moonpost %w+: store .* is damaged: .*StoreMe: .*; see moonpost store check$", text)
    end
    assert(os.execute(("truncate -s 5000 %s/traffic.mdb"):format(path)))
    commands[4] = ("backup %s-copy --store %s"):format(path, path)
    for _, command in ipairs(commands) do
      local code, text = run(command)
      assert.equal(1, code, text)
      assert.matches("traffic.mdb is truncated, .*; see moonpost store check", text)
    end
  end))
end)
