--- Server properties: what the service lets clients do, by number (fact sheet 08 S-807, data/abprops.tsv). Asked for when the first is
-- needed, and anew when the server's answer is as old as it says it may become. Who cannot be told in time takes the official default.
-- @module moonpost.client.properties
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local net = core.net

local FRESH = { default = 24 * 3600, shortest = 3600 } -- seconds an answer is good for
local AGAIN_SECONDS = 300                              -- after a question without an answer
local QUERY_SECONDS = 10                               -- how long somebody waits for a property
local COUNT_MAX, VALUE_MAX = 20000, 4096               -- properties that are read, bytes of a value

local Properties = {}
Properties.__index = Properties

local function read(node)
  local values, count = {}, 0
  for _, prop in stanza.children(node, "prop") do
    local code, value = math.tointeger(tonumber(prop.attrs.config_code)), prop.attrs.config_value
    if code and value and #value <= VALUE_MAX and count < COUNT_MAX then
      values[code], count = value, count + 1
    end
  end
  return values
end

-- Asks for all of them; what is known stays when there is no answer.
local function refresh(self)
  local answer, err = self.client.connection:query(stanza.node("iq", { to = "s.whatsapp.net", type = "get", xmlns = "abt" },
    stanza.node("props", { protocol = "1" })), QUERY_SECONDS)
  local node = answer and stanza.child(answer, "props")
  if not node then
    self.client.log:debug("the server's properties are not known: %s", err and err.message or "the answer holds none")
    self.ends = net.now() + AGAIN_SECONDS
    return
  end
  local seconds = math.tointeger(tonumber(node.attrs.refresh)) or FRESH.default
  self.values, self.ends = read(node), net.now() + math.max(FRESH.shortest, seconds)
end

--- A property that is a number. In a task: it may have to be asked for.
-- @int code
-- @tparam number default the official one
-- @treturn number
function Properties:number(code, default)
  if net.now() >= self.ends then
    local turn <close> = self.lock:hold() -- who needs one meanwhile waits for the same answer
    if turn and net.now() >= self.ends then refresh(self) end
  end
  local value = tonumber(self.values[code])
  return value and value == value and value or default
end

--- Forgets them: another account may have others.
function Properties:forget() self.values, self.ends = {}, -math.huge end

return function(client) return setmetatable({ client = client, values = {}, ends = -math.huge, lock = task.lock() }, Properties) end
