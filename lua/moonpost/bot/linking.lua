--- How a bot gets online: by a QR or a code that is shown where its account is not linked yet.
-- @module moonpost.bot.linking
local core = require "moonpost.core"
local host = require "moonpost.bot.host"
local parse_phone = require("moonpost.client.phone_number").parse

local function show_qr(text)
  local picture = core.qr.terminal(text)
  io.stdout:write("Scan this with WhatsApp on your phone: Linked devices, Link a device.\n", picture, "\n")
  io.stdout:flush()
end

local function show_code(code, seconds, phone)
  io.stdout:write(("Type %s into WhatsApp on the phone of +%s within %.0f s: %s.\n"):format(
    code, phone, seconds, "Linked devices, Link a device, Link with phone number instead"))
  io.stdout:flush()
end

-- By phone number where one is given, the command line's first; else by QR.
local function way_to_link(options)
  local phone = host.phone or not host.by_qr and options.phone
  if phone then return { phone = phone, code = host.show_code or options.code or show_code } end
  return { qr = host.show_qr or options.qr or show_qr }
end

-- Who asks for a number and has an account linked already may mean another one.
local function check_linked(bot)
  local linked, phone = bot.client.me.jid:match "^%d+", host.phone or bot.options.phone
  phone = phone and parse_phone(phone)
  if phone and phone ~= linked then
    return nil, core.error("phone", ("the account is linked as +%s, not as +%s: another number takes another store, or another account "
      .. "of this one"):format(linked, phone))
  end
  if host.phone then bot.log:info("linked already as +%s: no code is needed", linked) end
  return true
end

--- Links the account of a bot unless it is, and goes online. In a task.
-- @param bot
-- @treturn ?boolean true
-- @treturn ?table err as client:pair and client:connect; "phone": it is linked as another number than was asked for
return function(bot)
  local client = bot.client
  if client:linked() then
    local ok, err = check_linked(bot)
    if not ok then return nil, err end
  else
    local me, err = client:pair(way_to_link(bot.options))
    if not me then return nil, err end
  end
  return client:connect()
end
