--- The store through its binding: rows, turns, what waits for a commit, and what is refused.
local core = require "moonpost.core"
local support = require "spec.support"

local function folder() return support.tmpdir() .. "/state" end

local function open(options)
  local store, err = core.store.open(options or {})
  return assert(store, tostring(err))
end

local function keys(rows)
  local names = {}
  for i, row in ipairs(rows) do names[i] = row[1] end
  return table.concat(names, " ")
end

-- How many files under `path` this process has open.
local function open_files(path)
  local stat <close> = assert(io.open "/proc/self/stat")
  local list <close> = assert(io.popen(("ls -l /proc/%s/fd"):format(stat:read "a":match "^%d+")))
  local _, count = list:read "a":gsub(" " .. path:gsub("%p", "%%%0") .. "/[%w.-]+\n", "")
  return count
end

-- Errors of callbacks, while fn runs.
local function callback_errors(fn)
  local heard = {}
  local before = core.net.on_callback_error(function(err) heard[#heard + 1] = tostring(err) end)
  local ok, err = pcall(fn)
  core.net.on_callback_error(before)
  assert(ok, err)
  return heard
end

local function raised(fn, ...)
  local ok, err = pcall(fn, ...)
  assert.is_false(ok)
  return err
end

describe("a store's rows", function()
  it("are bytes under bytes, apart by table", function()
    local store <close> = open()
    store:put("lid", "a\0b", "\0\255")
    store:put("raw", "a\0b", "")
    assert.equal("\0\255", store:get("lid", "a\0b"))
    assert.equal("", store:get("raw", "a\0b"))
    assert.is_nil(store:get("lid", "a"))
    store:delete("lid", "a\0b")
    store:delete("lid", "a\0b")
    assert.is_nil(store:get("lid", "a\0b"))
  end)

  it("come in key order, by prefix, from behind a key, and no more than asked for", function()
    local store <close> = open()
    for _, key in ipairs { "b", "a2", "a1", "a3", "a" } do store:put("outbox", key, "of " .. key) end
    store:put("journal", "a0", "")
    assert.equal("a a1 a2 a3 b", keys(store:range("outbox", "")))
    assert.equal("a1 a2", keys(store:range("outbox", "a", 2, "a")))
    assert.equal("a2 a3", keys(store:range("outbox", "a", 0, "a1")))
    assert.same({ { "a3", "of a3" } }, store:range("outbox", "a3"))
    assert.same({}, store:range("outbox", "c"))
    assert.equal(4, store:count("outbox", "a"))
    assert.equal("a3", store:last("outbox", "a"))
    assert.is_nil(store:last("outbox", "c"))
  end)

  it("outlive the process once they are committed", function()
    local path = folder()
    do
      local store <close> = open { path = path }
      store:put("lid", "kept", "1")
      assert(store:commit())
      store:put("lid", "lost", "1")
    end
    local store <close> = open { path = path }
    assert.equal("1", store:get("lid", "kept"))
    assert.is_nil(store:get("lid", "lost"))
  end)

  it("of a key pair come back as a handle that signs alike", function()
    local store <close> = open()
    local pair = core.crypto.keypair()
    store:put_keypair("server", pair)
    local again = store:get_keypair "server"
    assert.equal(pair:public(), again:public())
    assert.is_true(core.crypto.verify(pair:public(), "x", again:sign "x"))
    assert.is_nil(store:get_keypair "other")
  end)

  it("raise an error object when the store refuses them", function()
    local store <close> = open()
    local err = raised(store.put, store, "lid", ("k"):rep(500), "")
    assert.equal("invalid", err.code)
    assert.equal("a store key of 501 bytes (at most 500)", tostring(err))
  end)

  it("want their arguments right", function()
    local store <close> = open()
    assert.error_matches(function() store:get("lidd", "a") end, "the store has no table 'lidd'")
    assert.error_matches(function() store:put("lid", "a") end, "bad argument #3 to 'put' %(string expected, got no value%)")
    assert.error_matches(function() store:range("lid", "a", -1) end, "a number of rows expected")
    assert.error_matches(function() store.get({}, "lid", "a") end, "moonpost.store expected, got table")
    assert.error_matches(function() store:after_commit "f" end, "function expected, got string")
  end)
end)

describe("a nested transaction", function()
  it("hands its function's arguments and results through, and keeps its rows", function()
    local store <close> = open()
    assert.same({ 1, 2, 3 }, { store:atomic(function(a, b)
      store:put("lid", "a", "1")
      return a, b, 3
    end, 1, 2) })
    assert.equal("1", store:get("lid", "a"))
  end)

  it("drops its rows when its function fails, and passes the error on", function()
    local store <close> = open()
    local failure = {}
    store:put("lid", "before", "1")
    assert.equal(failure, raised(store.atomic, store, function()
      store:put("lid", "before", "2")
      store:atomic(function() store:put("lid", "inner", "1") end)
      error(failure)
    end))
    assert.equal("1", store:get("lid", "before"))
    assert.is_nil(store:get("lid", "inner"))
  end)

  it("takes what it put on the after-commit list with it", function()
    local store <close> = open()
    local ran = {}
    store:after_commit(function() ran[#ran + 1] = "before" end)
    raised(store.atomic, store, function()
      store:after_commit(function() ran[#ran + 1] = "inside" end)
      error "no"
    end)
    store:after_commit(function() ran[#ran + 1] = "behind" end)
    assert(store:commit())
    assert.same({ "before", "behind" }, ran)
  end)

  it("of which only the inner one failed goes on", function()
    local store <close> = open()
    store:atomic(function()
      store:put("lid", "outer", "1")
      raised(store.atomic, store, function()
        store:put("lid", "inner", "1")
        error "no"
      end)
    end)
    assert.equal("1", store:get("lid", "outer"))
    assert.is_nil(store:get("lid", "inner"))
  end)

  it("cannot wait", function()
    local store <close> = open()
    local co = coroutine.wrap(function() return raised(store.atomic, store, coroutine.yield) end)
    assert.matches("attempt to yield across a C%-call boundary", co())
    store:put("lid", "a", "1")
    assert(store:commit())
  end)

  it("cannot commit the turn around it", function()
    local store <close> = open()
    local ran = false
    store:after_commit(function() ran = true end)
    store:atomic(function()
      assert.matches("a nested transaction is still open", raised(store.commit, store))
      store:put("lid", "a", "1")
    end)
    assert.is_false(ran)
    assert(store:commit())
    assert.is_true(ran)
    assert.equal("1", store:get("lid", "a"))
  end)

  it("deeper than eight is refused", function()
    local store <close> = open()
    local function nest(depth)
      if depth > 0 then store:atomic(nest, depth - 1) end
    end
    nest(8)
    assert.equal("limit", raised(nest, 9).code)
  end)
end)

describe("what waits for a commit", function()
  it("runs after it, in order, once", function()
    local path, ran = folder(), {}
    local store <close> = open { path = path }
    assert.is_false(store:dirty())
    store:put("lid", "a", "1")
    for i = 1, 3 do store:after_commit(function() ran[#ran + 1] = i end) end
    assert.is_true(store:dirty())
    assert.same({}, ran)
    assert.is_true(store:commit())
    assert.same({ 1, 2, 3 }, ran)
    assert.is_false(store:dirty())
    assert(store:commit())
    assert.same({ 1, 2, 3 }, ran)
  end)

  it("waits for the next commit when it is added by what runs", function()
    local store <close> = open()
    local ran = {}
    store:after_commit(function()
      ran[1] = "first"
      store:put("lid", "a", "1")
      store:after_commit(function() ran[2] = "second" end)
    end)
    assert(store:commit())
    assert.same({ "first" }, ran)
    assert.is_true(store:dirty())
    assert(store:commit())
    assert.same({ "first", "second" }, ran)
  end)

  it("runs even when one before it failed, which is reported with its traceback", function()
    local store <close> = open()
    local ran = false
    local heard = callback_errors(function()
      store:after_commit(function() error "broken" end)
      store:after_commit(function() ran = true end)
      assert(store:commit())
    end)
    assert.is_true(ran)
    assert.equal(1, #heard)
    assert.matches("broken.*stack traceback", heard[1])
  end)

  it("is dropped with the turn when the commit fails, and the next turn works", function()
    local store <close> = open { path = folder(), map_size = 256 * 1024 }
    local ran = false
    store:put("lid", "old", "1")
    assert(store:commit())
    store:after_commit(function() ran = true end)
    local err = raised(function()
      for i = 1, 1000 do store:put("raw", tostring(i), ("x"):rep(4000)) end
    end)
    assert.equal("full", err.code)
    local ok
    ok, err = store:commit()
    assert.is_nil(ok)
    assert.equal("full", err.code)
    assert.is_false(ran)
    assert.is_false(store:dirty())
    assert.is_nil(store:get("raw", "1"))
    store:put("lid", "new", "1")
    assert(store:commit())
    assert.is_false(ran)
    assert.equal("1", store:get("lid", "old"))
  end)
end)

describe("opening a store", function()
  it("makes its folder, private to its owner, and says where it is", function()
    local path = folder()
    local store <close> = open { path = path, durability = "process" }
    assert.equal(path, store:path())
    local list <close> = assert(io.popen("ls -ld " .. path))
    assert.matches("^drwx%-%-%-%-%-%-", list:read "l")
  end)

  it("twice in a process gives the same rows, and closing one leaves the other", function()
    local path = folder()
    local first <close> = open { path = path }
    local second = open { path = path }
    first:put("lid", "a", "1")
    assert.equal("1", second:get("lid", "a"))
    second:close()
    assert.equal("1", first:get("lid", "a"))
    assert(first:commit())
  end)

  it("leaves none of its files to a program that is started by other means", function()
    local path = folder()
    local store <close> = open { path = path }
    local list <close> = assert(io.popen "ls -l /proc/self/fd")
    assert.not_matches("%.mdb", list:read "a")
    assert.is_true(store and open_files(path) >= 3)
  end)

  it("refuses a damaged one, says so, and leaves it as it is", function()
    local path = folder()
    open { path = path }:close()
    local file = assert(io.open(path .. "/traffic.mdb", "r+b"))
    file:seek("set", 16)
    file:write "damage"
    file:close()
    local function content()
      local f <close> = assert(io.open(path .. "/traffic.mdb", "rb"))
      return f:read "a"
    end
    local before = content()
    local store, err = core.store.open { path = path }
    assert.is_nil(store)
    assert.equal("malformed", err.code)
    assert.equal(path .. "/traffic.mdb is damaged: its header is not that of a store", err.message)
    assert.is_true(before == content())
    assert.equal(0, open_files(path))
  end)

  it("is a client's or a sandbox's world, never both", function()
    local client, world = folder(), folder()
    open { path = client, kind = "client" }:close()
    open { path = world, kind = "world" }:close()
    local _, err = core.store.open { path = client, kind = "world" }
    assert.equal(("store %s is the store of a client: a sandbox needs a folder of its own"):format(client), tostring(err))
    _, err = core.store.open { path = world, kind = "client" }
    assert.equal(("store %s is the world of a sandbox: a client needs a folder of its own"):format(world), tostring(err))
    assert.equal("invalid", err.code)
    assert.equal(0, open_files(client) + open_files(world))
  end)

  it("says when there is no such place", function()
    local store, err = core.store.open { path = "/nonexistent/state" }
    assert.is_nil(store)
    assert.equal("cannot make the store's folder /nonexistent/state: No such file or directory", tostring(err))
    assert.equal("store", err.code)
  end)

  it("wants its options right", function()
    assert.error_matches(function() core.store.open() end, "table expected, got no value")
    assert.error_matches(function() core.store.open { path = 7 } end, "path: a string expected, got number")
    assert.error_matches(function() core.store.open { path = "a\0b" } end, "path: it holds a zero byte")
    assert.error_matches(function() core.store.open { durability = "none" } end, "durability: 'power' or 'process' expected")
    assert.error_matches(function() core.store.open { durability = {} } end, "durability: 'power' or 'process' expected")
    assert.error_matches(function() core.store.open { map_size = -1 } end, "map_size: at least 65536 bytes expected")
    assert.error_matches(function() core.store.open { kind = "bot" } end, "kind: 'client' or 'world' expected")
    assert.error_matches(function() core.store.open { map_size = "big" } end, "map_size: at least 65536 bytes expected")
  end)
end)

describe("a store's handle", function()
  it("says what it is", function()
    local store = open()
    assert.equal("moonpost.store ((memory))", tostring(store))
    store:close()
    assert.equal("moonpost.store (closed)", tostring(store))
    assert.equal("moonpost.store", getmetatable(store))
  end)

  it("closes its files at the end of its scope", function()
    local path = folder()
    do
      local store <close> = open { path = path }
      store:put("lid", "a", "1")
      assert.is_true(open_files(path) >= 3)
    end
    assert.equal(0, open_files(path))
  end)

  it("closes its files when it is collected", function()
    local path = folder()
    open { path = path }:put("lid", "a", "1")
    collectgarbage()
    collectgarbage()
    assert.equal(0, open_files(path))
  end)

  it("may be closed twice, and is of no use then", function()
    local store = open()
    store:close()
    store:close()
    for _, method in ipairs { "get", "put", "delete", "range", "count", "last", "atomic", "commit", "dirty", "path", "after_commit" } do
      assert.error_matches(function() store[method](store, "lid", "a", "b") end, "the store is closed")
    end
  end)
end)
