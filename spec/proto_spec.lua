--- The protobuf codec: what goes in comes out, exactly; what is wrong is said, with its path.
local proto = require("moonpost.core").proto

local function hex(bytes) return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end
local function unhex(text) return (text:gsub("%s", ""):gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)) end

local function encoded(name, value) return hex(assert(proto.encode(name, value))) end
local function decoded(name, text) return assert(proto.decode(name, unhex(text))) end

-- The error of a decoding or encoding that must fail.
local function failure(result, err)
  assert.is_nil(result)
  assert.is_string(err.code)
  assert.equal(err.message, tostring(err))
  return err
end

local function varint(value)
  local bytes = {}
  repeat
    local rest = value >> 7
    bytes[#bytes + 1] = string.char(value & 0x7f | (rest ~= 0 and 0x80 or 0))
    value = rest
  until value == 0
  return table.concat(bytes)
end
local function field(number, content) return varint(number << 3 | 2) .. varint(#content) .. content end

-- Writes `value`, reads it back.
local function round(name, value) return assert(proto.decode(name, assert(proto.encode(name, value)))) end

describe("protobuf numbers", function()
  it("keeps 64 bits exactly, above and below 2^53 and 2^63", function()
    for _, value in ipairs { 0, 1, 2 ^ 53 | 0, (1 << 53) + 1, math.maxinteger, math.mininteger, -1 } do
      assert.equal(value, round("ADVDeviceIdentity", { timestamp = value }).timestamp)
      assert.equal(value, round("Message.ReactionMessage", { senderTimestampMs = value }).senderTimestampMs)
      assert.equal(value, round("EphemeralSetting", { timestamp = value }).timestamp)
      assert.equal(value, round("SignedPreKeyRecordStructure", { timestamp = value }).timestamp)
    end
  end)

  it("writes the largest uint64 as ten bytes and reads it as -1", function()
    assert.equal("10ffffffffffffffffff01", encoded("ADVDeviceIdentity", { timestamp = -1 }))
    assert.equal(-1, decoded("ADVDeviceIdentity", "10ffffffffffffffffff01").timestamp)
  end)

  it("writes a negative int32 as ten bytes and reads it in ten and in five", function()
    assert.equal("70ffffffffffffffffff01", encoded("ClientPayload", { shards = { -1 } }))
    assert.same({ -1 }, decoded("ClientPayload", "70ffffffffffffffffff01").shards)
    assert.same({ -1 }, decoded("ClientPayload", "70ffffffff0f").shards)
  end)

  it("keeps the limits of 32 bits, signed, unsigned and fixed", function()
    for _, value in ipairs { math.tointeger(-2 ^ 31), -1, 0, math.tointeger(2 ^ 31 - 1) } do
      assert.equal(value, round("ClientPayload", { sessionId = value }).sessionId)
      assert.equal(value, round("ClientPayload", { lc = value }).lc)
    end
    for _, value in ipairs { 0, 1 << 31, (1 << 32) - 1 } do
      assert.equal(value, round("ADVDeviceIdentity", { rawId = value }).rawId)
      assert.equal(value, round("Message.ExtendedTextMessage", { textArgb = value }).textArgb)
    end
  end)

  it("keeps doubles exactly and floats to their precision", function()
    local expression = round("AIRichResponseLatexMetadata.AIRichResponseLatexExpression", { width = 0.1, height = -math.huge })
    assert.equal(0.1, expression.width)
    assert.equal(-math.huge, expression.height)
    assert.equal(0.5, round("ContextInfo.DataSharingContext.Parameters", { floatData = 0.5 }).floatData)
    local nan = round("ContextInfo.DataSharingContext.Parameters", { floatData = 0 / 0 }).floatData
    assert.is_true(nan ~= nan)
  end)

  it("takes a float that is an integer for an integer", function()
    assert.equal("0807", encoded("ADVDeviceIdentity", { rawId = 7.0 }))
  end)

  it("refuses a number that does not fit", function()
    for _, value in ipairs { -1, 1 << 32, math.maxinteger, math.mininteger } do
      local err = failure(proto.encode("ADVDeviceIdentity", { rawId = value }))
      assert.equal(("ADVDeviceIdentity.rawId: %d does not fit the field"):format(value), err.message)
    end
    failure(proto.encode("ClientPayload", { lc = 1 << 31 }))
    failure(proto.encode("ClientPayload", { sessionId = -(1 << 31) - 1 }))
    assert.equal("ADVDeviceIdentity.rawId: an integer is expected, got 1.5",
      failure(proto.encode("ADVDeviceIdentity", { rawId = 1.5 })).message)
    assert.matches("got 1e%+300$", failure(proto.encode("ADVDeviceIdentity", { timestamp = 1e300 })).message)
  end)
end)

describe("protobuf enums", function()
  it("are names when the schema has one", function()
    assert.equal("HOSTED", decoded("ADVDeviceIdentity", "2001").accountType)
  end)

  it("are written by name and by number", function()
    assert.equal("2001", encoded("ADVDeviceIdentity", { accountType = "HOSTED" }))
    assert.equal("2001", encoded("ADVDeviceIdentity", { accountType = 1 }))
  end)

  it("are kept as numbers when newer than the schema, and written back", function()
    local identity = decoded("ADVDeviceIdentity", "2063")
    assert.equal(99, identity.accountType)
    assert.equal("2063", encoded("ADVDeviceIdentity", identity))
    assert.equal("20ffffffffffffffffff01", encoded("ADVDeviceIdentity", decoded("ADVDeviceIdentity", "20ffffffffffffffffff01")))
  end)

  it("of a list are names and numbers side by side", function()
    local known = decoded("BotCapabilityMetadata", "0801").capabilities[1]
    assert.is_string(known)
    assert.same({ known, 98765 }, decoded("BotCapabilityMetadata", hex(unhex "0801" .. "\8" .. varint(98765))).capabilities)
    assert.equal("080108cd8306", encoded("BotCapabilityMetadata", { capabilities = { known, 98765 } }))
  end)

  it("refuse a name the schema does not have, and what is neither name nor number", function()
    assert.equal("ADVDeviceIdentity.accountType: 'HOSTLY' is no value of this enum",
      failure(proto.encode("ADVDeviceIdentity", { accountType = "HOSTLY" })).message)
    for _, value in ipairs { true, 1.5, { 1 }, 1 << 31 } do
      assert.equal("ADVDeviceIdentity.accountType: an enum name or number is expected",
        failure(proto.encode("ADVDeviceIdentity", { accountType = value })).message)
    end
  end)
end)

describe("protobuf fields", function()
  it("that are not set stay unset, apart from zero, false and empty", function()
    assert.same({}, decoded("Message.ExtendedTextMessage", ""))
    assert.same({ text = "", textArgb = 0, doNotPlayInline = false },
      round("Message.ExtendedTextMessage", { text = "", textArgb = 0, doNotPlayInline = false }))
    assert.equal("", encoded("Message.ExtendedTextMessage", {}))
  end)

  it("keep an empty message apart from none", function()
    assert.same({ extendedTextMessage = {} }, round("Message", { extendedTextMessage = {} }))
  end)

  it("that are required may be missing on input", function()
    assert.same({ subtitle = "x" }, decoded("Citation", "120178"))
  end)

  it("are written in number order, however the table was made", function()
    local key = {}
    for _, name in ipairs { "participant", "id", "fromMe", "remoteJid" } do key[name] = name == "fromMe" or name end
    assert.equal(hex(field(1, "remoteJid") .. "\16\1" .. field(3, "id") .. field(4, "participant")), encoded("MessageKey", key))
  end)

  it("of bytes hold any byte", function()
    local all = {}
    for i = 0, 255 do all[i + 1] = string.char(i) end
    local bytes = table.concat(all)
    assert.equal(bytes, round("MessageContextInfo", { messageSecret = bytes }).messageSecret)
  end)

  it("of text hold any character", function()
    for _, text in ipairs { "\0", "\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}" } do
      assert.equal(text, round("Message", { conversation = text }).conversation)
    end
  end)

  it("of text are written as UTF-8 or not at all", function()
    for text, at in pairs { ["a\xffb"] = 2, ["\xc0\x80"] = 1, ["é\xed\xa0\x80"] = 3, ["ab\xe2\x82"] = 3, ["\xf4\x90\x80\x80"] = 1 } do
      local bytes, err = proto.encode("Message", { extendedTextMessage = { text = text } })
      assert.is_nil(bytes)
      assert.equal(("Message.extendedTextMessage.text: the text is not UTF-8 (byte %d)"):format(at), tostring(err))
      assert.equal("invalid", err.code)
    end
    local bytes, err = proto.encode("StoreDevices", { jids = { "fine", "\xff" } })
    assert.is_nil(bytes)
    assert.matches("^StoreDevices.jids", tostring(err))
  end)

  it("of text that is not UTF-8 are read with a replacement for each byte that is none", function()
    for came, read in pairs {
      ["a\xffb"] = "a\u{fffd}b",
      ["\xe2\x82"] = "\u{fffd}\u{fffd}", ["\xffé\xc3"] = "\u{fffd}é\u{fffd}",
      [("\x80"):rep(5000)] = ("\u{fffd}"):rep(5000),
    } do
      local message = assert(proto.decode("Message", field(1, came)))
      assert.equal(read, message.conversation)
      assert.equal(read, round("Message", message).conversation)
    end
    assert.same({ "\u{fffd}", "b" }, assert(proto.decode("StoreDevices", field(1, "\xff") .. field(1, "b"))).jids)
  end)

  it("take the last of a value that came twice", function()
    assert.equal("b", decoded("Message", "0a0161 0a0162").conversation)
  end)

  it("merge a message that came twice", function()
    local twice = field(6, field(1, "text")) .. field(6, field(2, "match"))
    assert.same({ text = "text", matchedText = "match" }, assert(proto.decode("Message", twice)).extendedTextMessage)
  end)

  it("of a oneof replace one another", function()
    local buttons = field(1, "text") .. field(2, "")
    assert.same({ documentMessage = {} }, assert(proto.decode("Message.ButtonsMessage", buttons)))
  end)

  it("longer than 127 bytes get a longer length", function()
    for _, length in ipairs { 127, 128, 16383, 16384, 70000 } do
      local text = ("x"):rep(length)
      assert.equal(text, round("Message", { extendedTextMessage = { contextInfo = { quotedMessage = { conversation = text } } } })
        .extendedTextMessage.contextInfo.quotedMessage.conversation)
    end
  end)
end)

describe("protobuf lists", function()
  it("are written packed where the schema says so, and read either way", function()
    assert.equal("2203010203", encoded("ADVKeyIndexList", { validIndexes = { 1, 2, 3 } }))
    assert.same({ 1, 2, 3 }, decoded("ADVKeyIndexList", "2203010203").validIndexes)
    assert.same({ 1, 2, 3 }, decoded("ADVKeyIndexList", "2001 2002 2003").validIndexes)
    assert.same({ 1, 2, 3 }, decoded("ADVKeyIndexList", "2001 22020203").validIndexes)
  end)

  it("are written one by one elsewhere, and read either way", function()
    assert.equal("10011002", encoded("BotModeSelectionMetadata", { overrideMode = { 1, 2 } }))
    assert.same({ 1, 2, 300 }, decoded("BotModeSelectionMetadata", "1201 01 1002 10ac02").overrideMode)
  end)

  it("of messages and of strings keep their order", function()
    local info = { mentionedJid = { "a", "", "c" } }
    assert.same(info, round("ContextInfo", info))
    local record = { previousSessions = { { sessionVersion = 1 }, {}, { sessionVersion = 3 } } }
    assert.same(record, round("RecordStructure", record))
  end)

  it("that are empty leave no byte", function()
    assert.equal("", encoded("ADVKeyIndexList", { validIndexes = {} }))
    assert.equal("", encoded("ContextInfo", { mentionedJid = {} }))
  end)

  it("must be tables of what the field holds", function()
    assert.equal("ContextInfo.mentionedJid: an array is expected, got string",
      failure(proto.encode("ContextInfo", { mentionedJid = "a" })).message)
    assert.equal("ContextInfo.mentionedJid: a string is expected, got number",
      failure(proto.encode("ContextInfo", { mentionedJid = { "a", 7 } })).message)
  end)
end)

describe("unknown protobuf fields", function()
  local everything = "a03f01" .. "a23f03616263" .. "a53f01020304" .. "a13f0102030405060708" -- number 1012, every wire type

  it("of every wire type are kept and written back byte by byte", function()
    local message = decoded("Message", "0a0161" .. everything)
    assert.equal("a", message.conversation)
    assert.equal(everything, hex(message._unknown))
    assert.equal("0a0161" .. everything, encoded("Message", message))
  end)

  it("are kept deep inside", function()
    local bytes = field(6, field(1, "hi") .. field(17, field(1, "id") .. field(900, "new")))
    assert.equal(bytes, proto.encode("Message", assert(proto.decode("Message", bytes))))
  end)

  it("are written back where their number belongs, between the known ones", function()
    local bytes = field(1, "a") .. field(17, "new") .. field(31, "") .. field(500, "newer")
    assert.equal(hex(bytes), encoded("Message", assert(proto.decode("Message", bytes))))
  end)

  it("are brought into number order, those of one number in the order they came", function()
    local bytes = field(900, "1") .. field(17, "2") .. field(900, "3") .. field(1, "a")
    assert.equal(field(17, "2") .. field(900, "1") .. field(900, "3"), assert(proto.decode("Message", bytes))._unknown)
    assert.equal(hex(field(1, "a") .. field(17, "2") .. field(900, "1") .. field(900, "3")),
      encoded("Message", assert(proto.decode("Message", bytes))))
  end)

  it("include a known number with a wire type that does not fit", function()
    local message = decoded("Message", "0801")
    assert.same({ _unknown = "\8\1" }, message)
    assert.equal("0801", encoded("Message", message))
  end)

  it("of two halves of one message are joined", function()
    local bytes = field(6, field(901, "b")) .. field(6, field(900, "a"))
    assert.equal(field(900, "a") .. field(901, "b"), assert(proto.decode("Message", bytes)).extendedTextMessage._unknown)
  end)

  it("of 600 KB in a hundred thousand pieces take no quadratic work", function()
    local bytes = ("\xa0\x3f\1\xa0\x3f\2"):rep(100000) -- quadratic, this would copy 60 GB
    local message = assert(proto.decode("Message", bytes))
    assert.equal(bytes, message._unknown)
    assert.equal(bytes, proto.encode("Message", message))
  end)

  it("of more than a megabyte are refused", function()
    local err = failure(proto.decode("Message", ("\xa0\x3f\1"):rep(400000)))
    assert.equal("limit", err.code)
    assert.equal("Message: more than 1048576 bytes of unknown fields", err.message)
    err = failure(proto.decode("Message", field(6, field(900, ("x"):rep(600000))):rep(2)))
    assert.equal("Message.extendedTextMessage: more than 1048576 bytes of unknown fields", err.message)
  end)

  it("must be whole fields in a string", function()
    assert.equal("Message: '_unknown' does not hold whole fields", failure(proto.encode("Message", { _unknown = "\xa2\x3f\5ab" })).message)
    assert.equal("Message: '_unknown' must be a string, not a table", failure(proto.encode("Message", { _unknown = {} })).message)
  end)
end)

describe("a protobuf value of the wrong type", function()
  local function wrong(message, name, expected, ...)
    for _, value in ipairs { ... } do
      assert.equal(("%s.%s: %s is expected, got %s"):format(message, name, expected, type(value)),
        failure(proto.encode(message, { [name] = value })).message)
    end
  end

  it("is named, at every type", function()
    wrong("Message", "conversation", "a string", 1, true, {}, print)
    wrong("ADVSignedDeviceIdentity", "details", "a string", 1, true, {}, print)
    wrong("MessageKey", "fromMe", "a boolean", 1, "true", {}, print)
    wrong("ADVDeviceIdentity", "rawId", "an integer", "1", true, {}, print)
    wrong("ADVDeviceIdentity", "timestamp", "an integer", "1", true, {}, print)
    wrong("ClientPayload", "lc", "an integer", "1", true, {}, print)
    wrong("Message.ReactionMessage", "senderTimestampMs", "an integer", "1", true, {}, print)
    wrong("ClientPayload", "sessionId", "an integer", "1", true, {}, print)
    wrong("EphemeralSetting", "timestamp", "an integer", "1", true, {}, print)
    wrong("Message.ExtendedTextMessage", "textArgb", "an integer", "1", true, {}, print)
    wrong("SignedPreKeyRecordStructure", "timestamp", "an integer", "1", true, {}, print)
    wrong("ContextInfo.DataSharingContext.Parameters", "floatData", "a number", "1", true, {}, print)
    wrong("AIRichResponseLatexMetadata.AIRichResponseLatexExpression", "width", "a number", "1", true, {}, print)
    wrong("Message", "extendedTextMessage", "a table", 1, true, "x", print)
  end)

  it("is named with its whole path", function()
    assert.equal("Message.extendedTextMessage.contextInfo.quotedMessage.conversation: a string is expected, got number",
      failure(proto.encode("Message", { extendedTextMessage = { contextInfo = { quotedMessage = { conversation = 1 } } } })).message)
  end)

  it("under a name the schema does not have is refused", function()
    assert.equal("Message.extendedTextMessage: there is no field 'txt'",
      failure(proto.encode("Message", { extendedTextMessage = { txt = "x" } })).message)
    assert.equal("Message: a field's name is expected, got a number", failure(proto.encode("Message", { "x" })).message)
  end)

  it("to the functions themselves is an error at the caller's line", function()
    assert.error_matches(function() proto.encode("Message") end, "bad argument #2 to 'encode' %(table expected, got no value%)")
    assert.error_matches(function() proto.decode("Message", {}) end, "bad argument #2 to 'decode' %(string expected, got table%)")
    assert.error_matches(function() proto.decode("Massage", "") end, "the schema has no message 'Massage'")
  end)
end)

describe("hostile protobuf bytes", function()
  it("say where they are wrong", function()
    local err = failure(proto.decode("Message", field(6, field(17, "\10\5abc"))))
    assert.equal("truncated", err.code)
    assert.equal("Message.extendedTextMessage.contextInfo.stanzaId: the length goes beyond the data", err.message)
  end)

  it("truncated anywhere never decode to more than they hold", function()
    local context = { mentionedJid = { "a", "b" }, isForwarded = true }
    local message = { extendedTextMessage = { text = "hello", textArgb = 7, contextInfo = context } }
    local bytes = assert(proto.encode("Message", message))
    for length = 1, #bytes - 1 do
      local err = failure(proto.decode("Message", bytes:sub(1, length)))
      assert.matches("^Message[%w.]*: ", err.message)
    end
  end)

  it("with a length beyond any memory are refused", function()
    assert.equal("Message.conversation: the length goes beyond the data",
      failure(proto.decode("Message", unhex "0affffffffffffffffff01")).message)
    assert.equal("ADVKeyIndexList.validIndexes: the length goes beyond the data",
      failure(proto.decode("ADVKeyIndexList", unhex "22ffffffff0f01")).message)
  end)

  it("with an overlong number are refused, with a padded one read", function()
    assert.equal(1, decoded("ADVDeviceIdentity", "0881808080808080808000").rawId)
    for _, bytes in ipairs { "088180808080808080808000", "08ffffffffffffffffff02", "08ffffffffffffffffffff01" } do
      assert.equal("ADVDeviceIdentity.rawId: the number ends too early or is too long",
        failure(proto.decode("ADVDeviceIdentity", unhex(bytes))).message)
    end
  end)

  it("with a field number of zero, an overlong tag, a group or an unknown wire type are refused", function()
    for _, bytes in ipairs { "00", "02", "ffffffffff01", "8080808080808080808001" } do
      assert.equal("Message: a field's tag is malformed", failure(proto.decode("Message", unhex(bytes))).message)
    end
    assert.equal("Message: unknown field 1 of wire type 3 is malformed", failure(proto.decode("Message", unhex "0b0c")).message)
    assert.equal("Message: unknown field 1 of wire type 4 is malformed", failure(proto.decode("Message", unhex "0c")).message)
    assert.equal("Message: unknown field 1 of wire type 7 is malformed", failure(proto.decode("Message", unhex "0f")).message)
  end)

  it("with a packed list that ends in a number are refused", function()
    assert.equal("ADVKeyIndexList.validIndexes: a packed list ends too early",
      failure(proto.decode("ADVKeyIndexList", unhex "22020180")).message)
  end)

  it("nested a thousand deep are refused, sixty deep are read", function()
    local function nested(depth)
      local bytes = ""
      for _ = 1, depth do bytes = field(37, field(1, bytes)) end -- viewOnceMessage { message }
      return bytes
    end
    local err = failure(proto.decode("Message", nested(1000)))
    assert.equal("limit", err.code)
    assert.matches("nested deeper than 64 messages$", err.message)
    assert.equal(nested(30), proto.encode("Message", assert(proto.decode("Message", nested(30)))))
  end)

  it("that repeat one message for ever are refused", function()
    local err = failure(proto.decode("Message", field(6, field(900, "")):rep(100000)))
    assert.equal("limit", err.code)
    assert.equal("Message.extendedTextMessage: more than 100 repetitions of what may come once", err.message)
  end)

  it("that hold ever more empty messages are refused", function()
    local err = failure(proto.decode("RecordStructure", ("\18\0"):rep(100001)))
    assert.equal("limit", err.code)
    assert.equal("RecordStructure.previousSessions: more than 100000 messages", err.message)
  end)

  it("of any kind never crash", function()
    math.randomseed(17)
    local valid = assert(proto.encode("Message", { extendedTextMessage = { text = "hi", contextInfo = { mentionedJid = { "a" } } } }))
    for _ = 1, 2000 do
      local at = math.random(#valid)
      local bytes = valid:sub(1, at - 1) .. string.char(math.random(0, 255)) .. valid:sub(at + 1)
      local message, err = proto.decode("Message", bytes)
      if message then assert(proto.encode("Message", message)) else assert.matches("^Message", err.message) end
    end
  end)
end)

describe("a protobuf table", function()
  it("that holds itself is refused", function()
    local message = {}
    message.viewOnceMessage = { message = message }
    local err = failure(proto.encode("Message", message))
    assert.equal("limit", err.code)
    assert.matches("nested deeper than 64 messages$", err.message)
  end)
end)
