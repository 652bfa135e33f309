--- What faults do (see `faults`). By name, each with
--   at         the moments it may be armed for; the first is the usual one
--   fields     what only it is told
--   direction  the only one it is done to; `towards` the one it is done to unless another is named
--   fits       fn(node): whether it can be done to this stanza at all
--   check      fn(fault): a sentence when its fields do not fit together
--   arm        fn(sandbox, fault): what happens when it is armed already
--   now        fn(sandbox, fault) -> whom it was done to; or nil, {status, error}
--   media      fn(fault, plan): at a request to the media host; `request`: the only one it is done to
--   moment     fn(faults, fault, conn): in place of a login or a handshake
--   stanza     fn(faults, fault, conn, node, go, direction): in place of go(conn, node)
-- @module moonpost.sandbox.strikes
local core = require "moonpost.core"
local fields = require "moonpost.sandbox.fields"
local stanza = require "moonpost.stanza"

local REPLAYS_MAX = 100
local DELAY_MAX = 3600 -- seconds

local strikes = {}

-- Modules are loaded at first use: they need the connection, which needs this.
local function room(name) return require("moonpost.sandbox." .. name) end

local function devices_of(sandbox, fault)
  if fault.device then return { fault.account.devices[fault.device] } end
  return sandbox.accounts:companions(fault.account)
end

-- Something done to a connection, at any moment.
local function ending(fn)
  return function(sandbox, fault)
    local last
    for _, device in ipairs(devices_of(sandbox, fault)) do
      if device.connection then
        last = device.connection
        fn(last, fault)
      end
    end
    if not last then return nil, { status = 409, error = "the device is not connected" } end
    return last
  end, function(_, fault, conn) fn(conn, fault) end
end

-- Nothing passes any more, in either direction; the socket stays as it is.
local function mute(conn)
  conn.muted = true
  if conn.timer then conn.timer:stop() end
  if conn.quiet then conn.quiet:stop() end
end

local function drop(conn)
  conn.muted = true
  if conn.unopened then conn.turned_away = true else conn:drop() end
end

local function stream_error(conn, fault)
  local child = fault.conflict and stanza.node("conflict", { type = fault.conflict }) or nil
  conn:close_with(stanza.node("stream:error", { code = fault.code }, child), true)
end

local function add_ending(name, fn, kind)
  local now, at = ending(fn)
  kind.now, kind.moment, kind.stanza = now, at, at
  strikes[name] = kind
end

add_ending("drop", drop, { at = { "now", "stanza", "login", "connect" } })
add_ending("close", function(conn) conn:close() end, { at = { "now", "stanza", "login" } })
add_ending("mute", mute, { at = { "now", "stanza", "login", "connect" } })
add_ending("stream-error", stream_error, {
  at = { "now", "stanza", "login" }, fields = { code = fields.code, conflict = fields.text(40) },
  check = function(fault) return not fault.code and not fault.conflict and "code or conflict is missing" or nil end,
})

strikes.swallow = { at = { "stanza" }, stanza = function() end }

strikes.delay = {
  at = { "stanza" }, fields = { seconds = fields.seconds(DELAY_MAX) },
  check = function(fault) return not fault.seconds and "seconds is missing" or nil end,
  stanza = function(faults, fault, conn, node, go, direction) faults:hold(direction, conn, fault.seconds, node, go) end,
}

strikes.duplicate = {
  at = { "stanza" }, towards = "to-client",
  stanza = function(_, _, conn, node, go)
    go(conn, node)
    go(conn, node)
  end,
}

local function is_ciphertext(node) return node.tag == "enc" and type(node.content) == "string" and node.content ~= "" end

local function has_ciphertext(node)
  if is_ciphertext(node) then return true end
  for _, child in stanza.children(node) do
    if has_ciphertext(child) then return true end
  end
  return false
end

-- Which byte of a ciphertext: its version; something in its middle; its MAC or what is just before. Behind the message inside a pkmsg
-- there are ids of up to 10 bytes.
local places = {
  first = function() return 1 end, middle = function(length) return (length + 1) // 2 end,
  late = function(length) return math.max(1, length - 15) end,
}

