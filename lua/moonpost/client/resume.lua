--- What is kept of one connection for the next: the server's certificate chain, with which the Noise handshake takes a round trip
-- less (IK, fact sheet 01 §2.3), and the edge routing the server asked for (01 §11.1). Neither is needed: a connection that does not
-- come about with them is made without.
-- @module moonpost.client.resume
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local ROUTING_MAX = 4096 -- bytes of a routing info that is kept; real ones have fewer than 100

local Resume = {}
Resume.__index = Resume

local function keep(self, key, bytes)
  local store = self.client.store
  if store:get("setting", key) == bytes then return end
  if bytes then store:put("setting", key, bytes) else store:delete("setting", key) end
end

--- What the next connection begins with. The link looks whether the chain still holds.
-- @treturn table chain, routing: bytes, or nil
function Resume:hints()
  if self.plain then return {} end
  local store = self.client.store
  return { chain = not self.distrusted and store:get("setting", "chain") or nil, routing = store:get("setting", "routing") }
end

--- The handshake is done: the chain the server showed is kept.
-- @string chain "" when it showed none
function Resume:connected(chain)
  self.plain = false
  if chain ~= "" then keep(self, "chain", chain) end
end

--- A link did not come about. A server that hangs up on the first bytes may dislike what was kept: the next connection begins
-- without, and the routing is dropped. One that answers IK wrongly may not have the key any more, or somebody meddles: its chain is
-- dropped, and this client shakes hands in full from then on.
-- @tparam table err of the link
-- @tparam table hints what it began with
-- @treturn boolean whether to connect again at once
function Resume:failed(err, hints)
  if err.resuming then
    self.distrusted = true
    keep(self, "chain", nil)
    return true
  end
  if err.unanswered and (hints.chain or hints.routing) then
    self.plain = true
    keep(self, "routing", nil)
  end
  return false
end

--- The server's `<ib><edge_routing>`: a new one takes the place of the old; what no connection could begin with is not kept.
function Resume:edge_routing(node)
  local info = stanza.bytes(node, "routing_info")
  if not info or #info == 0 or #info > ROUTING_MAX then
    return self.client:emit("error", core.error("malformed", ("the server's routing info is not of 1 to %d bytes"):format(ROUTING_MAX)))
  end
  keep(self, "routing", info)
end

return function(client) return setmetatable({ client = client }, Resume) end
