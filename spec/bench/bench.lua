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

local function shell_quote(text) return "'" .. tostring(text):gsub("'", "'\\''") .. "'" end

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

-- Those that one run of stage.lua measures for both sides.
local staged = { online = true, idle = true, echo = true, photo = true, again = true }

-- Those that one program measures for both sides.
local both = { trips = "build/moonpost run -- spec/bench/trips.lua" }

-- Those of moonpost alone: programs of their own name.
local alone = {
  fleet = true, commit = true, poll = true, crowd = true, server = true, hear = true, drain = true, cipher = true,
  files = true, history = true,
}

-- Each row: what it is called, which program row and field it comes from, how to print it, and what it must reach: at most, `at_least`,
-- or so many `times` less than Baileys.
local us, ms, sec, times = { 1e6, "µs" }, { 1e3, "ms" }, { 1, "s" }, { 1, "×" }
local mb, kb = { 1 / 1048576, "MB" }, { 1 / 1024, "KB" }
local rows = {
  { "encode the 8-enc node (1,847 B)", "node", "encode", us, 2.5 },
  { "decode the 8-enc node (1,847 B)", "node", "decode", us, 5 },
  { "protobuf decode + encode, quoted text", "proto", "both", us, 2.5 },
  { "new session", "session", "session", us, 300 },
  { "message with a DH step", "message", "step", us, 150 },
  { "message without, grouped commits", "message", "same", us, 35 },
  { "message after a jump of 1,499 by the sender", "jump", "each", us, 60 },
  { "the jump itself", "jump", "once", ms },
  { "group text after 5,000 of even iterations only", "group", "text", us, 150 },
  { "commit (wall), power, plain: alone", "commit", "power_plain", us },
  { "commit (wall), power, plain: 50 sharing one", "commit", "power_plain_shared", us },
  { "commit (wall), power, sealed: alone", "commit", "power_sealed", us },
  { "commit (wall), power, sealed: 50 sharing one", "commit", "power_sealed_shared", us },
  { "commit (wall), process, plain: alone", "commit", "process_plain", us },
  { "commit (wall), process, plain: 50 sharing one", "commit", "process_plain_shared", us },
  { "commit (wall), process, sealed: alone", "commit", "process_sealed", us },
  { "commit (wall), process, sealed: 50 sharing one", "commit", "process_sealed_shared", us },
  { "a vote in a poll of 500: decrypted and kept", "poll", "vote", us },
  { "a poll of 500 votes: tallied", "poll", "tally", us },
  { "load: time", "load", "seconds", ms, 15 },
  { "load: resident", "load", "resident", mb, 8 },
  { "start to online, wss, verified", "online", "seconds", ms },
  { "online again by IK, wss, verified, until <offline/>", "again", "seconds", ms, 60 },
  { "round trips until <success>: a later login", "trips", "again", times, 1 },
  { "round trips until <success>: the first login", "trips", "first", times },
  { "idle linked bot, wss: resident", "idle", "resident", mb, 12 },
  { "idle linked bot, wss: anonymous", "idle", "anonymous", mb, 5 },
  { "200 idle accounts, wss: resident per account", "fleet", "resident", mb, 0.3 },
  { "group of 1,024 × 2 devices: first text, no sessions: CPU", "crowd", "first", ms, 800 },
  { "group of 1,024 × 2 devices: its longest turn of the loop", "crowd", "slice", ms, 10 },
  { "group of 1,024 × 2 devices: following texts: CPU", "crowd", "following", ms, 2 },
  { "incoming group text, 50 groups, to the handler: CPU", "hear", "text", us, 150 },
  { "draining 10,000 texts that waited: CPU", "drain", "cpu", sec, 2.5 },
  { "draining 10,000 texts that waited: growth", "drain", "growth", mb, 16 },
  { "history of 50,000 messages: time", "history", "wall", sec, 2 },
  { "history of 50,000 messages: CPU", "history", "cpu", sec },
  { "history of 50,000 messages: peak growth", "history", "growth", mb, 32 },
  { "sandbox with 500 clients: resident per client", "server", "resident", kb, 100 },
  { "sandbox with 500 clients: texts per second of its CPU", "server", "rate", { 1, "/s" }, at_least = 4000 },
  { "encrypt and hash a file: CPU, beside libcrypto's passes", "cipher", "ratio", times, 1.25 },
  { "encrypt and hash a video: with its sidecar's pass", "cipher", "streamed", times, 1.25 },
  { "encrypt and hash 1 MiB of a file", "cipher", "encrypt", ms },
  { "encrypt and hash 1 MiB of a video", "cipher", "encrypt_video", ms },
  { "decrypt and check 1 MiB of a file", "cipher", "decrypt", ms },
  { "upload and download of 200 MB: growth", "files", "growth", mb, 4 },
  { "upload of 200 MB, https: CPU per MB", "files", "up", ms },
  { "download of 200 MB, https: CPU per MB", "files", "down", ms },
  { "echo 5,000 messages, 50 contacts: CPU per message", "echo", "cpu", us, times = 10 },
  { "echo 5,000 messages, 50 contacts: wall clock", "echo", "wall", sec },
  { "echo 400 photos of 200 KB, loaded and sent anew: CPU", "photo", "cpu", ms, times = 4 },
  { "echo 400 photos of 200 KB: wall clock", "photo", "wall", sec },
}

