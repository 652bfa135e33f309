--- Reactions (fact sheet 03 §16.4, 05 §7.1).
-- @module moonpost.client.kinds.reaction
local key = require "moonpost.client.kinds.key"

local read = {}

function read.reactionMessage(content, m, client)
  m.kind, m.reaction, m.target = "reaction", { emoji = content.text or "" }, key.read(content.key, m, client)
end

--- A reaction to a message event; an empty emoji takes it back.
-- @tparam table m what is reacted to
-- @string emoji
-- @number now Unix seconds
-- @treturn table Message
local function message(m, emoji, now)
  return { reactionMessage = { key = key.write(m), text = emoji, senderTimestampMs = math.floor(now * 1000) } }
end

return { read = read, message = message }
