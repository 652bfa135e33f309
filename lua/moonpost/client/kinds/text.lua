--- Texts: plain, or with something around them (fact sheet 05 §4.1). Formatting is the writer's own characters (§15.9).
-- @module moonpost.client.kinds.text
local check = require "moonpost.client.kinds.check"

local read, build = {}, {}

function read.conversation(content, m) m.kind, m.text = "text", content end

function read.extendedTextMessage(content, m) m.kind, m.text = "text", content.text end

--- { text = "hello" }
function build.text(spec)
  check.fields("a text", spec, { text = "string" })
  return { conversation = check.text("a text", "text", spec.text) }
end

return { read = read, build = build }