-- scripts/bench has checked them.
local function parse_arguments()
  local found, all, i = { rounds = 3, only = {} }, {}, 1
  while i <= #arg do
    if arg[i] == "--json" then
      found.json = true
    elseif arg[i] == "--rounds" then
      i = i + 1
      found.rounds = math.tointeger(tonumber(arg[i]))
    else
      found.only[arg[i]] = true
    end
    i = i + 1
  end
  for _, row in ipairs(rows) do all[row[2]] = true end
  if not next(found.only) then found.only = all end
  return found
end

-- Every program row once per round, ours and theirs one after the other: noise of the machine meets both.
local function measure(options)
  local fixtures = ours "fixtures"
  local order, on_stage, samples, machine = {}, {}, {}, {}
  for _, row in ipairs(rows) do
    local name = row[2]
    if options.only[name] and not samples[name] then
      samples[name] = { moonpost = {}, baileys = {} }
      local list = staged[name] and on_stage or order
      list[#list + 1] = name
    end
  end
  for round = 1, options.rounds do
    machine[round] = ours "machine"
    local function tell(name) io.stderr:write(("round %d of %d: %s\n"):format(round, options.rounds, name)) end
    for _, name in ipairs(order) do
      tell(name)
      if alone[name] then
        samples[name].moonpost[round] = capture(("build/moonpost run -- spec/bench/%s.lua"):format(name))
      elseif both[name] then
        for side, result in pairs(capture(both[name])) do samples[name][side][round] = result end
      else
        samples[name].moonpost[round] = ours(name, fixtures[name])
        samples[name].baileys[round] = baileys(name, fixtures[name])
      end
    end
    if #on_stage > 0 then
      tell(table.concat(on_stage, ", "))
      local results = capture(command_of("build/moonpost run spec/bench/stage.lua --", { round, table.unpack(on_stage) }))
      for _, name in ipairs(on_stage) do
        for side, result in pairs(results) do samples[name][side][round] = result[name] end
      end
    end
  end
  return samples, machine
end

local function field_median(list, field)
  local values = {}
  for i, sample in ipairs(list) do values[i] = sample[field] end
  return median(values)
end

local options = parse_arguments()
local samples, machine = measure(options)
local results = {}
for _, row in ipairs(rows) do
  local sample = samples[row[2]]
  if sample then
    local mine, theirs = field_median(sample.moonpost, row[3]), nil
    if not alone[row[2]] then theirs = field_median(sample.baileys, row[3]) end
    local factor, unit = row[4][1], row[4][2]
    local result = {
      row = row[1], moonpost = mine * factor, baileys = theirs and theirs * factor, unit = unit, ratio = theirs and theirs / mine,
      target = row[5], times = row.times, at_least = row.at_least,
    }
    if row[5] then result.reached = mine * factor <= row[5] end
    if row.at_least then result.reached = mine * factor >= row.at_least end
    if row.times then result.reached = result.ratio >= row.times end
    results[#results + 1] = result
  end
end

if options.json then
  print(json.encode(results))
else
  print(("medians of %d round(s); times of one operation are CPU time, Baileys is 7.0.0-rc14"):format(options.rounds))
  print(("this machine now: SHA-256 of 1 MiB in %.2f ms; the targets are for one that does it in 0.57 ms"):format(
    field_median(machine, "seconds") * 1e3))
  print(("%-52s %10s %10s %8s  %s"):format("", "moonpost", "Baileys", "ratio", "target"))
  for _, result in ipairs(results) do
    local target = result.target and ("<= %g %s"):format(result.target, result.unit) or result.times and (">= %g x"):format(result.times)
      or result.at_least and (">= %g %s"):format(result.at_least, result.unit)
    target = target or ""
    if result.reached == false then target = target .. "  MISSED" end
    local theirs = result.baileys and ("%7.1f %-2s %7.1fx"):format(result.baileys, result.unit, result.ratio) or ("%19s"):format ""
    local mine = (result.moonpost < 1 and "%7.3f" or "%7.1f"):format(result.moonpost)
    print(("%-52s %s %-2s %s  %s"):format(result.row, mine, result.unit, theirs, target))
  end
end
