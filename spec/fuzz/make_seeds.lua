-- Writes the seed corpora: usage lua5.4 spec/fuzz/make_seeds.lua (from the root, after scripts/build). The result is committed,
-- beside inputs that were findings once (their names begin with "found-").
package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path
package.cpath = "./build/lua/?.so;" .. package.cpath
local core = require "moonpost.core"
local wire, proto = core.wire, core.proto

local function seed(target, name, bytes)
  local folder = "spec/fuzz/seeds/" .. target .. "_fuzz"
  os.execute("mkdir -p " .. folder)
  local file = assert(io.open(folder .. "/" .. name, "wb"))
  file:write(bytes)
  assert(file:close())
end

local function node(tag, attrs, content) return { tag = tag, attrs = attrs or {}, content = content } end

-- Frames: programs of steps (frame_fuzz.c).
seed("frame", "client", "\0\192hello world 1234\5\0\0\2ab\193\192more of the same")
seed("frame", "server", "\1\7WA\6\3\0\0\1\1x\192hello world 1234")
seed("frame", "routing", "\1\12ED\0\1\0\0\5route\4WA\6\3\4\0\0\1z")
seed("frame", "announced", "\0\3\255\255\255\193\150\150\150")
seed("frame", "too-much", "\0\3\0\255\255\191\130")

-- Nodes
local message = node("message", { to = "491234567@s.whatsapp.net", id = "3EB0ABCDEF012345", type = "text", phash = "2:aabbccdd" }, {
  node("participants", nil, {
    node("to", { jid = "491234567:12@s.whatsapp.net" }, { node("enc", { v = "2", type = "pkmsg" }, ("\1\2\3"):rep(20)) }),
    node("to", { jid = "99887766:3@lid" }, { node("enc", { v = "2", type = "msg" }, "ciphertext") }),
  }),
  node("device-identity", nil, "\10\4abcd"),
})
local jids = node("iq", {
  from = "12:34@hosted", to = "7-123:0@interop", jid = "55@msgr", participant = "1:2@hosted.lid", recipient = "123-456@g.us",
  peer_recipient_pn = "status@broadcast", t = "1700000000", hash = "ABCDEF", name = "Zoë \240\159\146\154",
})
local stanzas = {
  message = message, jids = jids, success = node("success", { t = 1, lid = "4@lid" }), text = { tag = "ib", text = "urn:xmpp:ping" },
}
for name, stanza in pairs(stanzas) do
  local bytes = wire.encode(stanza)
  seed("node", name, bytes)
  seed("node", name .. "-deflated", "\2" .. assert(wire.deflate(bytes:sub(2))))
  seed("zlib", name, assert(wire.deflate(bytes)))
end
seed("node", "deep", "\0" .. ("\248\2\3\248\1"):rep(60) .. "\248\1\3")
seed("node", "long-list", "\0\249\1\1\3" .. ("\4\5"):rep(128))

-- Stickers: one of a single pixel, the same with a pack, and an EXIF chunk's content alone.
local pixel = "RIFF\26\0\0\0WEBPVP8L\13\0\0\0\47\0\0\0\16\7\16\17\17\136\136\254\7\0"
local packed = assert(core.media.sticker_write(pixel, '{"sticker-pack-name":"Cats","emojis":["x"]}'))
seed("sticker", "still", pixel)
seed("sticker", "packed", packed)
seed("sticker", "exif", packed:sub(packed:find("II*\0", 1, true), -1))

-- Patches of the app state: their mutations' values are plaintexts, which appstate.lua seals.
local function patch(name, version, ...)
  local id = { id = "\0\0\0\0\78\33" }
  local mutations = {}
  for i, one in ipairs { ... } do
    local data = assert(proto.encode("SyncActionData", { index = one[1], padding = "", version = 3, value = one[2] }))
    mutations[i] = { operation = one[3] or "SET", record = { index = { blob = ("i"):rep(32) }, value = { blob = data }, keyId = id } }
  end
  seed("appstate", name, assert(proto.encode("SyncdPatch", {
    version = { version = version }, mutations = mutations, snapshotMac = ("s"):rep(32), patchMac = ("p"):rep(32), keyId = id,
  })))
