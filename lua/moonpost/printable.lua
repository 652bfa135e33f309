--- Text from outside made safe to show: what a peer chose must not move a terminal's cursor, break a log line or turn its order.
-- Escaped are control characters (C0, DEL, and C1 both as bytes and as characters), line and paragraph separators, embeddings,
-- overrides and isolates of direction, and bytes that are no UTF-8: `\x1b`, `\u{202e}`. All else stays as it is.
-- @module moonpost.printable
local printable = {}

local CUT = "…"

local function byte(c) return ("\\x%02x"):format(c:byte()) end

local function character(c) return ("\\u{%04x}"):format(utf8.codepoint(c)) end

-- Escapes in text that is UTF-8; `controls` is the set of those below U+0080.
local function escape_characters(text, controls)
  text = text:gsub(controls, byte)
  text = text:gsub("\xc2[\x80-\x9f]", character) -- C1: U+0080 to U+009F
  text = text:gsub("\xe2\x80[\xa8-\xae]", character) -- U+2028, U+2029, U+202A to U+202E
  return (text:gsub("\xe2\x81[\xa6-\xa9]", character)) -- U+2066 to U+2069
end

local function escape(text, controls)
  local out, from = {}, 1
  while true do
    local _, bad = utf8.len(text, from)
    out[#out + 1] = escape_characters(text:sub(from, (bad or 0) - 1), controls)
    if not bad then return table.concat(out) end
    out[#out + 1] = byte(text:sub(bad, bad))
    from = bad + 1
  end
end

-- The longest start of `text` that has at most `size` bytes and does not end within a character.
local function head(text, size)
  local last = size
  for _ = 1, 3 do
    local following = text:byte(last + 1)
    if not following or following & 0xc0 ~= 0x80 then break end
    last = last - 1
  end
  return text:sub(1, last)
end

local function show(text, max, controls)
  text = tostring(text)
  local long = max and #text > max
  if long then text = head(text, max) end
  if text:find "[\0-\x1f\x7f-\xff]" then text = escape(text, controls) end
  if not long and not (max and #text > max) then return text end
  return head(text, math.max(max - #CUT, 0)) .. CUT
end

--- As one line: line ends and tabs are escaped too.
-- @param text made a string by tostring
-- @tparam ?integer max bytes of the answer at most (3 or more); what is cut ends in "…"
-- @treturn string
function printable.line(text, max) return show(text, max, "[\0-\x1f\x7f]") end

--- As text of several lines: line feeds and tabs stay.
-- @param text made a string by tostring
-- @tparam ?integer max bytes of the answer at most (3 or more); what is cut ends in "…"
-- @treturn string
function printable.text(text, max) return show(text, max, "[\0-\x08\x0b-\x1f\x7f]") end

return printable
