-- A file the hosts have no more is asked of the own phone (fact sheet 05 §14.5).
local core = require "moonpost.core"
local groups = require "spec.group_writer"
local media_hosts = require "spec.media_hosts"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"

local media, proto = core.media, core.proto
local download = media_hosts.download

-- Ana's phone sends Ben a photo, which is gone from the host when his client has heard of it.
local function photo_gone(options)
  local rig = start()
  local ana, ben = rig:contact "Ana", rig:contact("Ben", options)
  rig:phone(ana):send(ben, { image = { bytes = "a photo" } })
  local m = ben:next()
  rig.sandbox.media:withdraw(rig.sandbox.media:object(m.media.reference.fileEncSha256))
  return rig, ben, m, ana
end

local function is_question(node) return node.tag == "receipt" and node.attrs.type == "server-error" end

local function load(ben, m, options)
  options = options or {}
  options.message = options.message or { chat = m.chat, id = m.id, sender = m.sender, from_me = m.from_me }
  return download(ben, m.media.reference, "image", options)
end

-- What the phone says goes to nobody; the spec says something else: `content` of the notification, and more of its attributes.
local function answer_for_it(rig, ben, content, more)
  rig:tap(function(direction, node, conn)
    if direction == "to-server" and is_question(node) then
      local attrs = { id = node.attrs.id, type = "mediaretry", from = ben.jid, t = 1700000000 }
      for name, value in pairs(more or {}) do attrs[name] = value end
      local answer = stanza.node("notification", attrs, content(node))
      task.spawn(function()
        task.sleep(0)
        tap.inject(conn, answer)
      end)
      return false
    end
  end)
end

-- Seals what the phone would say.
local function sealed(m, answer, id)
  local enc_p, enc_iv = media.retry_seal(m.media.reference.mediaKey, id or m.id, proto.encode("MediaRetryNotification", answer))
  return stanza.node("encrypt", nil, { stanza.node("enc_p", nil, enc_p), stanza.node("enc_iv", nil, enc_iv) })
end

