--- The chat on a screen: a line a message, with time, number, name and ticks (✓ taken by the server, ✓✓ delivered, ✓✓ in blue: read).
-- On a terminal ticks change in place; in a pipe a line is printed once its ticks are known, or something else must be said.
-- @module moonpost.cli.chat.screen
local core = require "moonpost.core"
local printable = require "moonpost.printable"

local Screen = {}
Screen.__index = Screen

local dim, blue, bold, plain = "\27[2m", "\27[34m", "\27[1m", "\27[0m"

local function clock(time) return os.date("%H:%M:%S", math.floor(time)) end

local NAME_MAX, TEXT_MAX = 40, 4000 -- bytes shown of a name, of a text
local FAILED_MAX = 300 -- bytes shown of why one was not sent
local UP_MAX = 20 -- rows above the cursor in which ticks still change: they have to be on the screen

-- What others write must neither steer the terminal nor look like another line.
local function show(text, most) return (printable.text(text, most or TEXT_MAX):gsub("\t", "  "):gsub("\n", "\n" .. (" "):rep(25))) end

local function padding(text, width) return (" "):rep(math.max(0, width - (utf8.len(text) or #text))) end

function Screen:format(time, number, name, text, ticks, most)
  name, text = printable.line(name, NAME_MAX), show(text, most)
  number = number and "#" .. number or ""
  local before, pad = clock(time) .. "  " .. number .. padding(number, 5), padding(name, 8)
  if not self.terminal then return ("%s%s%s  %s%s"):format(before, name, pad, text, ticks and "  " .. ticks or "") end
  local mark = ticks == "read" and blue .. "✓✓" .. plain or ticks
  return ("%s%s%s%s%s%s%s  %s%s"):format(dim, before, plain, bold, name, plain, pad, text, mark and "  " .. mark or "")
end

-- Columns a character takes: two for those of East Asia and for pictures.
local function width_of(code)
  if code < 0x300 then return 1 end
  if code < 0x370 or code == 0x200d or code >= 0xfe00 and code <= 0xfe0f then return 0 end
  local wide = code >= 0x1100 and code <= 0x115f or code >= 0x2e80 and code <= 0xa4cf or code >= 0xac00 and code <= 0xd7a3
    or code >= 0xf900 and code <= 0xfaff or code >= 0xff00 and code <= 0xff60 or code >= 0x1f300 and code <= 0x1faff
  return wide and 2 or 1
end

-- Rows a line takes on the terminal as it is now.
local function height_of(line)
  local columns, rows = core.net.columns(1) or math.huge, 0
  for part in (line:gsub("\27%[%d*%a", "") .. "\n"):gmatch "(.-)\n" do
    local width = 0
    for _, code in utf8.codes(part) do width = width + width_of(code) end
    rows = rows + math.max(1, math.ceil(width / columns))
  end
  return rows
end

function Screen:print(line)
  io.stdout:write(line, "\n")
  io.stdout:flush()
  if self.terminal then self.rows = self.rows + height_of(line) end
end

local function ticks_of(own, terminal)
  if own.failed then return "✗ " .. printable.line(own.failed, FAILED_MAX) end
  if own.state == "read" then return terminal and "read" or "✓✓ read" end
  if own.state == "delivered" then return "✓✓" end
  if own.state == "sent" then return "✓" end
  return terminal and "…" or nil
end

--- Takes away what a terminal has echoed: it is shown anew.
-- @string typed
function Screen.erase_typed(typed) io.stdout:write(("\27[1A\27[2K"):rep(height_of(printable.line(typed)))) end

--- Shows a line the user wrote.
-- @string text
-- @tparam ?int number of the message
-- @treturn table the line, for `update`
function Screen:own(text, number)
  local own = { text = text, number = number, time = core.net.time(), state = "sending" }
  if not self.terminal then
    self.pending[#self.pending + 1] = own
    return own
  end
  local line = self:format(own.time, own.number, self.name, text, ticks_of(own, true))
  own.row, own.height = self.rows, height_of(line)
  self:print(line)
  return own
end

local order = { sending = 0, sent = 1, delivered = 2, read = 3 }

--- Changes the ticks of an own line: state "sent", "delivered" or "read"; never backwards.
function Screen:update(own, state, failed)
  own.failed = failed or own.failed
  if not failed and order[state] <= order[own.state] then return end
  own.state = state or own.state
  if not self.terminal then
    if own.failed or order[own.state] >= order.delivered then self:flush(own) end
    return
  end
  local up = self.rows - own.row
  local line = self:format(own.time, own.number, self.name, own.text, ticks_of(own, true))
  if up > UP_MAX or height_of(line) ~= own.height then -- there is no room for it any more
    return own.failed and self:note(ticks_of(own, true))
  end
  io.stdout:write("\0277", ("\27[%dA\r\27[2K"):format(up), line, "\27[K\0278") -- save the cursor, go up, rewrite, come back
  io.stdout:flush()
end

--- In a pipe: prints the own lines up to this one (all when nil) with the ticks known now.
function Screen:flush(last)
  if last and last.printed then return end
  while #self.pending > 0 do
    local own = table.remove(self.pending, 1)
    own.printed = true
    self:print(self:format(own.time, own.number, self.name, own.text, ticks_of(own, false)))
    if own == last then return end
  end
end

--- Shows what somebody else wrote.
-- @number time Unix seconds
-- @tparam ?int number of the message; what is none has no number
-- @string name
-- @string text
-- @tparam ?int most bytes shown of the text (4000)
function Screen:other(time, number, name, text, most)
  self:flush()
  if self.terminal then io.stdout:write "\r\27[2K" end
  self:print(self:format(time, number, name, text, nil, most))
end

--- Shows something that happened, or an answer to a command; of several lines each.
function Screen:note(text, most) self:other(core.net.time(), nil, "·", text, most) end

--- Makes a screen.
-- @string name the user's own name
-- @bool terminal whether standard output is one
return function(name, terminal)
  return setmetatable({ name = name, terminal = terminal, rows = 0, pending = {} }, Screen)
end
