--- What a store holds: its accounts, and what waits in each.
-- @module moonpost.client.accounts
local core = require "moonpost.core"
local options_of = require "moonpost.client.options"
local rows = require "moonpost.client.rows"

local accounts = {}

-- How many messages wait in a journal, and how many of them are parked.
local function count_journal(store)
  local all, parked = 0, 0
  rows.each(store, "journal", "", function(_, value)
    local row = core.proto.decode("StoreJournal", value)
    all, parked = all + 1, parked + (row and row.parked and 1 or 0)
  end)
  return all - parked, parked
end

--- The accounts of an open store, in the order of their names, the default one first.
-- @param store
-- @treturn table array of {account=, journal=, parked=, outbox=}: messages that wait for their handlers, were set aside, wait for
-- the server; and of a linked one jid, lid, device, name, linked_at (Unix seconds; nil when it was linked by an earlier version),
-- server ("service" or "sandbox")
function accounts.list(store)
  local list = {}
  for _, scope in ipairs(store:accounts()) do
    local handle = store:account(scope)
    local me = rows.get(handle, "setting", "me", "StoreMe") or {}
    local journal, parked = count_journal(handle)
    list[#list + 1] = {
      account = options_of.account(scope), jid = me.jid, lid = me.lid, device = me.device, name = me.name, linked_at = me.linkedAt,
      server = me.jid and ((me.root or core.noise.ROOT) == core.noise.ROOT and "service" or "sandbox"),
      journal = journal, parked = parked, outbox = handle:count("outbox", "o"),
    }
  end
  return list
end

return accounts