describe("a file the hosts have no more", function()
  it("is uploaded again by the phone, and loaded; its reference leads there from then on", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local questions = rig:record("to-server", is_question)
    local reference = m.media.reference
    local before = reference.directPath
    assert.equal("a photo", assert(load(ben, m)))
    assert.is_false(reference.directPath == before)
    assert.is_nil(reference.url)
    assert.equal("a photo", assert(load(ben, m)))
    assert.equal(1, #questions)
    local rmr = stanza.child(questions[1], "rmr")
    assert.same({ jid = m.chat, from_me = "false" }, rmr.attrs)
    assert.same({ id = m.id, to = ben.jid, type = "server-error" }, questions[1].attrs)
  end))

  it("in a group is asked for with its author, and an own one as that", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact("Ben", { own = true })
    local group = groups.make(rig, ana, ben)
    rig:phone(ana):send(group, { image = { bytes = "a photo" } })
    rig:phone(ben):send(ana, { image = { bytes = "my photo" } })
    local questions = rig:record("to-server", is_question)
    for _ = 1, 2 do
      local m = ben:next()
      rig.sandbox.media:withdraw(rig.sandbox.media:object(m.media.reference.fileEncSha256))
      assert.equal(m.from_me and "my photo" or "a photo", assert(load(ben, m)))
      local attrs = stanza.child(questions[#questions], "rmr").attrs
      assert.same({ m.chat, m.from_me and "true" or "false", m.chat == group and ana.lid or nil },
        { attrs.jid, attrs.from_me, attrs.participant })
    end
  end))

  it("is asked for as well when its link has expired", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    rig:phone(ana):send(ben, { image = { bytes = "a photo" } })
    local m = ben:next()
    rig:fault { what = "media-status", code = 403, request = "download", times = 2 } -- also by the hosts that are asked for anew
    local questions = rig:record("to-server", is_question)
    assert.equal("a photo", assert(load(ben, m)))
    assert.equal(1, #questions)
  end))

  it("is asked for once, however many want it", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local questions, running = rig:record("to-server", is_question), {}
    for i = 1, 3 do running[i] = task.spawn(load, ben, m) end
    for _, one in ipairs(running) do assert.equal("a photo", assert(one:join(30))) end
    assert.equal(1, #questions)
  end))

  it("is asked for once also by those who had to wait to be online", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local connection, gate = ben.client.connection, task.queue()
    local wait_online = connection.wait_online
    local waiting = 0
    function connection:wait_online(...)
      waiting = waiting + 1
      gate:pop()
      return wait_online(self, ...)
    end
    local questions, running = rig:record("to-server", is_question), {}
    ben.client.media.hosts.known = { auth = "x", hosts = { { name = rig.sandbox.media_address } }, ends = math.huge }
    for i = 1, 3 do running[i] = task.spawn(load, ben, m) end
    while waiting < 3 do task.sleep(0.005) end
    gate:close()
    for _, one in ipairs(running) do assert.equal("a photo", assert(one:join(30))) end
    assert.equal(1, #questions)
  end))

  it("is asked for by nobody who does not know the message, or has no key", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local questions = rig:record("to-server", is_question)
    local _, err = download(ben, m.media.reference, "image")
    assert.equal("media-gone", err.code)
    local reference = { directPath = m.media.reference.directPath, fileSha256 = m.media.reference.fileSha256 }
    _, err = download(ben, reference, "newsletter-image", { message = { chat = m.chat, id = m.id } })
    assert.same({ "media-gone", 0 }, { err.code, #questions })
  end))

  it("that the phone has lost as well is gone", support.async(function()
    local rig <close>, ben, m = photo_gone()
    rig:phone(ben):lose(m.id)
    local _, err = load(ben, m)
    assert.equal("media-gone: the media hosts have the file no more, and the phone has not got it either", err.code .. ": " .. err.message)
  end))

  it("of a message the phone does not know is gone", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local told = rig:record("to-client", function(node) return node.attrs.type == "mediaretry" end)
    local _, err = load(ben, m, { message = { chat = m.chat, id = "OTHER", sender = m.sender } })
    assert.same({ "media-gone", "2" }, { err.code, tostring(stanza.child(told[1], "error").attrs.code) })
  end))

  it("is told of when the phone cannot read what it was asked", support.async(function()
    local rig <close>, ben, m = photo_gone()
    rig:tap(function(direction, node)
      if direction == "to-server" and is_question(node) then
        local enc = stanza.path(node, "encrypt", "enc_p")
        enc.content = ("x"):rep(#enc.content)
      end
    end)
    local _, err = load(ben, m)
    assert.same({ "media-phone", "the phone could not read what it was asked" }, { err.code, err.message })
  end))

  it("is given up when the phone says nothing, and what it says later is passed over", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local kept
    local untap = rig:tap(function(direction, node)
      if direction ~= "to-client" or node.attrs.type ~= "mediaretry" then return end
      kept = node
      return false
    end)
    ben.client.media.retry.seconds = 0.3
    local _, err = load(ben, m)
    assert.same({ "media-phone", "the phone has not answered within 0.3 s" }, { err.code, err.message })
    untap()
    local acks = rig:record("to-server", function(node) return node.tag == "ack" and node.attrs.type == "mediaretry" end)
    tap.hand(rig, ben, kept)
    while #acks == 0 do task.sleep(0.001) end
    ben.client.media.retry.seconds = 30
    assert.equal("a photo", assert(load(ben, m)))
  end))

  it("is loaded although the connection was lost over the question", support.async(function()
    local rig <close>, ben, m = photo_gone()
    ben.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local dropped
    rig:tap(function(direction, node)
      if direction ~= "to-client" or node.attrs.type ~= "mediaretry" or dropped then return end
      dropped = true
      task.spawn(rig.admin, rig, "kick", { jid = tap.device_jid(ben), kind = "drop" })
      return false
    end)
    assert.equal("a photo", assert(load(ben, m)))
    assert.is_true(dropped)
  end))

  -- What somebody else says in the phone's place: what becomes of it.
  local lies = {
    { "about another message", "the phone's answer is about another message", function(m)
      return sealed(m, { stanzaId = "OTHER", directPath = "/v/x", result = "SUCCESS" })
    end },
    { "for another message", "the phone's answer cannot be opened", function(m)
      return sealed(m, { stanzaId = m.id, directPath = "/v/x", result = "SUCCESS" }, "OTHER")
    end },
    { "that is no answer", "the phone's answer cannot be opened", function()
      return stanza.node("encrypt", nil, { stanza.node("enc_p", nil, ("x"):rep(50)), stanza.node("enc_iv", nil, ("i"):rep(12)) })
    end },
    { "without a place", "the phone's answer names no place", function(m) return sealed(m, { stanzaId = m.id, result = "SUCCESS" }) end },
    { "that leads to another host", "the phone's answer names no place", function(m)
      return sealed(m, { stanzaId = m.id, directPath = "//evil.example/v/x", result = "SUCCESS" })
    end },
    { "that it could not", "the phone could not upload the file again", function(m) return sealed(m, { result = "GENERAL_ERROR" }) end },
    { "with another error", "the phone could not upload the file again (error 9)", function()
      return stanza.node("error", { code = "9" })
    end },
    { "of nothing", "the phone could not upload the file again (error unknown)", function() return nil end },
  }

  it("is not loaded by an answer that does not hold", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local lie
    answer_for_it(rig, ben, function() return lie(m) end)
    local before = m.media.reference.directPath
    for _, one in ipairs(lies) do
      lie = one[3]
      local _, err = load(ben, m)
      assert.same({ one[1], "media-phone", one[2], before }, { one[1], err.code, err.message, m.media.reference.directPath })
    end
  end))

  it("is not loaded by the answer of another account", support.async(function()
    local rig <close>, ben, m = photo_gone()
    ben.client.media.retry.seconds = 0.3
    answer_for_it(rig, ben, function() return sealed(m, { stanzaId = m.id, result = "NOT_FOUND" }) end, {
      from = "15550009999@s.whatsapp.net",
    })
    local _, err = load(ben, m)
    assert.equal("the phone has not answered within 0.3 s", err.message)
  end))

  it("ends with the client that waits for the phone", support.async(function()
    local rig <close>, ben, m = photo_gone()
    local asked = task.queue()
    rig:tap(function(direction, node)
      if direction == "to-server" and is_question(node) then
        asked:push(true)
        return false
      end
    end)
    local running = task.spawn(load, ben, m)
    assert(asked:pop(30))
    ben.client:close()
    local _, err = running:join(30)
    assert.equal("closed", err.code)
  end))
end)
