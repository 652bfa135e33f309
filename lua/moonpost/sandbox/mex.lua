--- GraphQL over IQs (fact sheet 08 S-750): operations by the ids each client knows them by; an unknown one is told as such.
-- @module moonpost.sandbox.mex
local iq = require "moonpost.sandbox.iq"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"

local mex = {}

-- The operations, and under which ids clients ask for them.
local ids = {
  create = { "8823471724422422", "25149874324715067", "6234210096708695", "27527996220149684" },
  metadata = { "6563316087068696", "9779843322044422", "27456920720571478", "25383075034668475" },
  dehydrated = { "26944199458535748", "30328461880085868", "7272540469429201" },
  subscribed = { "25399611239711790", "33101596156151910", "6388546374527196", "8621797084555037" },
  update = { "24250201037901610", "7150902998257522", "7839742399440946" },
  join = { "24404358912487870", "9926858900719341" },
  leave = { "9767147403369991", "6392786840836363", "8782612271820087" },
  mute = { "29766401636284406", "6274038279359549", "5971669009605755" },
  unmute = { "9864994326891137", "6068417879924485", "6104029483058502" },
  admins = { "7130823597031706", "26278439461859188", "29186079397702825" },
  delete = { "30062808666639665" },
  reachout = { "23983697327930364" },
  capping = { "24503548349331633", "27910975521856601" },
}

local operations = {}
for operation, list in pairs(ids) do
  for _, id in ipairs(list) do operations[id] = operation end
end

-- By operation: fn(conn, variables) -> the answer's `data`; nil, code and sentence when there is none.
local answers = {}

function answers.reachout() return { xwa2_fetch_account_reachout_timelock = { is_active = false, time_enforcement_ends = "0" } } end

function answers.capping()
  return { xwa2_message_capping_info = { total_quota = "0", used_quota = "0", capping_status = "NONE", ote_status = "NOT_ELIGIBLE",
    mv_status = "NOT_ELIGIBLE", cycle_start_timestamp = "0", cycle_end_timestamp = "0", server_sent_timestamp = "0" } }
end

local function failure(code, message)
  return { data = json.null, errors = { { message = message, path = {}, extensions = {
    error_code = code, is_summary = false, is_retryable = false, severity = "CRITICAL",
  } } } }
end

local function text_of(value)
  local text = json.encode(value)
  return (text:gsub('"path":{}', '"path":["data"]')) -- of strings, which an empty table is not
end

--- A query of the namespace "w:mex".
function mex.query(conn, node)
  local query = stanza.child(node, "query")
  local operation = query and operations[query.attrs.query_id]
  local fn = operation and (answers[operation] or require("moonpost.sandbox.newsletters").operations[operation])
  local asked = query and type(query.content) == "string" and json.decode(query.content)
  local result
  if not fn then
    result = failure(400, "PersistedQueryNotFound")
  else
    local data, code, why = fn(conn, type(asked) == "table" and type(asked.variables) == "table" and asked.variables or {})
    result = data and { data = data } or failure(code, why)
  end
  iq.result(conn, node, stanza.node("result", nil, text_of(result)))
end

return mex
