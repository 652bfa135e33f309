--- The server's answers about collections of the app state (fact sheet 06 §5.2, §7.3).
-- @module moonpost.client.appstate_answers
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local answers = {}

--- The collections of an answer, by name; of two with one name the first.
function answers.by_name(answer)
  local found = {}
  for _, one in stanza.children(stanza.child(answer, "sync"), "collection") do
    local name = one.attrs.name
    if name and not found[name] then found[name] = one end
  end
  return found
end

--- The code of a collection's error; nil without one.
function answers.code(node)
  local err = stanza.child(node, "error")
  return err and math.tointeger(tonumber(err.attrs.code))
end

--- What is wrong with a collection's answer to a fetch: nil, or an error. With a conflict come patches as well.
-- @tparam ?table node
function answers.check(node)
  if not node then return core.error("iq", "the server's answer leaves it out") end
  if node.attrs.type ~= "error" then return nil end
  local code = answers.code(node)
  if code == 409 then return nil end
  local err = core.error("refused", ("the server refuses it with error %s"):format(tostring(code)))
  err.status = code
  return err
end

return answers
