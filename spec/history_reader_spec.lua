-- Reading a chunk of history as it comes (fact sheet 06 §13): core.history.reader.
local core = require "moonpost.core"

local proto, wire = core.proto, core.wire

local function message(id, time, text)
  return { message = {
    key = { remoteJid = "491@s.whatsapp.net", fromMe = false, id = id }, messageTimestamp = time, message = { conversation = text or id },
  } }
end

local function pack(history)
  history.syncType = history.syncType or "RECENT"
  return assert(proto.encode("HistorySync", history))
end

-- What a reader hands out of bytes that are fed in pieces of a size: {kind, what it holds, number}; an error in place of the rest.
local function read(bytes, size, options)
  local reader <close> = assert(core.history.reader(options or {}))
  local items, at = {}, 1
  while true do
    local kind, content, number = reader:next()
    if kind == "end" then return items, nil, reader:counts() end
    if not kind and content then return items, content, reader:counts() end
    if kind and kind ~= "pause" then items[#items + 1] = { kind, content, number } end
    if not kind and at <= #bytes then
      reader:feed(bytes:sub(at, at + size - 1))
      at = at + size
    elseif not kind then
      reader:finish()
    end
  end
end

local types = { message = "WebMessageInfo", status = "WebMessageInfo", conversation = "Conversation", fields = "HistorySync" }

local function kinds_of(items)
  local list = {}
  for i, item in ipairs(items) do list[i] = item[1] end
  return table.concat(list, " ")
end

local function decoded(item) return assert(proto.decode(types[item[1]], item[2])) end

local function deflate(bytes) return assert(wire.deflate(bytes)) end

-- A field with a length; what it holds begins with that.
local function field(number, content) return string.char(number << 3 | 2) .. content end

describe("a reader of history", function()
  local history = pack {
    chunkOrder = 3, progress = 70, pushnames = { { id = "491@s.whatsapp.net", pushname = "Ana" } },
    conversations = {
      { id = "491@s.whatsapp.net", messages = { message("B", 20), message("A", 10) }, name = "Ana", unreadCount = 2 },
      { id = "492@s.whatsapp.net" },
    },
    statusV3Messages = { message("S", 5).message },
    phoneNumberToLidMappings = { { pnJid = "491@s.whatsapp.net", lidJid = "1@lid" } },
  }

  it("hands out messages one by one, then their conversation, and the other fields in the end", function()
    local items = read(deflate(history), 1000)
    assert.equal("message message conversation conversation status fields", kinds_of(items))
    assert.equal("B", decoded(items[1]).key.id)
    assert.equal("A", decoded(items[2]).message.conversation)
    assert.same({ id = "491@s.whatsapp.net", name = "Ana", unreadCount = 2 }, decoded(items[3]))
    assert.same({ 1, 1, 1, 2 }, { items[1][3], items[2][3], items[3][3], items[4][3] })
    assert.equal("S", decoded(items[5]).key.id)
    local rest = decoded(items[6])
    assert.same({ "RECENT", 3, 70, "Ana", "1@lid" }, {
      rest.syncType, rest.chunkOrder, rest.progress, rest.pushnames[1].pushname, rest.phoneNumberToLidMappings[1].lidJid,
    })
  end)

  it("reads the same whatever pieces it is fed, deflated or not", function()
    local whole = read(deflate(history), 1000)
    for _, size in ipairs { 1, 2, 3, 7, 64 } do
      assert.same(whole, (read(deflate(history), size)))
      assert.same(whole, (read(history, size, { plain = true })))
    end
  end)

  it("passes over messages before a time", function()
    local items, _, counts = read(deflate(history), 1000, { since = 15 })
    assert.equal("message conversation conversation fields", kinds_of(items))
    assert.equal("B", decoded(items[1]).key.id)
    assert.equal(1, counts.messages)
  end)

  it("goes on where another has been", function()
    local whole = read(deflate(history), 1000)
    for skip = 0, #whole do
      assert.same(table.move(whole, skip + 1, #whole, 1, {}), (read(deflate(history), 5, { skip = skip })))
    end
  end)

  it("reads a conversation of any length in little memory", function()
    local messages = {}
    for i = 1, 20000 do messages[i] = message("ID" .. i, i, ("text %d "):format(i):rep(50)) end
    local zipped = deflate(pack { conversations = { { id = "491@s.whatsapp.net", messages = messages } } })
    messages = nil
    assert.is_nil(messages)
    local reader <close> = assert(core.history.reader {})
    collectgarbage()
    local before, most, count = collectgarbage "count", 0, 0
    reader:feed(zipped)
    repeat
      local kind = reader:next()
      if kind == "message" then count = count + 1 end
      if not kind then reader:finish() end
      if count % 1000 == 0 then
        collectgarbage()
        most = math.max(most, collectgarbage "count")
      end
    until kind == "end"
    assert.equal(20000, count)
    assert.is_true(reader:counts().inflated > 10e6)
    assert.is_true(most - before < 1024, ("%.0f KB"):format(most - before))
  end)

  it("makes a pause when it finds nothing for long", function()
    local reader <close> = assert(core.history.reader { since = 1000 })
    local messages, pauses = {}, 0
    for i = 1, 4000 do messages[i] = message("ID" .. i, i % 900, ("x"):rep(1000)) end
    reader:feed(deflate(pack { conversations = { { id = "491@s.whatsapp.net", messages = messages } } }))
    reader:finish()
    for kind in reader.next, reader do
      if kind == "pause" then pauses = pauses + 1 end
      if kind == "end" then break end
    end
    assert.is_true(pauses >= 3)
  end)

  describe("tells what is wrong, and where:", function()
    local function refused(bytes, code, text, options)
      local _, err = read(bytes, 1000, options)
      assert.is_table(err, "it was read")
      assert.equal(code, err.code)
      assert.truthy(err.message:find(text, 1, true), err.message)
    end

    it("garbage", function() refused("this is no zlib stream", "malformed", "zlib stream is damaged") end)

    it("a stream that is cut, anywhere", function()
      local zipped = deflate(history)
      for length = 0, #zipped - 1 do
        local _, err = read(zipped:sub(1, length), 1000)
        assert.equal("truncated", err and err.code, length)
      end
    end)

    it("a message cut short inside its stream", function()
      refused(deflate(history:sub(1, 30)), "truncated", "field 2 is longer than the history")
    end)

    it("a field that never ends", function()
      refused(deflate("\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), "truncated", "conversation 1 ends too early")
      refused(deflate("\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f" .. ("x"):rep(100)), "truncated", "longer than the history")
    end)

    it("a message that is longer than its conversation", function()
      refused(field(2, "\5\x12\x20abc") .. ("x"):rep(40), "malformed", "field 2 of conversation 1 is longer than the conversation",
        { plain = true })
    end)

    it("a number that does not end, a field of no kind", function()
      refused("\x08" .. ("\xff"):rep(20), "malformed", "field 1 of wire type 0 is malformed, at byte 0", { plain = true })
      refused("\x0b\x08\1\x0c", "malformed", "field 1 of wire type 3", { plain = true })
      refused("\0\0", "malformed", "a field's tag is malformed", { plain = true })
    end)

    it("a message whose own fields do not fit", function()
      refused(field(2, "\6\x12\4\x0a\x7fab"), "malformed", "a message of conversation 1 is malformed", { plain = true })
    end)

    it("a bomb: more than 256 MiB", function()
      -- by hand: the header of a field of a terabyte, then, as often as need be, "258 times the byte before" in 13 bits (RFC 1951)
      local bits = { "1", "10" } -- the last block, of fixed codes
      for byte in ("\x3a\x80\x80\x80\x80\x80\x20x"):gmatch "." do
        local code, length = byte:byte() + 0x30, 8
        if byte:byte() > 143 then code, length = byte:byte() - 144 + 0x190, 9 end
        for i = length - 1, 0, -1 do bits[#bits + 1] = tostring(code >> i & 1) end
      end
      local function bytes_of(text)
        return (text:sub(1, #text // 8 * 8):gsub(("."):rep(8), function(one) return string.char(tonumber(one:reverse(), 2)) end))
      end
      local head, eight = table.concat(bits), ("11000101" .. "00000"):rep(8)
      local start = bytes_of(head .. eight .. eight)
      local bomb = "\x78\x9c" .. start .. start:sub(-13):rep(140000)
      assert.is_true(#bomb < 2e6)
      refused(bomb, "limit", "inflates to more than 268435456 bytes")
    end)

    it("too many conversations", function()
      refused(field(2, "\0"):rep(50001), "limit", "more than 50000 conversations", { plain = true })
    end)
  end)

  it("passes over what is too large, and counts it", function()
    local large = ("x"):rep(2 * 1024 * 1024)
    local bytes = pack {
      conversations = { { id = "491@s.whatsapp.net", messages = { message("A", 1, large), message("B", 2) }, description = large } },
      threadIdUserSecret = large, chunkOrder = 4,
    }
    local items, err, counts = read(deflate(bytes), 65536)
    assert.is_nil(err)
    assert.equal("message conversation fields", kinds_of(items))
    assert.equal("B", decoded(items[1]).key.id)
    assert.is_nil(decoded(items[2]).description)
    assert.equal(4, decoded(items[3]).chunkOrder)
    assert.equal(3, counts.skipped)
  end)

  it("is fed when it has read what came before, and no more when it is closed", function()
    local reader = assert(core.history.reader {})
    reader:feed "\x78"
    assert.has_error(function() reader:feed "\x9c" end)
    assert.is_nil(reader:next())
    reader:feed "\x9c"
    reader:close()
    assert.has_error(function() reader:next() end)
    assert.has_error(function() core.history.reader { skip = -1 } end)
  end)
end)
