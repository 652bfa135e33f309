--- Words of commands: times, durations, names between bars; and how a command that is wrong says so.
-- @module moonpost.cli.chat.words
local words = {}

local seconds_of = { m = 60, h = 3600, d = 24 * 3600 }

--- Ends a command before anything is sent.
-- @string format what is wrong, a sentence
function words.wrong(format, ...) error({ wrong = select("#", ...) > 0 and format:format(...) or format }, 0) end

--- The value, or the end of the command with the reason why there is none.
function words.need(value, why)
  if value == nil then error({ failed = tostring(why) }, 0) end
  return value
end

--- A text without the spaces around it.
function words.trim(text) return (text:match "^%s*(.-)%s*$") end

--- The parts of a text between bars.
-- @string text "Lunch? | Soup | Salad"
-- @treturn table array of texts, none of them empty
function words.parts(text)
  local list = {}
  for part in (text .. "|"):gmatch "([^|]*)|" do
    part = words.trim(part)
    if part ~= "" then list[#list + 1] = part end
  end
  return list
end

--- A duration in seconds: "30m", "2h", "7d"; "off" is 0.
function words.duration(text)
  if text == "off" or text == "never" then return 0 end
  local number, unit = text:match "^(%d+)%s*([mhd])$"
  return number and math.tointeger(number * seconds_of[unit]) or nil
end

-- The next time the clock shows it.
local function next_time(hour, minute, now)
  local day = os.date("*t", now)
  day.hour, day.min, day.sec = hour, minute, 0
  local time = os.time(day)
  return time > now and time or time + seconds_of.d
end

--- A time to come: "2h" (from now), "18:00" (today or tomorrow), "2026-12-24 18:00".
-- @string text
-- @int now Unix seconds
-- @treturn ?int Unix seconds
function words.time(text, now)
  local ahead = words.duration((text:gsub("^in%s+", "")))
  if ahead then return ahead > 0 and now + ahead or nil end
  local hour, minute = text:match "^(%d%d?):(%d%d)$"
  if hour then return tonumber(hour) < 24 and tonumber(minute) < 60 and next_time(tonumber(hour), tonumber(minute), now) or nil end
  local year, month, day, at, min = text:match "^(%d%d%d%d)%-(%d%d?)%-(%d%d?)[ T]+(%d%d?):(%d%d)$"
  if not year then return nil end
  return os.time { year = tonumber(year), month = tonumber(month), day = tonumber(day), hour = tonumber(at), min = tonumber(min) }
end

--- How long, in words: "7 days".
-- @int seconds
function words.long(seconds)
  for _, unit in ipairs { { 24 * 3600, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } } do
    if seconds % unit[1] == 0 and seconds > 0 then
      local count = seconds // unit[1]
      return ("%d %s%s"):format(count, unit[2], count == 1 and "" or "s")
    end
  end
  return "0 seconds"
end

--- How many bytes, in words: "201 kB".
-- @int bytes
function words.bytes(bytes)
  if bytes < 1000 then return ("%d B"):format(bytes) end
  local units = { "kB", "MB", "GB" }
  local value, unit = bytes / 1000, 1
  while value >= 999.5 and units[unit + 1] do value, unit = value / 1000, unit + 1 end
  return (value < 9.95 and "%.1f %s" or "%.0f %s"):format(value, units[unit])
end

--- When, in words.
-- @number time Unix seconds; what no calendar has is shown as it is
function words.date(time)
  local whole = math.tointeger(time // 1)
  if not whole or math.abs(whole) > 1e11 then return tostring(time) end
  return os.date("%Y-%m-%d %H:%M", whole)
end

return words
