-- How a session ends: taken over, unlinked, refused, by a stream error, by Ctrl-C; and what is kept then (fact sheet 01 §7.3, §7.4, §9).
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

describe("a second login of the same device", function()
  it("ends the first, which stays away and keeps what it has", support.async(function()
    local rig <close> = start()
    local folder = support.tmpdir()
    local ana = rig:contact("Ana", { store = folder .. "/state" })
    local replaced, offline = tap.event(ana.client, "replaced"), tap.event(ana.client, "offline")
    ana.client:commit()
    assert(os.execute(("cp -r '%s/state' '%s/copy'"):format(folder, folder)))
    local twin = rig:contact("Ana", { store = folder .. "/copy" })
    local err = assert(replaced:pop(30))
    assert.equal("replaced", err.code)
    assert.matches("must not be used twice", tostring(err))
    assert.is_true(twin.client.connection.online)
    assert.is_false(ana.client.connection.online)
    assert.is_table(ana.client.me)
    assert.equal(0, #offline)
  end))

  it("may take its place back when it is told to", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    ana.device.connection:stream_error(nil, stanza.node("conflict", { type = "replaced" }))
    assert(tap.event(ana.client, "replaced"):pop(30))
    assert.is_true(ana.client:connect())
    assert.is_true(ana.client.connection.online)
  end))
end)

describe("an unlinked device", function()
  local function check_forgotten(rig, ana, err)
    assert.equal("unlinked", err.code)
    assert.matches("run it again to link the account anew", tostring(err))
    assert.is_false(ana.client:linked())
    assert.is_false(ana.client.account:exists())
    for _, name in ipairs { "lid", "device-list", "dedupe", "appstate-key", "journal", "outbox" } do
      assert.equal(0, ana.client.store:count(name, ""), name)
    end
    local again, why = ana.client:connect()
    assert.is_nil(again)
    assert.equal("unlinked", why.code)
    assert.equal(0, #rig.sandbox.accounts:companions(ana.account))
  end

  it("hears of it while it is online, and forgets everything of the account", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local unlinked = tap.event(ana.client, "unlinked")
    assert.equal(200, (tap.admin(rig, "POST", "/admin/mock-phone/unlink", { jid = ana.device:jid() })))
    local err = assert(unlinked:pop(30))
    assert.matches("removed on the phone", tostring(err))
    check_forgotten(rig, ana, err)
  end))

  it("hears of it at its next login", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local unlinked, conn = tap.event(ana.client, "unlinked"), ana.device.connection
    tap.on(rig, function(_, node) return node.tag ~= "stream:error" end)
    require("moonpost.sandbox.login").unlink(rig.sandbox, ana.device)
    conn:drop()
    local err = assert(unlinked:pop(30))
    assert.matches("%(401%)", tostring(err))
    check_forgotten(rig, ana, err)
  end))

  it("can be linked anew, with new keys and a new number", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local identity, number = ana.device.identity, ana.device.number
    local unlinked = tap.event(ana.client, "unlinked")
    require("moonpost.sandbox.login").unlink(rig.sandbox, ana.device)
    assert(unlinked:pop(30))
    assert(ana.client:pair(tap.scanner(rig)))
    assert(ana.client:connect())
    local device = tap.device(rig, ana.client)
    assert.are_not.equal(identity, device.identity)
    assert.are_not.equal(number, device.number)
    assert.equal(ana.jid, ana.client.me.jid)
  end))

  it("ends its bot with the error that the command turns into exit code 3", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    local me = rig:run(bot)
    local device = rig.sandbox.accounts:companions((rig.sandbox.accounts:lookup(me.jid)))[1]
    require("moonpost.sandbox.login").unlink(rig.sandbox, device)
    local ok, err = rig.bots[1].running:join(30)
    assert.is_nil(ok)
    assert.equal("unlinked", err.code)
  end))
end)