local function flip(bytes, byte)
  local at = places[byte](#bytes)
  return bytes:sub(1, at - 1) .. string.char(bytes:byte(at) ~ 0xff) .. bytes:sub(at + 1)
end

-- A copy with one byte of each ciphertext of a kind turned over.
local function damaged(node, kind, byte)
  if is_ciphertext(node) and (not kind or node.attrs.type == kind) then
    return { tag = node.tag, attrs = node.attrs, content = flip(node.content, byte) }
  end
  if type(node.content) ~= "table" then return node end
  local content = {}
  for i, child in ipairs(node.content) do content[i] = damaged(child, kind, byte) end
  return { tag = node.tag, attrs = node.attrs, content = content }
end

strikes.damage = {
  at = { "stanza" }, towards = "to-client", fields = { byte = fields.one_of("first", "middle", "late") }, fits = has_ciphertext,
  stanza = function(_, fault, conn, node, go) go(conn, damaged(node, fault.enc, fault.byte or "late")) end,
}

local function with_new_id(node)
  local attrs = {}
  for name, value in pairs(node.attrs) do attrs[name] = value end
  attrs.id = "3EB0" .. core.crypto.hex(core.crypto.random(9)):upper()
  return { tag = node.tag, attrs = attrs, content = node.content }
end

-- Passes, and comes once more behind the next ones of its tag.
strikes.replay = {
  at = { "stanza" }, towards = "to-client", fields = { behind = fields.whole(1, 1000), as = fields.one_of("new", "same") },
  stanza = function(faults, fault, conn, node, go, direction)
    go(conn, node)
    if #faults.replays >= REPLAYS_MAX then table.remove(faults.replays, 1) end
    faults.replays[#faults.replays + 1] = {
      device = conn.device, direction = direction, left = (fault.behind or 1) + 1, -- itself as well
      node = fault.as == "same" and node or with_new_id(node),
    }
  end,
  overtaken = function(faults, direction, conn, node, go)
    for i = #faults.replays, 1, -1 do
      local one = faults.replays[i]
      if one.device == conn.device and one.direction == direction and one.node.tag == node.tag then
        one.left = one.left - 1
        if one.left == 0 then
          table.remove(faults.replays, i)
          go(conn, one.node)
        end
      end
    end
  end,
}

-- What is answered with an error is not done.
strikes.error = {
  at = { "stanza" }, direction = "to-server",
  fields = { code = fields.code, text = fields.text(100), backoff = fields.whole(0, 86400) },
  fits = function(node)
    return node.tag == "message" or node.tag == "iq" and node.attrs.id and node.attrs.type ~= "result" and node.attrs.type ~= "error"
  end,
  check = function(fault)
    if not fault.code then return "code is missing" end
    if fault.tag ~= "message" and not fault.text and not room("iq").texts[fault.code] then
      return ("text is missing: code %d has none of its own (S-900)"):format(fault.code)
    end
  end,
  stanza = function(_, fault, conn, node)
    if node.tag == "message" then return room("messages").refuse(conn, node, fault.code) end
    conn:put(room("iq").error_node(node, fault.code, fault.text, fault.backoff))
  end,
}

local told_of_failure = {
  "reason", "code", "expire", "message", "url", "logout_message_header", "logout_message_subtext", "logout_message_locale",
}

strikes.failure = {
  at = { "login" }, fields = { reason = fields.code, code = fields.code, expire = fields.whole(0, 10000000000) },
  check = function(fault) return not fault.reason and "reason is missing" or nil end,
  moment = function(_, fault, conn)
    local attrs = {}
    for _, name in ipairs(told_of_failure) do attrs[name] = fault[name] end
    room("login").refuse(conn, attrs)
  end,
}
for _, name in ipairs { "message", "url", "logout_message_header", "logout_message_subtext", "logout_message_locale" } do
  strikes.failure.fields[name] = fields.text(500)
end

-- For a time no login is taken, and who is there is sent away (01 §7.3: 402).
strikes.ban = {
  at = { "login" }, lasting = true, fields = { seconds = fields.whole(1, 10 * 365 * 86400), code = fields.code },
  check = function(fault)
    if not fault.seconds then return "seconds is missing" end
    return not fault.jid and "jid is missing: who is banned" or nil
  end,
  arm = function(sandbox, fault)
    fault.ends = core.net.now() + fault.seconds
    for _, device in ipairs(devices_of(sandbox, fault)) do
      if device.connection then device.connection:close() end
    end
  end,
  moment = function(_, fault, conn)
    local left = math.max(1, math.ceil(fault.ends - core.net.now()))
    room("login").refuse(conn, { reason = 402, code = fault.code or 101, expire = left })
  end,
}

strikes["forget-prekeys"] = {
  at = { "now" },
  now = function(sandbox, fault)
    for _, device in ipairs(devices_of(sandbox, fault)) do room("keys").forget(sandbox, device) end
    return fault.jid
  end,
}

strikes.unlink = {
  at = { "now" },
  now = function(sandbox, fault)
    for _, device in ipairs(devices_of(sandbox, fault)) do room("login").unlink(sandbox, device) end
    return fault.jid
  end,
}

-- A phone is set up anew: new keys, none of its companions left. Or a companion alone: whoever is linked next has its address.
strikes["swap-identity"] = {
  at = { "now" }, fields = { silent = fields.flag },
  now = function(sandbox, fault)
    for _, device in ipairs(devices_of(sandbox, fault)) do room("login").unlink(sandbox, device, fault.silent) end
    if fault.device then
      sandbox.accounts:keep_number(fault.account, fault.device)
    else
      room("phone").reinstall(sandbox, fault.account)
      if not fault.silent then room("devices").announce_identity(sandbox, fault.account) end
    end
    return fault.jid
  end,
}

for name, kind in pairs(require "moonpost.sandbox.media_strikes") do strikes[name] = kind end

return strikes
