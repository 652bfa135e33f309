--- Attributes of stanzas that came, read with suspicion. What is not of its form is raised as an error "malformed", for which the
-- connection refuses the stanza (fact sheet 04 §14.1).
-- @module moonpost.client.attrs
local core = require "moonpost.core"
local jid = core.wire.jid

local AHEAD = 86400 -- seconds the server's clock may be ahead of ours

local attrs = {}

--- An attribute that names somebody, or nil when it is not there.
-- @tparam table node
-- @string name of the attribute
-- @treturn ?string the JID
function attrs.jid(node, name)
  local value = node.attrs[name]
  if value and not jid.parse(value) then
    error(core.error("malformed", ("a <%s> whose '%s' is no JID"):format(node.tag, name)), 0)
  end
  return value
end

--- The same without its device.
function attrs.bare(node, name)
  local value = attrs.jid(node, name)
  return value and jid.bare(value)
end

--- Whether a text is the JID of a person or of a person's device, by number or by LID.
function attrs.is_person(text)
  local user, server = jid.parse(text or "")
  return (server == "s.whatsapp.net" or server == "lid") and user ~= ""
end

--- A time attribute's value.
-- @treturn ?int Unix seconds; nil when it is no time there can be
function attrs.time(value)
  local seconds = math.tointeger(tonumber(value))
  return seconds and seconds > 0 and seconds <= core.net.time() + AHEAD and seconds or nil
end

--- The number a message has in a channel (fact sheet 09 §4.11).
-- @treturn ?int nil when it is none there can be
function attrs.server_id(value)
  local number = math.tointeger(tonumber(value))
  return number and number >= 99 and number <= 2147476647 and number or nil
end

return attrs
