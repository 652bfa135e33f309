--- Looking at a store, as deep as it goes: its files' headers first, then every row, in a process of its own, since damaged pages
-- end the one that reads them.
-- @module moonpost.cli.store_check
local core = require "moonpost.core"
local json = require "cjson.safe"
local check_row = require "moonpost.client.row_check"

local CHILD_SECONDS = 600
local SHOWN = 20 -- faults that are listed one by one

-- Codes of the opening that tell of damage, not of a store that cannot be looked at.
local damaged = { malformed = true, truncated = true, damaged = true }

local advice = {
  "what to do: stop the bot and put a backup in the store's place (moonpost backup makes them);",
  "without one, remove the folder and link the account again. What can still be read is left as it is",
}

-- A key as people can read it: the scope of its account, a slash, and the rest.
local function key_text(key)
  local scope, rest = key:match "^([^%z]*)%z(.*)$"
  local text = (scope and scope .. "/" .. rest or key):gsub("[^%g]", function(byte) return ("\\x%02x"):format(byte:byte()) end)
  return #text > 80 and text:sub(1, 80) .. "…" or text
end

-- The accounts whose credentials cannot be read, or are missing though they are linked.
local function check_accounts(store, linked, faults)
  for _, scope in ipairs(store:accounts()) do
    local account, err = core.signal.account(store:account(scope))
    if not account then faults[#faults + 1] = { table = "credential", key = scope, what = err.message } end
    linked[scope] = nil
  end
  for scope in pairs(linked) do
    faults[#faults + 1] = { table = "credential", key = scope, what = "it is missing, and the account is linked" }
  end
end

-- In the child: a JSON text of {counts=, faults=} or {error=, code=}.
local function look(folder, key)
  local store, err = core.store.open { path = folder, reader = true, key = key }
  if not store then return json.encode { error = err.message, code = err.code } end
  local linked = {}
  local counts, faults = store:check(function(name, row, value)
    local scope = name == "setting" and row:match "^([^%z]*)%zme$"
    if scope then linked[scope] = true end
    return check_row(name, row, value)
  end)
  if not counts then return json.encode { error = faults.message, code = faults.code } end
  check_accounts(store, linked, faults)
  for _, fault in ipairs(faults) do fault.key = key_text(fault.key) end
  return json.encode { counts = counts, faults = #faults > 0 and faults or nil }
end

local function counts_line(counts)
  local names, parts, sum = {}, {}, 0
  for name, count in pairs(counts) do
    names[#names + 1] = name
    sum = sum + count
  end
  table.sort(names)
  for i, name in ipairs(names) do parts[i] = ("%s %d"):format(name, counts[name]) end
  return ("%d rows: %s"):format(sum, table.concat(parts, ", "))
end

local function with_advice(lines)
  for _, line in ipairs(advice) do lines[#lines + 1] = line end
  return lines
end

--- Looks at the store in a folder, beside whoever uses it; changes neither of its data files.
-- @string folder
-- @tparam ?key key
-- @treturn ?table lines to print, `whole` true when nothing is wrong, `counts` of rows by table
-- @treturn ?table err it could not be looked at: code "not-found", "store", "key", "busy", "version"
return function(folder, key)
  local text, err = core.store.child(function() return look(folder, key) end, CHILD_SECONDS)
  if not text and not damaged[err.code] then return nil, err end
  if not text then return with_advice { ("%s is damaged: reading it does not work, %s"):format(folder, err.message) } end
  local found = assert(json.decode(text))
  if found.error and not damaged[found.code] then return nil, core.error(found.code, found.error) end
  if found.error then return with_advice { found.error } end
  local faults = found.faults or {}
  local lines = { whole = #faults == 0, counts = found.counts }
  for i = 1, math.min(#faults, SHOWN) do
    lines[i] = ("damaged: row %s of table %s: %s"):format(faults[i].key, faults[i].table, faults[i].what)
  end
  if #faults > SHOWN then lines[#lines + 1] = ("and %d more damaged rows"):format(#faults - SHOWN) end
  local verdict = not lines.whole and "is damaged" or key and "is whole" or "reads well" -- a plain store has no checksums
  lines[#lines + 1] = ("%s %s: %s"):format(folder, verdict, counts_line(found.counts))
  return lines.whole and lines or with_advice(lines)
end
