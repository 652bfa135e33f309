--- Whose a store is: of one server, known by its Noise root key, and of one client of this process at a time.
-- @module moonpost.client.tenancy
local core = require "moonpost.core"

local tenancy = {}

local clients = {} -- by the identity of their store

-- A client whose store was closed under it holds nothing any more.
local function alive(client) return (pcall(client.store.path, client.store)) end

local function kind(root) return root == core.noise.ROOT and "the service" or "a sandbox" end

-- A login at another server would be refused like that of a removed device, and the keys thrown away.
local function check_server(client)
  local root = client.me and client.me.root
  if not root or root == client.root then return true end
  local hint = root ~= core.noise.ROOT and "; a sandbox without --world is another server each time it starts" or ""
  return nil, core.error("other-server", ("this store is linked to another server (%s), not to this one (%s): use another store%s"):format(
    kind(root), kind(client.root), hint))
end

--- Takes the store for a client.
-- @treturn ?boolean true
-- @treturn ?table err code "busy" or "other-server"; nothing is touched then
function tenancy.enter(client)
  local key = client.store:identity()
  if clients[key] and alive(clients[key]) then
    return nil, core.error("busy", ("the store %s is used by another client of this process"):format(client.store:path()))
  end
  local ok, err = check_server(client)
  if not ok then return nil, err end
  clients[key], client.tenancy = client, key
  return true
end

--- Gives it back.
function tenancy.leave(client)
  if clients[client.tenancy] == client then clients[client.tenancy] = nil end
end

return tenancy
