-- One row of the benchmark, done by moonpost; prints one JSON object. Called by bench.lua: moonpost run ours.lua ROW [arguments].
local core = require "moonpost.core"
local json = require "cjson.safe"

local function memory()
  local file = assert(io.open("/proc/self/smaps_rollup"))
  local text = file:read "a"
  file:close()
  local function bytes(name) return tonumber(text:match("\n" .. name .. ":%s+(%d+) kB")) * 1024 end
  return { resident = bytes "Rss", anonymous = bytes "Anonymous" }
end

-- Seconds of CPU per call: the best of a few batches, each long enough to measure. The machine's other work does not count.
local function measure(count, body)
  local best = math.huge
  for _ = 1, 5 do
    local begin = os.clock()
    for i = 1, count do body(i) end
    best = math.min(best, (os.clock() - begin) / count)
  end
  return best
end

local ana_jid, ben_jid = "15550000001@s.whatsapp.net", "15550000002@s.whatsapp.net"

local function bundle_of(account, prekey)
  local public = account:public()
  return {
    registration_id = public.registration_id, identity = public.identity, signed_prekey = public.signed_prekey, prekey = prekey,
  }
end

-- Two accounts in a store on the disk (durability "process", as the row asks: grouped commits through LMDB).
local function accounts()
  local path = os.tmpname()
  os.remove(path)
  local store = assert(core.store.open { path = path, durability = "process" })
  local ana, ben = core.signal.account(store, "ana"), core.signal.account(store, "ben")
  ana:create()
  ben:create()
  return store, ana, ben, function()
    store:close()
    os.execute(("rm -rf '%s'"):format(path))
  end
end

local rows = {}

-- How fast the machine is just now: the other figures grow and shrink with it.
function rows.machine()
  local mebibyte = ("x"):rep(1048576)
  return { seconds = measure(5, function() return core.crypto.sha256(mebibyte) end) }
end

function rows.node(hex)
  local bytes = core.crypto.unhex(hex)
  local node = assert(core.wire.decode(bytes))
  assert(#core.wire.encode(node) == #bytes)
  return {
    encode = measure(20000, function() return core.wire.encode(node) end),
    decode = measure(20000, function() return core.wire.decode(bytes) end),
  }
end

function rows.proto(hex)
  local bytes = core.crypto.unhex(hex)
  return { both = measure(50000, function() return core.proto.encode("Message", core.proto.decode("Message", bytes)) end) }
end

function rows.session()
  local store, ana, ben, finish = accounts()
  local prekeys, next_prekey = ben:new_prekeys(500), 0
  assert(store:commit())
  local seconds = measure(100, function(i)
    next_prekey = next_prekey + 1
    assert(ana:process_bundle(("1555%07d@s.whatsapp.net"):format(next_prekey), bundle_of(ben, prekeys[next_prekey])))
    if i % 25 == 0 then assert(store:commit()) end
  end)
  finish()
  return { session = seconds }
end

function rows.message()
  local store, ana, ben, finish = accounts()
  assert(ana:process_bundle(ben_jid, bundle_of(ben, ben:new_prekeys(1)[1])))
  local text = "a text of forty bytes, more or less......"
  local function say(from, to, from_jid, to_jid)
    local sent = from:encrypt({ to_jid }, text)[1]
    assert(to:decrypt(from_jid, sent.type, sent.ciphertext) == text)
  end
  local function forth() say(ana, ben, ana_jid, ben_jid) end
  local function back() say(ben, ana, ben_jid, ana_jid) end
  forth()
  back()
  local function grouped(body)
    return function(i)
      body(i)
      if i % 50 == 0 then assert(store:commit()) end
    end
  end
  local result = {
    step = measure(1000, grouped(function(i) if i % 2 == 1 then back() else forth() end end)),
    same = measure(2000, grouped(forth)),
  }
  finish()
  return result
end

-- The same after the sender has gone on for 1,499 messages that never came.
function rows.jump()
  local store, ana, ben, finish = accounts()
  assert(ana:process_bundle(ben_jid, bundle_of(ben, ben:new_prekeys(1)[1])))
  local text = "a text of forty bytes, more or less......"
  local function say(from, to, from_jid, to_jid)
    local sent = from:encrypt({ to_jid }, text)[1]
    assert(to:decrypt(from_jid, sent.type, sent.ciphertext) == text)
  end
  say(ana, ben, ana_jid, ben_jid)
  say(ben, ana, ben_jid, ana_jid)
  for _ = 1, 1499 do ana:encrypt({ ben_jid }, text) end
  local begin = os.clock()
  say(ana, ben, ana_jid, ben_jid)
  local result = { once = os.clock() - begin }
  assert(store:commit())
  result.each = measure(2000, function(i)
    say(ana, ben, ana_jid, ben_jid)
    if i % 50 == 0 then assert(store:commit()) end
  end)
  finish()
  return result
end

-- A text in a group whose sender uses even iterations only: decrypted and stored, after 5,000 such.
function rows.group()
  local store, ana, ben, finish = accounts()
  local group = "120363000000000001@g.us"
  local text = "a text of forty bytes, more or less......"
  assert(ben:process_sender_key(group, ana_jid, ana:sender_key_distribution(group)))
  local function even()
    local sent = assert(ana:encrypt_group(group, text))
    assert(ana:encrypt_group(group, text))
    return sent
  end
  local function take(sent) assert(ben:decrypt_group(group, ana_jid, sent) == text) end
  for i = 1, 5000 do
    take(even())
    if i % 50 == 0 then assert(store:commit()) end
  end
  local waiting = {}
  for i = 1, 5 * 1000 do waiting[i] = even() end
  assert(store:commit())
  local next_one = 0
  local result = { text = measure(1000, function(i)
    next_one = next_one + 1
    take(waiting[next_one])
    if i % 50 == 0 then assert(store:commit()) end
  end) }
  finish()
  return result
end

function rows.load()
  require "moonpost"
  local seconds = os.clock() -- of CPU, since the process began
  local result = memory()
  result.seconds = seconds
  return result
end

-- A message for eight devices whose encrypted texts have `lengths[device]` bytes.
local function message_node(lengths)
  local participants = {}
  for device = 1, 8 do
    participants[device] = {
      tag = "to", attrs = { jid = ("1000000123456%02d:%d@lid"):format(device, device) },
      content = { { tag = "enc", attrs = { v = "2", type = "msg" }, content = ("\x33"):rep(lengths[device]) } },
    }
  end
  return {
    tag = "message", attrs = { id = "3EB0C0FFEE00112233AABB", to = "100000012345678@lid", type = "text" },
    content = { { tag = "participants", attrs = {}, content = participants } },
  }
end

-- The two inputs both sides work on: a node of 1,847 bytes for eight devices, and a quoted text.
function rows.fixtures()
  local lengths = { 190, 190, 190, 190, 190, 190, 190, 190 }
  lengths[8] = lengths[8] + 1847 - #core.wire.encode(message_node(lengths))
  local quoted = assert(core.proto.encode("Message", {
    extendedTextMessage = {
      text = "Yes, the last ferry back leaves at half past six, so there is time for a coffee.",
      contextInfo = {
        stanzaId = "3EB0C0FFEE00112233AABB", participant = "15557654321@s.whatsapp.net",
        quotedMessage = { conversation = "Is there a ferry late?" },
      },
    },
    messageContextInfo = { messageSecret = ("s"):rep(32) },
  }))
  return { node = core.crypto.hex(core.wire.encode(message_node(lengths))), proto = core.crypto.hex(quoted) }
end

io.write(json.encode(rows[arg[1]](table.unpack(arg, 2))), "\n")
