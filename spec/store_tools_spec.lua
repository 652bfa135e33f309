--- What is done to a store as a whole: checked, copied, sealed; by the command and below it.
local core = require "moonpost.core"
local inspect = require "moonpost.cli.store_check"
local moonpost = require "moonpost"
local process = require "spec.process"
local rows = require "moonpost.client.rows"
local start = require("spec.rig").start
local support = require "spec.support"
local task = require "moonpost.task"

local KEY = ("0123456789abcdef"):rep(4)

local function read(path)
  local file <close> = assert(io.open(path, "rb"))
  return file:read "a"
end

local function write(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

local function message(text) return assert(core.proto.encode("Message", { conversation = text })) end

local function journal_row(text)
  return assert(core.proto.encode("StoreJournal", { chat = "1@lid", sender = "1@lid", id = "A", time = 1, message = message(text) }))
end

-- A store with an account, prekeys, and rows enough for a tree of pages.
local function make_store(key)
  local path = support.tmpdir() .. "/state"
  local store <close> = assert(core.store.open { path = path, kind = "client", key = key })
  local account = assert(core.signal.account(store))
  account:create()
  account:new_prekeys(50)
  for i = 1, 300 do
    store:put("journal", (">I8"):pack(i), journal_row(("text %d "):format(i):rep(30)))
    store:put("lid", "p" .. i, tostring(1000 + i))
  end
  assert(store:commit())
  return path
end

-- Runs the command to its end: exit code, and all it printed.
local function run(command, before)
  local child <close> = process.start("moonpost " .. command, { before = before })
  local code = child:wait_end()
  return code, child:text()
end

describe("moonpost store check", function()
  it("tells that a store reads well, and what is in it", support.async(function()
    local path = make_store()
    local code, text = run("store check " .. path)
    assert.equal(("%s reads well: 655 rows: counter 1, credential 1, journal 300, lid 300, meta 3, prekey 50"):format(path),
      (text:gsub("meta %d", "meta 3"):gsub("65%d rows", "655 rows")))
    assert.equal(0, code)
  end))

  it("looks at a store in use, and leaves it as it is", support.async(function()
    local path = make_store()
    local store <close> = assert(core.store.open { path = path })
    local before = read(path .. "/traffic.mdb")
    local code, text = run("store check " .. path)
    assert.equal(0, code, text)
    assert.is_true(before == read(path .. "/traffic.mdb"))
    assert(store:commit())
  end))

  it("names the rows that cannot be decoded, and says what to do", support.async(function()
    local path = make_store()
    do
      local store <close> = assert(core.store.open { path = path })
      store:put("journal", (">I8"):pack(7), "\255\255")
      store:put("outbox", "oX", journal_row "no")
      store:put("secret", "1@lid", "short")
      store:put("dedupe", "u1@lid", "short")
      store:put("recent", "sq1", "short")
      store:put("token", "1@lid", "\255\255")
      store:put("message", "a1@lid", "short")
      store:put("setting", "banned-until", "never")
      assert(store:commit())
    end
    local code, text = run("store check " .. path)
    assert.equal(1, code)
    assert.matches("damaged: row /\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x07 of table journal: it cannot be decoded: StoreJournal", text)
    assert.matches("of table outbox: it", text)
    assert.matches("row /1@lid of table secret: it is too long or too short", text)
    assert.matches("row /u1@lid of table dedupe: it ends without its time", text)
    assert.matches("row /sq1 of table recent: it is no row of what is recent", text)
    assert.matches("row /1@lid of table token: it cannot be decoded: StoreToken", text)
    assert.matches("row /a1@lid of table message: it is no add%-on of a message", text)
    assert.matches("row /banned%-until of table setting: it is no time", text)
    assert.matches("is damaged: %d+ rows", text)
    assert.matches("what to do: stop the bot and put a backup in the store's place", text)
  end))

  it("says with 4 that a store cannot be looked at, and why", support.async(function()
    local folder = support.tmpdir()
    local code, text = run(("store check %s/none"):format(folder))
    assert.same({ 4, ("moonpost store: cannot open the store's folder %s/none: No such file or directory"):format(folder) }, { code, text })
    code, text = run("store check " .. folder)
    assert.same({ 4, ("moonpost store: there is no store in %s"):format(folder) }, { code, text })
  end))

  it("finds a sealed row in another's place, and needs the key for that", support.async(function()
    local path = make_store(assert(core.store.key(KEY)))
    local code, text = run("store check " .. path)
    assert.equal(4, code)
    assert.matches("is sealed: give its key, by the environment variable MOONPOST_STORE_KEY", text)
    code, text = run("store check " .. path, "export MOONPOST_STORE_KEY=" .. KEY)
    assert.equal(0, code, text)
    assert.matches("state is whole: %d+ rows", text)
  end))

  it("survives pages that end the process that reads them", function()
    local path = make_store()
    local whole, size = read(path .. "/traffic.mdb"), 4096
    local found, crashed = 0, 0
    local state = 1
    local function random(n)
      state = (state * 1103515245 + 12345) % 2147483648
      return state // 65536 % n
    end
    for _ = 1, 40 do
      local page = 2 + random(25)
      local at = page * size + random(24) -- in the page's header, and where it says where its rows are
      local bytes = whole:sub(1, at) .. string.char(random(256), random(256), random(256), random(256)) .. whole:sub(at + 5)
      write(path .. "/traffic.mdb", bytes)
      local report, err = inspect(path)
      assert(report, tostring(err))
      if not report.whole then found = found + 1 end
      if report[1]:find "it ended the process" then crashed = crashed + 1 end
      assert.is_true(read(path .. "/traffic.mdb") == bytes)
    end
    assert.is_true(found > 10, found .. " of 40 found")
    assert.is_true(crashed > 0)
    write(path .. "/traffic.mdb", whole)
    assert.is_true(inspect(path).whole)
  end)
end)

describe("moonpost backup", function()
  it("copies a store, and refuses a folder that holds something", support.async(function()
    local path = make_store()
    local code, text = run(("backup %s-copy --store %s"):format(path, path))
    assert.equal(0, code, text)
    assert.matches("is copied to .*Never run the copy beside the store", (text:gsub("\n", " ")))
    assert.is_true(inspect(path .. "-copy").whole)
    code, text = run(("backup %s-copy --store %s"):format(path, path))
    assert.equal(1, code)
    assert.matches("is not empty: a backup needs a new one", text)
  end))

  it("copies a sealed store without its key, sealed", support.async(function()
    local path = make_store(assert(core.store.key(KEY)))
    assert.equal(0, (run(("backup %s-copy --store %s"):format(path, path))))
    assert.equal("key", select(2, core.store.open { path = path .. "-copy" }).code)
    assert.is_true(inspect(path .. "-copy", assert(core.store.key(KEY))).whole)
  end))

  it("is gone on from without a message that is dropped as old", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local path = support.tmpdir() .. "/state"
    local bot = rig:contact("Echo", { store = path })
    local function talk(count)
      for i = 1, count do
        assert(ana.client:send(bot.jid, "from Ana " .. i))
        assert.equal("from Ana " .. i, bot:next().text)
        assert(bot.client:send(ana.jid, "to Ana " .. i))
        assert.equal("to Ana " .. i, ana:next().text)
      end
    end
    talk(2)
    assert.equal(0, (run(("backup %s-copy --store %s"):format(path, path))))
    talk(3) -- ratchets the copy knows nothing of
    bot.client:close()
    for _, folder in ipairs { path, path .. "-copy" } do
      local report = assert(inspect(folder))
      assert.is_true(report.whole, table.concat(report, "\n"))
    end
    local errors = {}
    ana.client:on("error", function(err) errors[#errors + 1] = tostring(err) end)
    bot = rig:contact("Echo", { store = path .. "-copy" })
    for i = 1, 4 do
      assert(bot.client:send(ana.jid, "from the copy " .. i))
      assert.equal("from the copy " .. i, ana:next().text)
    end
    assert.same({}, errors)
    assert(ana.client:send(bot.jid, "and back"))
    assert.equal("and back", bot:next().text)
  end))
end)

describe("a sealed store", function()
  local function client_with(rig, options)
    options.store, options.url, options.root, options.name = options.store, rig.sandbox.url, rig.sandbox.root, "Echo"
    return moonpost.client(options)
  end

  it("serves a client that has its passphrase, and tells one that has not", support.async(function()
    local rig <close> = start()
    local path = support.tmpdir() .. "/state"
    local bot, ana = rig:contact("Echo", { store = path, key = "correct horse battery" }), rig:contact "Ana"
    assert(ana.client:send(bot.jid, "a text nobody finds on the disk"))
    assert.equal("a text nobody finds on the disk", bot:next().text)
    bot.client:close()
    local client, err = client_with(rig, { store = path })
    assert.is_nil(client)
    assert.equal("key", err.code)
    client, err = client_with(rig, { store = path, key = "wrong horse battery" })
    assert.is_nil(client)
    assert.equal(("store %s: wrong key"):format(path), tostring(err))
    bot = rig:contact("Echo", { store = path, key = "correct horse battery" })
    assert(ana.client:send(bot.jid, "again"))
    assert.equal("again", bot:next().text)
    local disk = read(path .. "/traffic.mdb") .. read(path .. "/keys.mdb")
    assert.is_nil(disk:find("nobody finds", 1, true))
  end))

  it("lets the loop go on while its passphrase is tried", support.async(function()
    local path = support.tmpdir() .. "/state"
    local key <close> = assert(core.store.key "correct horse battery")
    local turns, over = 0, false
    task.spawn(function()
      while not over do
        turns = turns + 1
        task.sleep(0.001)
      end
    end)
    task.await(function(resume) assert(key:prepare(path, resume)) end)
    over = true
    assert.is_true(turns > 5, turns .. " turns")
    local store <close> = assert(core.store.open { path = path, key = key })
    assert.equal(path, store:path())
  end))

  it("opens with a key from a descriptor, and is told apart from a plain one", support.async(function()
    local path = make_store()
    local code, text = run("store seal " .. path .. " --key-fd 3 3<<EOF\n" .. KEY .. "\nEOF\n")
    assert.equal(0, code, text)
    assert.is_nil(read(path .. "/traffic.mdb"):find("text 5 ", 1, true))
    code, text = run("store check " .. path .. " --key-fd 3 3<<EOF\n" .. KEY .. "\nEOF\n")
    assert.equal(0, code, text)
    local plain = make_store()
    code, text = run("store check " .. plain, "export MOONPOST_STORE_KEY=" .. KEY)
    assert.equal(4, code)
    assert.matches("is not sealed, and a key was given: `moonpost store seal` seals it", text)
  end))

  it("gets another key, and the old one opens it no more", support.async(function()
    local path = make_store(assert(core.store.key(KEY)))
    local code, text = run("store rekey " .. path, ("export MOONPOST_STORE_KEY=%s MOONPOST_STORE_NEW_KEY=passphrase"):format(KEY))
    assert.equal(0, code, text)
    assert.equal("key", select(2, core.store.open { path = path, key = assert(core.store.key(KEY)) }).code)
    local store <close> = assert(core.store.open { path = path, key = assert(core.store.key "passphrase") })
    assert.equal(300, store:count("journal", ""))
  end))

  it("is not sealed under a bot that runs", support.async(function()
    local path = make_store()
    local store <close> = assert(core.store.open { path = path })
    local code, text = run("store seal " .. path, "export MOONPOST_STORE_KEY=" .. KEY)
    assert.equal(1, code)
    assert.matches("store is in use by process %d+", text)
    assert.equal(300, store:count("journal", ""))
  end))
end)

describe("the options of a store", function()
  it("are checked where they are given", function()
    local function refused(options, what)
      options.store = "x"
      assert.error_matches(function() moonpost.client(options) end, what)
      assert.error_matches(function() moonpost.bot(options) end, what)
    end
    refused({ durability = "fast" }, "option 'durability' must be 'power' or 'process'")
    refused({ key = 7 }, "option 'key' must be a text, or a key of moonpost.core.store, not a number")
    local client, err = moonpost.client { store = "x", key = "short" }
    assert.is_nil(client)
    assert.equal("the store's key is too short, 5 bytes: 64 hex digits expected, or a passphrase of 8 to 1024 bytes", tostring(err))
  end)

  it("let a bot run unsynced, and remember that", support.async(function()
    local rig <close> = start()
    local path = support.tmpdir() .. "/state"
    local bot, ana = rig:contact("Echo", { store = path, durability = "process" }), rig:contact "Ana"
    assert(ana.client:send(bot.jid, "hi"))
    assert.equal("hi", bot:next().text)
    bot.client:close()
    local store <close> = assert(core.store.open { path = path })
    assert.equal(0, store:epoch())
  end))
end)

describe("a damaged store", function()
  it("that names an account and has no keys of it is told as that, by a client and by the check", support.async(function()
    local path = support.tmpdir() .. "/state"
    do
      local store <close> = assert(core.store.open { path = path, kind = "client" })
      rows.put(store:account "", "setting", "me", "StoreMe", { jid = "15550001111:1@s.whatsapp.net", device = 1 })
    end
    local client, err = moonpost.client { store = path }
    assert.is_nil(client)
    assert.same({ "damaged", "the store is damaged: it names the account 15550001111:1@s.whatsapp.net and has no keys of it: see moonpost "
      .. "store check" }, { err.code, err.message })
    local code, text = run("store check " .. path)
    assert.equal(1, code)
    assert.matches("damaged: row .* of table credential: it is missing, and the account is linked", text)
  end))

  it("says so when it ends a process in the middle", support.async(function()
    local path = make_store()
    local bytes = read(path .. "/traffic.mdb")
    -- every page of rows says that what is free in it ends before it begins
    local pages = {}
    for at = 1, #bytes, 4096 do
      local page = bytes:sub(at, at + 4095)
      local is_leaf = at > 8192 and page:byte(11) == 2
      pages[#pages + 1] = is_leaf and page:sub(1, 14) .. "\16\0" .. page:sub(17) or page
    end
    write(path .. "/traffic.mdb", table.concat(pages))
    local script = support.tmpdir() .. "/write.lua"
    write(script, [[
      local store = assert(require("moonpost.core").store.open { path = arg[1] })
      store:put("journal", (">I8"):pack(1) .. "x", ("x"):rep(900))
      store:commit()
    ]])
    local code, text = run(("run %s -- %s"):format(script, path))
    assert.equal(134, code)
    assert.matches("^moonpost: the store is damaged and ends this process: " .. path:gsub("%p", "%%%0")
      .. "/traffic%.mdb %(.-%); `moonpost store check` tells more\n", text .. "\n")
  end))
end)

describe("a store whose last process was killed", function()
  -- Garbles the pages of rows of a store that was made, and has its lock name a process that is no more.
  local function leave(damaged, holder)
    local path = make_store()
    local bytes = read(path .. "/traffic.mdb")
    local pages = {}
    for at = 1, #bytes, 4096 do
      local page = bytes:sub(at, at + 4095)
      local is_leaf = at > 8192 and page:byte(11) == 2
      pages[#pages + 1] = damaged and is_leaf and page:sub(1, 16) .. ("\255"):rep(8) .. page:sub(25) or page
    end
    write(path .. "/traffic.mdb", table.concat(pages))
    write(path .. "/lock", ("%-20d\n"):format(holder))
    return path
  end

  local GONE = 4194305 -- beyond the largest number of a process

  it("is looked at before it is used: a damaged one is refused with what is wrong", function()
    local client, err = moonpost.client { store = leave(true, GONE) }
    assert.is_nil(client)
    assert.equal("damaged", err.code)
    assert.matches("is damaged, and did not end well: .*; see moonpost store check$", err.message)
  end)

  it("is used when nothing is wrong, and notes that it ended well", function()
    local path = leave(false, GONE)
    local client = assert(moonpost.client { store = path })
    assert.is_true(tonumber(read(path .. "/lock")) > 0)
    task.run(client.close, client)
    assert.equal(0, tonumber(read(path .. "/lock")))
  end)
end)

describe("damaged rows of a store", function()
  it("are told and left, and keep no other message from being handled", support.async(function()
    local rig <close> = start()
    local path = support.tmpdir() .. "/state"
    local bot, ana = rig:contact("Echo", { store = path }), rig:contact "Ana"
    local jid = bot.jid
    bot.client:close()
    do
      local store <close> = assert(core.store.open { path = path })
      store:put("journal", (">I8"):pack(1), "\255")
      store:put("journal", (">I8"):pack(2), journal_row "left from before")
      store:put("journal", (">I8"):pack(3), assert(core.proto.encode("StoreJournal", { chat = "1@lid" })))
      store:put("outbox", "o" .. (">I8"):pack(1), "\255")
      assert(store:commit())
    end
    local errors = {}
    local client = assert(moonpost.client { store = path, url = rig.sandbox.url, root = rig.sandbox.root })
    local heard = task.queue()
    client:on("message", function(m) heard:push(m.text) end)
    client:on("error", function(err) errors[#errors + 1] = tostring(err) end)
    assert(client:connect())
    assert.equal("left from before", heard:pop(30))
    assert(ana.client:send(jid, "new"))
    assert.equal("new", heard:pop(30))
    client:close()
    table.sort(errors)
    assert.equal(3, #errors, table.concat(errors, "\n"))
    assert.matches("^a row of the journal is damaged and left where it is %(it cannot be decoded", errors[1])
    assert.matches("^a row of the journal is damaged and left where it is %(it does not say whose", errors[2])
    assert.matches("^a row of the outbox is damaged and left where it is", errors[3])
    local report = assert(inspect(path))
    assert.is_false(report.whole)
    assert.equal(3, report.counts.journal + report.counts.outbox)
  end))
end)
