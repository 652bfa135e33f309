--- Reactions (fact sheet 03 §16.4, 05 §7.1).
-- @module moonpost.client.kinds.reaction
local key = require "moonpost.client.kinds.key"

local read = {}

function read.reactionMessage(content, m, client)
  m.kind, m.reaction, m.target = "reaction", { emoji = content.text or "" }, key.read(content.key, m, client)
end

return { read = read }
