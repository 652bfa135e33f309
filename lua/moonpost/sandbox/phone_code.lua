--- Linking by phone number (fact sheet 08 §5.3, 02 §3): a client asks for a code's ref, the simulated phone of that number "types" the
-- code, both sides come to one secret, and the phone vouches for the device as after a QR.
-- @module moonpost.sandbox.phone_code
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local iq = require "moonpost.sandbox.iq"
local pairing = require "moonpost.sandbox.pairing"
local phone = require "moonpost.sandbox.phone"
local task = require "moonpost.task"

local crypto, net, jid = core.crypto, core.net, core.wire.jid

local LIFE = 180                -- seconds a code lives
local ASKED_MAX = 10            -- codes for one number within that time; more are refused with 429
local ANSWER_SECONDS = 8        -- a typed code waits for the device's keys
local COUNTED_NUMBERS_MAX = 500 -- counts of numbers that are kept
local WRAPPED, KEY, BUNDLE = 80, 32, 156
local DISPLAY_MAX = 100

local phone_code = {}

-- What a client wrote as text may have come in packed form.
local function text_of(node, tag)
  local child = stanza.child(node, tag)
  local value = child and (child.text or child.content)
  return type(value) == "string" and value or nil
end

local function bytes_of(node, tag, size)
  local value = text_of(node, tag)
  return value and #value == size and value or nil
end

local function number_of(attr)
  local user, server, device = jid.parse(attr or "")
  return server == "s.whatsapp.net" and device == 0 and user:find "^[1-9]%d+$" and #user >= 7 and #user <= 15 and user or nil
end

-- Whether too many codes were asked for a number of late.
local function is_too_often(sandbox, number)
  local now, counts = net.now(), sandbox.codes_asked
  local one = counts[number]
  if not one or now - one.since > LIFE then
    local kept = 0
    for other, count in pairs(counts) do
      if now - count.since > LIFE or kept >= COUNTED_NUMBERS_MAX then counts[other] = nil else kept = kept + 1 end
    end
    one = { since = now, count = 0 }
    counts[number] = one
  end
  one.count = one.count + 1
  return one.count > ASKED_MAX
end

-- A code's ref is asked for (S-060). One for each number: the phone's answer is routed by it.
local function hello(conn, node, reg)
  local sandbox, number = conn.sandbox, number_of(reg.attrs.jid)
  local wrapped = bytes_of(reg, "link_code_pairing_wrapped_companion_ephemeral_pub", WRAPPED)
  local display = text_of(reg, "companion_platform_display") or ""
  if not number or not wrapped or bytes_of(reg, "companion_server_auth_key_pub", KEY) ~= conn.registration.noise
    or #display > DISPLAY_MAX or not display:find "^%S.* %(.+%)$" or not text_of(reg, "companion_platform_id") then
    return iq.error(conn, node, 400)
  end
  if is_too_often(sandbox, number) then return iq.error(conn, node, 429) end
  phone_code.gone(conn)
  pairing.take_back(conn) -- one that was on the way to a client which begins anew
  local ref = crypto.base64(crypto.random(24))
  conn.code = { conn = conn, number = number, ref = ref, wrapped = wrapped, expires = net.now() + LIFE }
  sandbox.codes[number] = conn.code
  iq.result(conn, node, stanza.node("link_code_companion_reg", { stage = "companion_hello" },
    stanza.node("link_code_pairing_ref", nil, ref)))
end

local function notify(entry, attrs, children)
  local sandbox = entry.conn.sandbox
  table.insert(children, stanza.node("link_code_pairing_ref", nil, entry.ref))
  entry.conn:send(stanza.node("notification", {
    from = "s.whatsapp.net", type = "link_code_companion_reg", id = sandbox:next_id(), t = sandbox.time(),
  }, stanza.node("link_code_companion_reg", attrs, children)))
end

local function tell(entry, status, answer)
  if entry.told then entry.told:push { status, answer } end
end

-- Forgets a code.
local function drop(sandbox, entry)
  if sandbox.codes[entry.number] == entry then sandbox.codes[entry.number] = nil end
  if entry.conn.code == entry then entry.conn.code = nil end
end

