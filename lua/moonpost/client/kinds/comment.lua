--- Comments on a message, as announcement groups and channels have them (fact sheet 05 §8.5).
-- @module moonpost.client.kinds.comment
local key = require "moonpost.client.kinds.key"
local messages = require "moonpost.client.messages"
local text = require "moonpost.client.kinds.text"

local comment = { read = {}, acts = {} }

--- `m.text` is what it says; `m.message` holds all of it.
function comment.read.commentMessage(content, m, client)
  m.kind, m.target = "comment", key.read(content.targetMessageKey, m, client)
  local inner = messages.unwrap(content.message or {})
  local name = messages.content(inner)
  local said = {}
  if text.read[name] then text.read[name](inner[name], said, client) end
  m.text = said.text
end

return comment
