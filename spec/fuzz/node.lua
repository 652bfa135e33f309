-- Nodes: what decodes can be encoded, and means the same afterwards. Returns fn(bytes).
local wire = require("moonpost.core").wire
local compare = require "spec.fuzz.compare"

-- A value that came, in the form it has after it was sent on: JIDs in their one form.
local function canonical(text)
  local user, server, device = wire.jid.parse(text)
  if not user then return text end
  return ("%s|%s|%d"):format(user, server, device)
end

-- `sent` is what became of `node`: empty attributes are left out, JIDs may be written in their one form (fact sheet 01 §4.5, §5).
local function meant_the_same(node, sent)
  assert(node.tag == sent.tag, "tag")
  for name, value in pairs(node.attrs) do
    local again = sent.attrs[name]
    assert(value == "" and again == nil or again and (again == value or canonical(again) == canonical(value)), name)
  end
  for name in pairs(sent.attrs) do assert(node.attrs[name], name) end
  assert(type(node.content) == type(sent.content), "content")
  if type(node.content) ~= "table" then return assert(node.content == sent.content, "bytes") end
  assert(#node.content == #sent.content, "children")
  for i, child in ipairs(node.content) do meant_the_same(child, sent.content[i]) end
end

return function(bytes)
  local node, err = wire.decode(bytes)
  if not node then
    assert(#err.code > 0 and #err.message > 0 and #tostring(err) < 400, "an error that says nothing")
    return
  end
  local encoded = wire.encode(node)
  local again = assert(wire.decode(encoded))
  meant_the_same(node, again)
  assert(wire.encode(again) == encoded, "the second encoding differs")
  compare(again, assert(wire.decode(encoded)))
end
