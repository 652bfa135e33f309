--- GraphQL over IQs (fact sheet 07 §8.1): an operation by its id, with variables; the answer's `data`.
-- @module moonpost.client.mex
local core = require "moonpost.core"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"

local ANSWER_MAX = 1024 * 1024 -- bytes of an answer

local mex = {}

mex.null = json.null

local function failure(errors)
  local one = errors[1] or {}
  for _, each in ipairs(errors) do
    if type(each.extensions) == "table" and each.extensions.is_summary == true then one = each end
  end
  local status = type(one.extensions) == "table" and math.tointeger(one.extensions.error_code) or nil
  local err = core.error("mex", ("the server does not do it: %s"):format(tostring(one.message or "no reason given")))
  err.status = status
  return err
end

--- Asks. In a task.
-- @param client
-- @string id of the operation, as the official web client has it
-- @tparam table variables
-- @treturn ?table data
-- @treturn ?table err code "mex": the server names an error, `status` its number; else as a query fails
function mex.query(client, id, variables)
  local answer, err = client:query(stanza.node("iq", { xmlns = "w:mex", type = "get", to = "s.whatsapp.net" }, {
    stanza.node("query", { query_id = id }, assert(json.encode { variables = variables })),
  }))
  if not answer then return nil, err end
  local result = stanza.child(answer, "result")
  if result and result.attrs.format then
    return nil, core.error("mex", ("the server answers in the form '%s', which nothing here reads"):format(result.attrs.format))
  end
  local bytes = stanza.bytes(answer, "result") or ""
  local value = #bytes <= ANSWER_MAX and json.decode(bytes)
  if type(value) ~= "table" then return nil, core.error("mex", "the server's answer is no JSON object") end
  if type(value.errors) == "table" and #value.errors > 0 then return nil, failure(value.errors) end
  if type(value.data) ~= "table" then return nil, core.error("mex", "the server's answer holds no data") end
  return value.data
end

return mex