describe("a login the service refuses", function()
  -- reason, code of the error, its sentence, more attributes of the failure
  local newer = ": look for a newer version of moonpost, then run it again"
  local kept = {
    { 400, "refused", "malformed %(400%); the store is kept" .. newer }, { 409, "refused", "%(409%); the store is kept" .. newer },
    { 405, "outdated", "%-%-wa%-version 2%.3000%.NUMBER" },
    { 402, "banned", "banned for a time %(402, code 102: too many people blocked it%)", { code = 102 } },
    { 411, "refused", "%(411%); the store is kept: look at Linked devices" },
  }
  for _, reason in ipairs { 413, 414, 415, 418, 419, 499, 501 } do
    kept[#kept + 1] = { reason, "refused", ("refused the login %%(%d%%); the store is kept"):format(reason) .. newer }
  end
  local forgotten = {
    { 401, "unlinked", "unlinked from the phone %(401%); run it again" },
    { 403, "unlinked", "locked or its phone is gone %(403: Sorry for that%).*run it again",
      { logout_message_header = "Sorry", logout_message_subtext = "for that" } },
    { 406, "unlinked", "logged out by the service %(406%); run it again" },
  }

  -- Has the contact's next login refused, and returns what it is told.
  local function refused(rig, ana, case, event)
    local told, call = tap.event(ana.client, event), { what = "failure", jid = ana.device:jid(), reason = case[1] }
    for name, value in pairs(case[4] or {}) do call[name] = value end
    rig:fault(call)
    ana.device.connection:drop()
    local err = assert(told:pop(30))
    assert.same({ case[2], true }, { err.code, err.final }, case[1])
    assert.matches(case[3], tostring(err))
    assert.is_nil((ana.client.connection:wait_online()))
  end

  it("for good is told with its reason, keeps the store, and may be tried again", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    for _, case in ipairs(kept) do
      refused(rig, ana, case, "refused")
      assert.is_true(ana.client:linked())
      assert.is_true(ana.client:connect())
    end
  end))

  it("because the account is unlinked, locked or logged out empties the store", support.async(function()
    for _, case in ipairs(forgotten) do
      local rig <close> = start()
      local ana = tap.quick(rig)
      refused(rig, ana, case, "unlinked")
      assert.is_false(ana.client:linked())
      assert.is_false(ana.client.account:exists())
    end
  end))

  for _, reason in ipairs { "500", "503" } do
    it(("for a while (%s) is tried again"):format(reason), support.async(function()
      local rig <close> = start()
      local ana = tap.quick(rig)
      rig:fault { what = "failure", jid = ana.device:jid(), reason = reason }
      ana.device.connection:drop()
      assert(ana.offline:pop(30))
      assert.matches("refused the login: .*" .. reason, tostring(assert(ana.offline:pop(30))))
      assert(ana.online:pop(30))
    end))
  end

  it("for a ban of no time there can be is told, and kept for a year at most", function()
    local function of(expire) return endings.of_failure(stanza.node("failure", { reason = "402", expire = expire })) end
    for _, expire in ipairs { "-5", "0", "soon", "1e400", "9223372036854775808" } do
      assert.same({ "banned", true }, { of(expire).code, of(expire).final })
      assert.is_nil(of(expire).seconds, expire)
      assert.matches("banned for a time", tostring(of(expire)))
    end
    assert.equal(3600, of("3600").seconds)
    for _, expire in ipairs { "99999999999", "9223372036854775807" } do assert.equal(366 * 86400, of(expire).seconds) end
  end)

  it("for a ban tells its time in seconds, minutes or hours", function()
    for expire, told in pairs { ["1"] = "1 s", ["119"] = "119 s", ["150"] = "3 minutes", ["7199"] = "2.0 hours" } do
      local err = endings.of_failure(stanza.node("failure", { reason = "402", expire = expire }))
      assert.is_truthy(tostring(err):find("banned for " .. told .. " (402", 1, true), tostring(err))
    end
  end)

  it("without a reason is final too", function()
    assert.is_true(endings.of_failure(stanza.node("failure", {})).final)
  end)

  it("ends the bot, which had been online before", support.async(function()
    local rig <close> = start()
    local bot = rig:bot()
    bot:on("error", function() end)
    local me = rig:run(bot)
    local device = rig.sandbox.accounts:companions((rig.sandbox.accounts:lookup(me.jid)))[1]
    rig:fault { what = "failure", jid = device:jid(), reason = 405 }
    device.connection:stream_error "515"
    local ok, err = rig.bots[1].running:join(30)
    assert.is_nil(ok)
    assert.equal("outdated", err.code)
  end))
end)

describe("a stream error", function()
  it("is final when it is a conflict or a logout, and a lost connection otherwise", function()
    local function of(attrs, child) return endings.of_stream_error(stanza.node("stream:error", attrs, child)) end
    assert.equal("replaced", of({ code = "409" }, stanza.node("conflict", { type = "replaced" })).code)
    assert.equal("unlinked", of({ code = "401" }, stanza.node("conflict", { type = "device_removed" })).code)
    for _, code in ipairs { "401", "409", "516" } do
      local err = of { code = code }
      assert.same({ "refused", true }, { err.code, err.final })
    end
    assert.same({ "refused", true }, { of({}, stanza.node("conflict", { type = "other" })).code, of({}, stanza.node "conflict").final })
    for _, err in ipairs { of { code = "503" }, of({}, stanza.node "xml-not-well-formed"), of({}, stanza.node "ack"), of {} } do
      assert.equal("network", err.code)
      assert.is_nil(err.final)
    end
    assert.equal(8, of({ code = "429" }).penalty)
  end)
end)

describe("Ctrl-C", function()
  it("ends a bot that shows QRs", support.async(function()
    local rig <close> = start()
    local shown = task.queue()
    local bot = rig:bot { qr = function(text) shown:push(text) end }
    local running = task.spawn(bot.run, bot)
    assert(shown:pop(30))
    bot:stop()
    assert.is_true((running:join(30)))
  end))

  it("ends a bot that waits to connect again", support.async(function()
    local rig = start()
    local bot, failed = rig:bot(), task.queue()
    rig:run(bot)
    bot.client:on("offline", function(err) failed:push(err) end)
    rig.sandbox:close()
    for _ = 1, 3 do assert(failed:pop(30)) end
    bot:stop()
    assert.is_true((rig.bots[1].running:join(30)))
  end))

  it("ends a client that knocks where nobody answers", support.async(function()
    local rig <close> = start()
    local ana = tap.quick(rig)
    local store = ana.client.store
    ana.client:close()
    local silent = assert(core.net.listen { host = "127.0.0.1", port = 0, accept = function() return { message = function() end } end })
    local client = tap.client(rig, { store_handle = store, url = ("ws://127.0.0.1:%d/ws/chat"):format(silent:port()) })
    local connecting = task.spawn(client.connect, client)
    task.sleep(0)
    client:close()
    local ok, err = connecting:join(30)
    assert.is_nil(ok)
    assert.equal("closed", err.code)
    silent:close()
  end))
end)
