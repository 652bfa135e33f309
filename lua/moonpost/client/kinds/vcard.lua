--- Cards of contacts (fact sheet 05 §15.8): vCard 3.0, as far as a name and numbers need it.
-- @module moonpost.client.kinds.vcard
local limits = require "moonpost.client.limits"
local phone_number = require "moonpost.client.phone_number"

local vcard = {}

local escapes = { ["\\"] = "\\\\", [";"] = "\\;", [","] = "\\,", ["\n"] = "\\n" }

local function escape(text) return (text:gsub("\r\n?", "\n"):gsub("[\\;,\n]", escapes)) end

local function unescape(text)
  return (text:gsub("\\(.)", function(c) return (c == "n" or c == "N") and "\n" or c end))
end

-- Where a line's value begins: at the first colon outside quotes.
local function value_at(line)
  local quoted, at = false, 0
  repeat
    at = line:find('[:"]', at + 1)
    if not at then return nil end
    if line:byte(at) == 0x22 then quoted = not quoted end
  until line:byte(at) == 0x3a and not quoted
  return at
end

-- The lines of a card, those that were folded put together again.
local function lines_of(text)
  local lines = {}
  for line in text:gmatch "[^\r\n]+" do
    if #lines > 0 and line:find "^[ \t]" then
      local last = lines[#lines]
      last[#last + 1] = line:sub(2)
    else
      lines[#lines + 1] = { line }
    end
  end
  for i, parts in ipairs(lines) do lines[i] = table.concat(parts) end
  return lines
end

-- The words of a structured name, as people say them.
local function plain_name(value)
  local parts = {}
  for part in (value .. ";"):gmatch "([^;]*);" do
    if part ~= "" then table.insert(parts, #parts == 1 and 1 or #parts + 1, unescape(part)) end
  end
  return table.concat(parts, " ")
end

local function read_line(card, line)
  local at = value_at(line)
  if not at then return end
  local head, value = line:sub(1, at - 1), line:sub(at + 1)
  local name = head:match "^[%w.-]+" or ""
  name = (name:match "%.([%w-]+)$" or name):upper()
  if name == "FN" then card.name = unescape(value)
  elseif name == "N" then card.said = plain_name(value)
  elseif name == "ORG" then card.organisation = unescape(value:match "^(.*[^;])" or "")
  elseif name == "TEL" and #card.phones < limits.CARD_PHONES then
    local waid = head:match "[;:]waid=(%d+)" or head:match "[;:]WAID=(%d+)"
    card.phones[#card.phones + 1] = unescape(value)
    if waid and not card.jid then card.jid = waid .. "@s.whatsapp.net" end
  end
end

--- Reads a card; never fails, whatever it is given.
-- @string text
-- @int most bytes of it that are read
-- @treturn table {name = nil when it has none, phones = array of texts as they are written, jid = of the first number on WhatsApp, or nil,
-- organisation}
function vcard.read(text, most)
  local card = { phones = {} }
  for _, line in ipairs(lines_of(text:sub(1, most))) do read_line(card, line) end
  card.name, card.said = card.name or card.said, nil
  return card
end

--- Writes a card. A number with its country code gets the button that writes to it.
-- @tparam table card name; phones: array of texts; organisation
-- @treturn string
function vcard.write(card)
  local name = escape(card.name)
  local lines = { "BEGIN:VCARD", "VERSION:3.0", ("N:;%s;;;"):format(name), "FN:" .. name }
  if card.organisation then lines[#lines + 1] = ("ORG:%s;"):format(escape(card.organisation)) end
  for _, phone in ipairs(card.phones) do
    local digits = phone_number.parse(phone)
    lines[#lines + 1] = ("TEL;type=CELL;type=VOICE%s:%s"):format(digits and ";waid=" .. digits or "", escape(phone))
  end
  lines[#lines + 1] = "END:VCARD"
  return table.concat(lines, "\n")
end

return vcard