-- The device's keys for the phone (S-062). Those that do not open end the code; a real phone tells its user only.
local function finish(conn, node, reg)
  local sandbox, entry = conn.sandbox, conn.code
  local bundle = bytes_of(reg, "link_code_pairing_wrapped_key_bundle", BUNDLE)
  if not entry or not entry.ephemeral or text_of(reg, "link_code_pairing_ref") ~= entry.ref or not bundle
    or bytes_of(reg, "companion_identity_public", KEY) ~= conn.registration.identity or conn.linking then
    return iq.error(conn, node, 400)
  end
  local account = entry.account
  local secret, err = crypto.link_open {
    ephemeral = entry.ephemeral, identity = phone.of(sandbox, account):identity(), their_ephemeral = entry.companion,
    their_identity = conn.registration.identity, bundle = bundle,
  }
  drop(sandbox, entry)
  if not secret then
    tell(entry, 403, { error = "the code is wrong: " .. tostring(err) })
    return iq.error(conn, node, 400)
  end
  iq.result(conn, node)
  tell(entry, pairing.link(conn, account, secret))
end

local stages = { companion_hello = hello, companion_finish = finish }

--- An unregistered client's query about its linking.
function phone_code.query(conn, node)
  local reg = stanza.child(node, "link_code_companion_reg")
  local stage = reg and stages[reg.attrs.stage]
  if node.attrs.type == "set" and stage and conn.registration then return stage(conn, node, reg) end
  if node.attrs.type == "get" and reg and reg.attrs.stage == "get_country_code" then
    return iq.result(conn, node, stanza.node("country_code", { iso = "US" }))
  end
  iq.error(conn, node, 400)
end

--- The connection is over, or asks for another code: the one it had is worth nothing.
function phone_code.gone(conn)
  local entry = conn.code
  if not entry then return end
  drop(conn.sandbox, entry)
  tell(entry, 410, { error = "the client took the code back" })
end

local function waiting(sandbox, number)
  local entry = sandbox.codes[number]
  if not entry then return nil, 404, { error = ("no client waits for a code of +%s"):format(number) } end
  if net.now() <= entry.expires then return entry end
  drop(sandbox, entry)
  return nil, 410, { error = "the code has expired" }
end

-- The phone's keys, hidden under what was typed, leave for the device (S-061).
local function answer(sandbox, entry, code)
  local wrapped
  local ephemeral = crypto.keypair()
  local companion = assert(task.await(function(resume) assert(crypto.link_unwrap(code, entry.wrapped, resume)) end))
  wrapped = assert(task.await(function(resume) assert(crypto.link_wrap(code, ephemeral:public(), resume)) end))
  if sandbox.codes[entry.number] ~= entry then return end -- taken back meanwhile, and told
  entry.ephemeral, entry.companion = ephemeral, companion
  notify(entry, { stage = "primary_hello" }, {
    stanza.node("link_code_pairing_wrapped_primary_ephemeral_pub", nil, wrapped),
    stanza.node("primary_identity_pub", nil, phone.of(sandbox, entry.account):identity():public()),
  })
end

--- The phone of a number types a code; waits for the device's part. In a task.
-- @param sandbox
-- @string number digits
-- @string code 8 characters
-- @treturn int HTTP status: 200 the device may link itself now; 403 the code is wrong; 404 nobody waits for one; 410 it is not good any
-- more; 504 the client did not go on
-- @treturn table answer
function phone_code.confirm(sandbox, number, code)
  local entry, status, value = waiting(sandbox, number)
  if not entry then return status, value end
  if entry.told then return 409, { error = "a code is being typed at this phone already" } end
  entry.account = sandbox.accounts:of_phone(number, entry.conn.push_name)
  if not entry.account then return 409, { error = "the number is a LID of this world" } end
  entry.told = task.queue()
  answer(sandbox, entry, code)
  local told = entry.told:pop(ANSWER_SECONDS)
  entry.told = nil
  if told then return table.unpack(told) end
  return 504, { error = ("the client did not go on within %d s"):format(ANSWER_SECONDS) }
end

--- The server wants the code of a number renewed (S-063).
-- @bool by_hand whether the user is to ask for it
function phone_code.refresh(sandbox, number, by_hand)
  local entry, status, value = waiting(sandbox, number)
  if not entry then return status, value end
  drop(sandbox, entry)
  notify(entry, { stage = "refresh_code", force_manual_refresh = by_hand and "true" or nil }, {})
  return 200, {}
end

return phone_code
