local node = require("moonpost.stanza").node

local function fetch()
  return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "set", xmlns = "w:sync:app:state" }, node("sync", nil, {
    node("collection", { name = "critical_block", version = "0", return_snapshot = "true" }),
    node("collection", { name = "regular", version = "3" }, node("patch", nil, "patch")),
  }))
end

local function fetched()
  return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, node("sync", nil, {
    node("collection", { name = "critical_block", version = "1" }, node("patches", nil, node("patch", nil, "patch"))),
    node("collection", { name = "regular", type = "error", version = "4" }, node("error", { code = "409", text = "conflict" })),
  }))
end

local sheet = "(10 §9, 06 §5, 08 S-321, S-323)"

return {
  { "to-server", "a fetch and an upload", fetch, {
    { "sync/collection[1]@name=irregular", "iq/sync/collection[1]@name: expected critical_block, critical_unblock_low, " },
    { "sync/collection[1]@version!", "iq/sync/collection[1]@version: missing, expected a number from 0 " .. sheet },
    { "sync/collection[1]@return_snapshot=yes", "iq/sync/collection[1]@return_snapshot: expected true or false, got 'yes' " .. sheet },
    { "sync/collection[2]/patch#0", "iq/sync/collection[2]/patch: expected at least 1 bytes, got 0 " .. sheet },
  } },
  { "to-client", "what changed", fetched, {
    { "sync/collection[1]@version=one", "iq/sync/collection[1]@version: expected a number from 0, got 'one' " .. sheet },
    { "sync/collection[2]/error!", "iq/sync/collection[2]/error: missing " .. sheet },
    { "sync/collection[1]/patches/patch#0", "iq/sync/collection[1]/patches/patch: expected at least 1 bytes, got 0 " .. sheet },
    { "sync!", "iq/sync: missing " .. sheet },
  }, request = fetch },
}