end
local deleted = { '["deleteMessageForMe","1@lid","3EB0","0","0"]', { timestamp = 1700000000000, deleteMessageForMeAction = {} } }
patch("delete", 1, deleted)
patch("several", 1, deleted, { '["pin_v1","1@lid"]', { timestamp = 1, pinAction = { pinned = true } } }, { deleted[1], {}, "REMOVE" })
patch("twice", 1, deleted, deleted)
patch("gap", 7, deleted)
seed("appstate", "index", '["star","1@s.whatsapp.net","a/b\\"c","1","0"]')

-- Retry receipts
local function retry(attrs, count, ...)
  local all = { from = "200:5@lid", id = "3EB0A1", t = "1700000000", type = "retry" }
  for name, value in pairs(attrs) do all[name] = value end
  return wire.encode(node("receipt", all, {
    node("retry", { v = "1", count = count, id = "3EB0A1", t = "1700000000" }), node("registration", nil, "\0\0\18\52"), ...,
  }))
end
local function public_key(id, more)
  local list = { node("id", nil, id), node("value", nil, ("v"):rep(32)) }
  list[#list + 1] = more
  return list
end
local function retry_keys(identity, one_time)
  local list = { node("type", nil, "\5"), node("identity", nil, identity) }
  if one_time then list[#list + 1] = node("key", nil, public_key("\0\3\45")) end
  list[#list + 1] = node("skey", nil, public_key("\0\0\1", node("signature", nil, ("s"):rep(64))))
  list[#list + 1] = node("device-identity", nil, "\10\4\1\2\3\4")
  return node("keys", nil, list)
end
seed("retry", "first", retry({}, "1"))
seed("retry", "keys", retry({}, "2", retry_keys(("i"):rep(32), true)))
seed("retry", "typed-identity", retry({}, "2", retry_keys("\5" .. ("i"):rep(32), false)))
seed("retry", "own", retry({ from = "155@s.whatsapp.net", recipient = "100@lid" }, "4"))
seed("retry", "group", retry({ from = "120363000000000001@g.us", participant = "200:5@lid" }, "1"))
seed("retry", "no-registration", wire.encode(node("receipt", { from = "200:5@lid", id = "3EB0A1", type = "retry" }, {
  node("retry", { count = "x" }),
})))

-- Groups, and what is told of them
local function member(name, attrs)
  local all = { jid = name }
  for key, value in pairs(attrs or {}) do all[key] = value end
  return node("participant", all)
end
local function group(attrs, ...)
  local all = {
    id = "120363000000000001", subject = "Tea", creation = "1700000000", creator = "1@lid", s_t = "1700000000", size = "2",
    addressing_mode = "lid", p_v_id = "1",
  }
  for name, value in pairs(attrs) do all[name] = value end
  return node("group", all, { member("1@lid", { phone_number = "11@s.whatsapp.net", type = "superadmin" }), ... })
end
local settled = group({}, member "2@lid", node("announcement"), node("locked"), node("ephemeral", { expiration = "86400" }),
  node("description", { id = "D1", t = "1700000000" }, { node("body", nil, "black") }), node("member_add_mode", nil, "all_member_add"),
  node("membership_approval_mode", nil, { node("group_join", { state = "on" }) }), node("linked_parent", { jid = "9@g.us" }))
seed("group", "whole", wire.encode(settled))
seed("group", "by-number", wire.encode(group({ addressing_mode = "pn" }, member("33@s.whatsapp.net", { lid = "3@lid" }))))
seed("group", "crowd", wire.encode(group { size = "100000" }))
seed("group", "refused", wire.encode(group({}, member("5@lid", { error = "403" }))))
local function told(...)
  return wire.encode(node("notification", {
    type = "w:gp2", from = "120363000000000001@g.us", to = "2:1@lid", id = "N1", t = "1700000000", participant = "1@lid",
    participant_pn = "11@s.whatsapp.net", notify = "Ana", addressing_mode = "lid",
  }, { ... }))
end
seed("group", "create", told(node("create", { type = "new" }, { settled })))
seed("group", "members", told(node("add", { reason = "invite" }, { member("4@lid", { phone_number = "44@s.whatsapp.net" }) }),
  node("remove", { v_id = "3", prev_v_id = "2" }, { member "2@lid" }), node("promote", nil, { member "4@lid" }),
  node("demote", nil, { member "1@lid" }), node("modify", nil, { member "4@lid" })))
seed("group", "settings", told(node("subject", { subject = "Coffee", s_t = "1700000000" }),
  node("description", { id = "D2" }, { node("body", nil, "x") }), node("ephemeral", { expiration = "0" }), node("not_announcement"),
  node("growth_locked", { type = "invite", expiration = "1700000000" }), node("growth_unlocked")))
seed("group", "requests", told(node("created_membership_requests", { request_method = "invite_link" }, {
  node("requested_user", { jid = "6@lid", phone_number = "66@s.whatsapp.net" }),
}), node("invite", { code = "AbCd" }), node("link", { link_type = "sub_group" }, { node("group", { jid = "9@g.us", subject = "x" }) })))
seed("group", "dirty", wire.encode(node("notification", { type = "w:gp2", from = "g.us", id = "N1", t = "1700000000" }, {
  node("groups_dirty", nil, { node("group", { jid = "9@g.us" }) }),
})))

-- Messages: who wrote it and where, then its bytes (kinds.lua)
local function message_seed(name, who, said) seed("kinds", name, string.char(who) .. assert(proto.encode("Message", said))) end
for number, row in ipairs(dofile "spec/kinds.lua") do message_seed(("row-%d"):format(number), number % 4, row[2]) end
message_seed("context", 2, { extendedTextMessage = { text = "@2 hi", contextInfo = {
  mentionedJid = { "2@lid", "3:4@s.whatsapp.net", "x" }, nonJidMentions = 1, stanzaId = "A", participant = "2@lid", remoteJid = "9@g.us",
  quotedMessage = { contactMessage = { displayName = "Ada", vcard = "TEL;waid=1:+1" } }, isForwarded = true, forwardingScore = 4,
  expiration = 86400,
} }, messageContextInfo = { messageSecret = ("s"):rep(32) } })
message_seed("own", 1, { deviceSentMessage = { destinationJid = "2@lid", message = { _unknown = "\xc2\x3e\1a" } } })
local deep = { conversation = "deep" }
for _ = 1, 9 do deep = { viewOnceMessage = { message = deep } } end
message_seed("deep", 0, deep)
seed("kinds", "unknown", "\0\xc2\x3e\3abc\x9a\2\4\x1a\2ss")

-- Signal: which message, how many were passed over, then edits of a place and a byte (signal_target.h)
for _, target in ipairs { "sender_keys", "session" } do
  for which = 0, 1 do
    seed(target, ("intact-%d"):format(which), string.char(which, 0))
    seed(target, ("intact-late-%d"):format(which), string.char(which, 47))
    seed(target, ("version-%d"):format(which), string.char(which, 0, 0, 0, 1))
    seed(target, ("edited-%d"):format(which), string.char(which, 3, 0, 20, 255, 0, 40, 1))
    seed(target, ("replaced-%d"):format(which), string.char(which | 128, 0) .. "\x33\8\1\16\0\26\16" .. ("c"):rep(80))
  end
end

-- zlib
seed("zlib", "bomb", assert(wire.deflate(("\0"):rep(200000))))
seed("zlib", "truncated", assert(wire.deflate(("moonpost "):rep(40))):sub(1, 12))

-- Protobuf: the first byte chooses the message (proto.lua)
local function proto_seed(index, name, bytes) seed("proto", name, string.char(index) .. bytes) end
local key = { remoteJid = "1@s.whatsapp.net", fromMe = true, id = "ABC" }
proto_seed(0, "quoted", assert(proto.encode("Message", {
  extendedTextMessage = {
    text = "pong", contextInfo = { stanzaId = "ABC", participant = "1@lid", quotedMessage = { conversation = "!ping" } },
  },
  messageContextInfo = { messageSecret = ("s"):rep(32) },
})))
proto_seed(0, "unknown", assert(proto.encode("Message", { conversation = "x" })) .. "\194\62\3abc\200\62\5")
proto_seed(0, "own-device", assert(proto.encode("Message", {
  deviceSentMessage = {
    destinationJid = "1@s.whatsapp.net", message = { reactionMessage = { key = key, text = "x", senderTimestampMs = 1 << 62 } },
  },
})))
proto_seed(1, "payload", assert(proto.encode("ClientPayload", {
  username = 491234567, passive = true, userAgent = { platform = "WEB", appVersion = { primary = 2, secondary = 3000, tertiary = 1 } },
  device = 3, connectReason = "USER_ACTIVATED",
})))
proto_seed(2, "handshake", assert(proto.encode("HandshakeMessage", { clientHello = { ephemeral = ("e"):rep(32) } })))
proto_seed(7, "key-index", assert(proto.encode("ADVKeyIndexList", { rawId = 1, timestamp = 2, validIndexes = { 1, 200, 70000 } })))

-- JIDs, as text and as the wire has them
for i, text in ipairs { "491234567@s.whatsapp.net", "1:99@lid", "7-123:65535@interop", "5:0@msgr", "g.us", "1:2@hosted.lid", "ä@lid" } do
  seed("jid", "text-" .. i, text)
end
local encoded = wire.encode(node("iq", { from = "7-123:4@interop" }))
for i, bytes in ipairs { "\247\1\12\255\3\18\52\86", encoded:sub(5), "\250\0\3", "\246\252\1x\0\1\252\4msgr" } do
  seed("jid", "wire-" .. i, bytes)
end

-- Chunked bodies
seed("chunked", "plain", "8\r\nchunk,ed\r\n0\r\n\r\n")
seed("chunked", "extension", "A;name=\"v\"\r\n0123456789\r\n1\r\nx\r\n0;last\r\nTrailer: y\r\n\r\n")
seed("chunked", "bad", "FFFFFFFFF\r\n")

-- A proxy's answer
seed("tunnel", "open", "HTTP/1.1 200 Connection established\r\nProxy-Agent: x\r\n\r\nmore")
seed("tunnel", "refused", "HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n")
seed("tunnel", "garbage", "SSH-2.0-OpenSSH\r\n\r\n")

-- Answers: the first byte says whether it is one to a HEAD.
seed("answer", "length", " HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVary: a\r\nVARY: b\r\n\r\nwhole")
seed("answer", "chunked", " HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nchunk\r\n2;x=y\r\ned\r\n0\r\nStatus: 7\r\n\r\n")
seed("answer", "interim", " HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/9\r\n"
  .. "Connection: keep-alive\r\nContent-Length: 2\r\n\r\nokmore")
seed("answer", "head", "1HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEmpty:\r\n\r\n")
seed("answer", "end", " HTTP/1.0 200 OK\r\n\r\nuntil the end")

-- Noise: which message, then edits (noise_fuzz.c)
for which = 0, 4 do
  for name, begins in pairs { [""] = 0, ["ik-"] = 64, ["fallback-"] = 32 } do
    seed("noise", name .. "intact-" .. which, string.char(begins + which))
    seed("noise", name .. "edited-" .. which, string.char(begins + which) .. "\0\10\1\0\60\128")
    seed("noise", name .. "replaced-" .. which, string.char(128 + begins + which) .. "\18\34\10\32" .. ("k"):rep(32))
  end
end
local root, intermediate, static = core.crypto.keypair(), core.crypto.keypair(), core.crypto.keypair()
seed("noise", "forged-chain", string.char(128 + 4 + 3 * 0) .. assert(core.noise.certificates {
  root = root, intermediate = intermediate, static = static:public(), not_before = 1, not_after = 1 << 40,
}))

-- The store's readers (store_fuzz.c): the first byte chooses
do
  local path = os.tmpname()
  os.remove(path)
  local store = assert(core.store.open { path = path })
  core.signal.account(store, ""):create()
  assert(store:commit())
  store:close()
  for _, name in ipairs { "keys", "traffic" } do
    local file <close> = assert(io.open(path .. "/" .. name .. ".mdb", "rb"))
    seed("store", "header-" .. name, "\0" .. file:read(5 * 4096))
  end
  os.execute(("rm -rf '%s'"):format(path))
end
for _, table_byte in ipairs { "A", "B", "C", "D", "E", "c", "d" } do
  for _, length in ipairs { 4, 32, 40, 64, 65, 104 } do
    seed("store", ("row-%s-%d"):format(table_byte, length), "\1" .. table_byte .. "\0" .. ("k"):rep(length))
  end
end
seed("store", "seal", "\2" .. ("s"):rep(80))
seed("store", "seal-header", "\3\1k" .. ("\0"):rep(8) .. ("h"):rep(56))

-- The client's rows (stored.lua): table, length of the key, key, value
local function stored_seed(index, name, row, value) seed("stored", name, string.char(index, #row) .. row .. value) end
stored_seed(0, "journal", (">I8"):pack(1), assert(proto.encode("StoreJournal", {
  chat = "1@lid", sender = "1@lid", id = "A", time = 1, attempts = 1, message = assert(proto.encode("Message", { conversation = "x" })),
})))
stored_seed(1, "outbox", "o" .. (">I8"):pack(1), assert(proto.encode("StoreOutbox", {
  id = "A", to = "1@lid", time = 1, stanza = wire.encode(message), message = assert(proto.encode("Message", { conversation = "x" })),
})))
stored_seed(2, "me", "me", assert(proto.encode("StoreMe", { jid = "1@s.whatsapp.net", device = 3 })))
stored_seed(3, "dedupe", "rA", ("h"):rep(32) .. (">I8"):pack(1))
stored_seed(5, "devices", "1@lid", assert(proto.encode("StoreDevices", { jids = { "1:2@lid" }, time = 1 })))

-- Files (media_fuzz.c): kind, place and change of a byte, how much is cut or added, then the file
seed("media", "intact", "\0\0\0\0\0\0hello")
seed("media", "empty", "\3\0\0\0\0\0")
seed("media", "flipped", "\1\4\0\1\0\0" .. ("film"):rep(20))
seed("media", "cut", "\2\0\0\0\16\0" .. ("song"):rep(20))
seed("media", "longer", "\4\0\0\0\143x" .. ("past"):rep(20))
seed("media", "blocks", "\0\0\0\0\0\0" .. ("sixteen bytes, +"):rep(4))

-- Parts of files (sidecar_fuzz.c)
seed("sidecar", "small", (">I1"):rep(15):pack(20, 0, 0, 3, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0))
seed("sidecar", "second-piece", (">I1"):rep(15):pack(0, 0, 2, 0, 64, 1, 16, 0, 0, 0, 1, 0, 0, 0, 0) .. "film")
seed("sidecar", "spoilt-sidecar", (">I1"):rep(15):pack(0, 0, 3, 240, 255, 0, 32, 0, 0, 1, 1, 0, 0, 0, 0) .. "film")
seed("sidecar", "spoilt-blob", (">I1"):rep(15):pack(0, 0, 4, 240, 255, 1, 32, 0, 0, 0, 0, 4, 0, 2, 1) .. "film")
seed("sidecar", "mac-alone-in-a-piece", (">I1"):rep(15):pack(229, 255, 0, 0, 255, 0, 255, 255, 0, 1, 1, 0, 0, 0, 0))

-- Chunks of history; the first byte says how they are fed (history_fuzz.c).
local function past(id, time)
  return { message = {
    key = { remoteJid = "491@s.whatsapp.net", fromMe = false, id = id }, messageTimestamp = time,
    message = { conversation = "text " .. id },
  } }
end
local history = assert(proto.encode("HistorySync", {
  syncType = "RECENT", chunkOrder = 1, progress = 50, pushnames = { { id = "491@s.whatsapp.net", pushname = "Ana" } },
  conversations = {
    { id = "491@s.whatsapp.net", messages = { past("B", 2000), past("A", 10) }, name = "Ana", unreadCount = 2 },
    { id = "492@s.whatsapp.net" },
  },
  statusV3Messages = { past("S", 5).message }, phoneNumberToLidMappings = { { pnJid = "491@s.whatsapp.net", lidJid = "1@lid" } },
}))
seed("history", "plain", "\9" .. history)
seed("history", "deflated", "\8" .. assert(wire.deflate(history)))
seed("history", "cut", "\0" .. assert(wire.deflate(history)):sub(1, 60))
seed("history", "endless", "\7" .. "\18\255\255\255\255\15\18\255\255\255\255\7")
