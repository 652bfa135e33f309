-- Good stanzas and Messages, spoiled by the hundred (spec/mutate.lua), over real sockets: whatever comes, client and sandbox go on, what is
-- wrong is an error with a code, nothing grows, and the next clean message is heard. A failure can be had again: the numbers are the same
-- each time.
local core = require "moonpost.core"
local kinds = require "spec.kinds"
local labels = require "moonpost.client.labels"
local mutate = require "spec.mutate"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

local proto = core.proto

local ROUNDS, BATCH = 3, 50 -- spoiled ones in all, and until a clean message
local STANZA_MOST, MESSAGE_MOST = 1000000, 300000 -- bytes of one
local GROWTH = 4 * 1024 -- KB

local ends = { failure = true, ["stream:error"] = true, xmlstreamend = true, success = true } -- of a connection, rightly

-- A sandbox that lets everything pass, Ana, and the bot Echo, which looks at all that it is told; a group, and a message of Echo's.
local function scene()
  local rig = start { strict = false }
  local ana, bot = rig:contact "Ana", rig:bot { own = true, durability = "process" }
  local self = { rig = rig, ana = ana, bot = bot, wrong = {} }
  bot:on("error", function(err)
    if type(err) ~= "table" or not err.code then self.wrong[#self.wrong + 1] = tostring(err) end
  end)
  bot:command("ping", function(ctx, args) ctx:reply("pong " .. args.text) end)
  for _, name in ipairs { "receipt", "group", "call", "missed_call", "presence", "typing" } do
    bot:on(name, function(event) assert(next(event)) end)
  end
  local function look(ctx)
    local m = bot:message(ctx.chat, ctx.id)
    assert(m == nil or m.id == ctx.id)
    ctx:reactions()
    if ctx.kind == "poll" then ctx:votes() elseif ctx.kind == "event" then ctx:responses() end
  end
  bot:on("message", look)
  for _, filter in ipairs { { place = "status" }, { place = "newsletter" }, { kind = "edit" }, { kind = "undecryptable" } } do
    bot:on("message", filter, look)
  end
  local me = rig:run(bot)
  self.me = me
  assert(ana.client:send(me.lid, "hello"))
  self.group = writer.make(rig, ana, { jid = me.jid })
  assert(ana.client:send(self.group, "hello"))
  self.sent = bot:send(ana.lid, "mine")
  for _, device in pairs(rig.sandbox.accounts:lookup(me.jid).devices) do self.device = device end
  return self
end

-- Ana writes; Echo answers her.
local function is_alive(self, round)
  assert(self.ana.client:send(self.me.lid, "!ping " .. round))
  repeat until self.ana:next(30).text == "pong " .. round
end

-- Does fn(i) for all rounds; nothing may have gone wrong but with a code, and nothing may have grown.
local function go(self, fn)
  local before
  for round = 0, ROUNDS do
    for i = 1, round == 0 and 10 or BATCH do
      fn(round * BATCH + i)
      task.sleep(0)
    end
    is_alive(self, round)
    collectgarbage()
    before = before or collectgarbage "count"
  end
  assert.same({}, self.wrong)
  assert.is_true(collectgarbage "count" - before < GROWTH, ("%.0f KB more"):format(collectgarbage "count" - before))
end

-- A sandbox that is not strict notes what it lets pass; a stumble of its own must not be among that.
local function close(self)
  for _, line in ipairs(self.rig.sandbox.violations) do assert.is_nil(line:find "stack traceback", line) end
  self.rig.sandbox.violations = {}
  self.rig:__close()
end

describe("a client that is sent spoiled", function()
  it("stanzas goes on", support.async(function()
    local self, random = scene(), mutate.random(5)
    local corpus = {}
    for _, node in ipairs(mutate.corpus("to-client", {
      ["120363000000000001@g.us"] = self.group, ["100@lid"] = self.ana.lid, ["100:5@lid"] = tap.device_jid(self.ana, "lid"),
      ["3EB0A1"] = self.sent.id,
    })) do
      if not ends[node.tag] then corpus[#corpus + 1] = node end
    end
    go(self, function(i)
      local node = mutate.stanza(random, random:pick(corpus), true)
      if random:below(2) == 0 then node.attrs.id = "M" .. i end
      local ok, bytes = pcall(core.wire.encode, node)
      if ok and bytes and #bytes < STANZA_MOST then tap.inject(self.device.connection, node) end
    end)
    close(self)
  end, 120))

  it("Messages goes on, in a chat of two, in a group and in a channel", support.async(function()
    local self, random = scene(), mutate.random(6)
    local ana, device = self.ana, tap.device_jid(self.ana, "lid")
    local function bytes_of()
      local message = random:pick(kinds)[2]
      local way = random:below(10)
      local ok, bytes = pcall(proto.encode, "Message", way < 8 and mutate.message(random, message) or message)
      bytes = ok and bytes or assert(proto.encode("Message", message))
      if way > 7 then bytes = mutate.bytes(random, bytes) end
      return #bytes < MESSAGE_MOST and bytes or "\10\1x"
    end
    go(self, function(i)
      local bytes = bytes_of()
      local attrs, more, meta = labels(proto.decode("Message", bytes) or {})
      local where = random:below(4)
      local enc
      attrs.id, attrs.t, attrs.notify = "M" .. i, tostring(math.floor(core.net.time())), "Ana"
      if where == 0 then
        attrs.from, attrs.participant, attrs.participant_pn, attrs.addressing_mode = self.group, device, ana.jid, "lid"
        enc = stanza.node("enc", { v = "2", type = "skmsg" }, assert(ana.client.account:encrypt_group(self.group, bytes)))
      elseif where == 1 then
        attrs.from, attrs.server_id = "120363000000000001@newsletter", tostring(i)
        enc = stanza.node("plaintext", nil, bytes)
      else
        attrs.from, attrs.sender_pn = device, ana.jid
        local one = ana.client.account:encrypt({ self.device:jid "lid" }, bytes)[1]
        enc = stanza.node("enc", { v = "2", type = one.type }, assert(one.ciphertext, tostring(one.error)))
      end
      for name, value in pairs(more) do enc.attrs[name] = value end
      tap.inject(self.device.connection, stanza.node("message", attrs, { enc, meta }))
    end)
    close(self)
  end, 120))

  it("answers to what it asks goes on, each failure having a code", support.async(function()
    local self, random, on = scene(), mutate.random(7), false
    local client, group = self.bot.client, self.group
    local ana, groups, news = self.ana.lid, client.groups, client.newsletters
    local channel = assert(news:create { name = "Garden" }).jid
    local asks = {
      function() return groups:refresh(group) end, function() return groups:list() end, function() return groups:invite_code(group) end,
      function() return groups:join_requests(group) end, function() return groups:set_subject(group, "Tea") end,
      function() return groups:promote(group, ana) end, function() return groups:set(group, { announce = false }) end,
      function() return groups:create { subject = "New", members = { ana } } end,
      function() return groups:preview "AbCdEfGhIjKlMnOpQrStUv" end,
      function() return news:list() end, function() return news:get(channel) end, function() return news:messages(channel) end,
      function() return client:send(channel, "text") end,
      function()
        client.devices:forget(ana)
        return client:send(ana, "text")
      end,
      function()
        groups:forget(group)
        return client:send(group, "text")
      end,
    }
    local check = self.rig.sandbox.check
    function self.rig.sandbox.check(...)
      local passed, _, conn, direction, node = check(...), ...
      if not on or direction ~= "to-client" or conn.device ~= self.device or node.tag ~= "iq" and node.tag ~= "ack" then return passed end
      for name, value in pairs(node.attrs) do node.attrs[name] = tostring(value) end
      local spoiled = mutate.stanza(random, node, true)
      local ok, bytes = pcall(core.wire.encode, spoiled)
      if not ok or #bytes > STANZA_MOST then return passed end
      for _, name in ipairs { "id", "type", "class", "from" } do spoiled.attrs[name] = node.attrs[name] end
      node.attrs, node.content = spoiled.attrs, spoiled.content
      return passed
    end
    go(self, function(i)
      on = true
      local done = task.spawn(function() return table.pack(pcall(random:pick(asks))) end)
      local result = assert(done:join(40), "it waits for ever: " .. i)
      on = false
      local err = not result[1] and result[2] or not result[2] and result[3] or nil
      assert(err == nil or type(err) == "table" and err.code, tostring(err))
    end)
    close(self)
  end, 120))
end)

describe("a sandbox that is sent spoiled stanzas", function()
  it("goes on, and stumbles over none", support.async(function()
    local self, random = scene(), mutate.random(8)
    local mallory = tap.quick(self.rig, "Mallory")
    local corpus = mutate.corpus("to-server", {
      ["120363000000000001@g.us"] = self.group, ["100@lid"] = self.ana.lid, ["100:5@lid"] = tap.device_jid(self.ana, "lid"),
    })
    go(self, function(i)
      local node = mutate.stanza(random, random:pick(corpus), true)
      if random:below(2) == 0 then node.attrs.id = "M" .. i end
      local ok, bytes = pcall(core.wire.encode, node)
      if not ok or #bytes > STANZA_MOST then return end
      local conn = mallory.device.connection
      if not conn or conn.dead or conn.closing then assert(mallory.online:pop(30)) end
      mallory.client.connection:send(node)
    end)
    close(self)
  end, 120))

  it("lets a phone pass over a letter that holds nothing", support.async(function()
    local self = scene()
    local noted = task.queue()
    function self.rig.sandbox.note(_, text) noted:push(text) end
    for _, content in ipairs { false, { stanza.node "x" } } do
      local off = self.rig:tap(function(direction, node)
        if direction ~= "to-server" or node.tag ~= "message" then return end
        for _, to in stanza.children(stanza.child(node, "participants"), "to") do
          if to.attrs.jid == self.me.lid then stanza.child(to, "enc").content = content or nil end
        end
      end)
      assert(self.ana.client:send(writer.make(self.rig, self.ana, { jid = self.me.jid }), "with a sender key"))
      off()
      repeat until assert(noted:pop(30)):find "cannot read a message of .*: p?k?msg"
    end
    is_alive(self, 1)
    close(self)
  end))
end)
