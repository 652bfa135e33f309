--- `moonpost accounts`: what a store holds.
-- @module moonpost.cli.accounts
local accounts = require "moonpost.client.accounts"
local open_store = require "moonpost.cli.open_store"
local options = require "moonpost.cli.options"
local printable = require "moonpost.printable"

local command = { summary = "list the accounts a store holds" }

command.usage = [[
usage: moonpost accounts [--store DIR] [--key-fd N]

  --store DIR   the store's folder (state); a bot may be running on it
  --key-fd N    the store is sealed: its key is read from descriptor N (else from MOONPOST_STORE_KEY, where that is set)

One line for each account: its name in the store, its number and push name, the server it is linked at, since when, and how many
messages wait in it: for their handlers (journal), set aside because their handlers never ended (parked), for the server (outbox).]]

local columns = { "account", "number", "name", "server", "linked since", "journal", "parked", "outbox" }

local function row_of(one)
  return {
    one.account, one.jid and "+" .. (one.jid:match "^%d+" or "?") or "not linked", printable.line(one.name or "-"), one.server or "-",
    one.linked_at and os.date("%Y-%m-%d %H:%M", one.linked_at) or "-", tostring(one.journal), tostring(one.parked), tostring(one.outbox),
  }
end

local function print_table(lines)
  local widths = {}
  for _, line in ipairs(lines) do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i] or 0, utf8.len(cell) or #cell) end
  end
  for _, line in ipairs(lines) do
    local cells = {}
    for i, cell in ipairs(line) do cells[i] = cell .. (" "):rep(widths[i] - (utf8.len(cell) or #cell)) end
    print((table.concat(cells, "  "):gsub(" +$", "")))
  end
end

--- @treturn int exit code
function command.main(args)
  local found = options.parse({ store = "DIR", ["key-fd"] = "a descriptor's number" }, args)
  local store <close> = open_store(found, true)
  local ok, list = pcall(accounts.list, store)
  if not ok then options.stop("store %s is damaged: %s; see moonpost store check", store:path(), tostring(list)) end
  if #list == 0 then
    print(("store %s holds no account"):format(store:path()))
    return 0
  end
  local lines = { columns }
  for _, one in ipairs(list) do lines[#lines + 1] = row_of(one) end
  print_table(lines)
  return 0
end

return command
