-- The benchmark: one table, each row moonpost beside Baileys, done in the same run on the same work; medians of several rounds.
-- usage: moonpost run -- spec/bench/bench.lua [--json] [--rounds N] [ROW...]   (scripts/bench does it)
local json = require "cjson.safe"

local function capture(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  local ok, _, code = pipe:close()
  if not ok then error(("bench: '%s' ended with code %s"):format(command, code), 0) end
  local last
  for line in text:gmatch "[^\n]+" do last = line end
  local value = last and json.decode(last)
  if not value then error(("bench: '%s' printed no result"):format(command), 0) end
  return value
end

local function shell_quote(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

local function command_of(program, words)
  local out = { program }
  for _, word in ipairs(words) do out[#out + 1] = shell_quote(word) end
  return table.concat(out, " ")
end

local node = os.getenv "NODE" or "node"
local function ours(...) return capture(command_of("build/moonpost run -- spec/bench/ours.lua", { ... })) end
local function baileys(...) return capture(command_of(node .. " spec/bench/baileys.mjs", { ... })) end

local function median(list)
  table.sort(list)
  local middle = #list // 2
  if #list % 2 == 1 then return list[middle + 1] end
  return (list[middle] + list[middle + 1]) / 2
end

local fixtures = ours "fixtures"

-- Each row: what it is called, which program row and field it comes from, how to print it, and what it must reach.
local us, ms, mb, sec = { 1e6, "µs" }, { 1e3, "ms" }, { 1 / 1048576, "MB" }, { 1, "s" }
local rows = {
  { "encode the 8-enc node (1,847 B)", "node", "encode", us, 2.5, fixtures.node },
  { "decode the 8-enc node (1,847 B)", "node", "decode", us, 5, fixtures.node },
  { "protobuf decode + encode, quoted text", "proto", "both", us, 2.5, fixtures.proto },
  { "new session", "session", "session", us, 300 },
  { "message with a DH step", "message", "step", us, 150 },
  { "message without, grouped commits", "message", "same", us, 35 },
  { "load: time", "load", "seconds", ms, 15 },
  { "load: resident", "load", "resident", mb, 8 },
  { "start to online, wss, verified", "online", "seconds", ms },
  { "idle linked bot, wss: resident", "idle", "resident", mb, 12 },
  { "idle linked bot, wss: anonymous", "idle", "anonymous", mb, 5 },
  { "echo 2,000 messages, 20 contacts: CPU per message", "echo", "cpu", us },
  { "echo 2,000 messages, 20 contacts: wall clock", "echo", "wall", sec },
}

local function parse_arguments()
  local found = { rounds = 3, only = {} }
  local i = 1
  while i <= #arg do
    if arg[i] == "--json" then
      found.json = true
    elseif arg[i] == "--rounds" and math.tointeger(arg[i + 1]) then
      i = i + 1
      found.rounds = math.tointeger(arg[i])
    elseif not arg[i]:find "^%-" then
      found.only[arg[i]] = true
    else
      io.stderr:write(("scripts/bench: expected --json, --rounds N or names of rows, got '%s'\n"):format(arg[i]))
      os.exit(2)
    end
    i = i + 1
  end
  return found
end

-- Every program row once per round, ours and theirs one after the other: noise of the machine meets both.
local function measure(options)
  local samples, order, seen = {}, {}, {}
  for _, row in ipairs(rows) do
    local name = row[2]
    if not seen[name] and (not next(options.only) or options.only[name]) then
      seen[name] = true
      order[#order + 1] = row
      samples[name] = { ours = {}, baileys = {} }
    end
  end
  for round = 1, options.rounds do
    for _, row in ipairs(order) do
      io.stderr:write(("\rround %d of %d: %-10s"):format(round, options.rounds, row[2]))
      local sample = samples[row[2]]
      sample.ours[round] = ours(row[2], row[6])
      sample.baileys[round] = baileys(row[2], row[6])
    end
  end
  io.stderr:write "\r                              \r"
  return samples
end

local function field_median(list, field)
  local values = {}
  for i, sample in ipairs(list) do values[i] = sample[field] end
  return median(values)
end

local options = parse_arguments()
local samples = measure(options)
local results = {}
for _, row in ipairs(rows) do
  local sample = samples[row[2]]
  if sample then
    local mine, theirs = field_median(sample.ours, row[3]), field_median(sample.baileys, row[3])
    local factor, unit = row[4][1], row[4][2]
    results[#results + 1] = {
      row = row[1], moonpost = mine * factor, baileys = theirs * factor, unit = unit, ratio = theirs / mine, target = row[5],
      reached = row[5] and mine * factor <= row[5] or nil,
    }
  end
end

if options.json then
  print(json.encode(results))
else
  print(("%-52s %10s %10s %8s  %s"):format("", "moonpost", "Baileys", "ratio", "target"))
  for _, result in ipairs(results) do
    local target = result.target and ("<= %g %s%s"):format(result.target, result.unit, result.reached and "" or "  MISSED") or ""
    print(("%-52s %7.1f %-2s %7.1f %-2s %7.1fx  %s"):format(
      result.row, result.moonpost, result.unit, result.baileys, result.unit, result.ratio, target))
  end
end
