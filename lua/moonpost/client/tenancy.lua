--- Whose an account of a store is: of one server, known by its Noise root key, and of one client of this process at a time.
-- @module moonpost.client.tenancy
local core = require "moonpost.core"

local tenancy = {}

local clients = {} -- by the identity of their store, then by account

--- Whether a client's store is open: one that was closed under it is no longer its own.
function tenancy.alive(client) return (pcall(client.store.path, client.store)) end

local function kind(root) return root == core.noise.ROOT and "the service" or "a sandbox" end

-- A login at another server would be refused like that of a removed device, and the keys thrown away.
local function check_server(client)
  local root = client.me and client.me.root
  if not root or root == client.root then return true end
  local hint = root ~= core.noise.ROOT and "; a sandbox without --world is another server each time it starts" or ""
  return nil, core.error("other-server", ("this store is linked to another server (%s), not to this one (%s): use another store%s"):format(
    kind(root), kind(client.root), hint))
end

-- An account without its keys can do nothing, and linking it anew is not for us to decide.
local function check_keys(client)
  if not client.me or client.account:exists() then return true end
  local what = "the store is damaged: it names the account %s and has no keys of it: see moonpost store check"
  return nil, core.error("damaged", what:format(client.me.jid))
end

--- Takes the account for a client.
-- @treturn ?boolean true
-- @treturn ?table err code "busy", "other-server" or "damaged"; nothing is touched then
function tenancy.enter(client)
  local key = client.store:identity()
  local held = clients[key] or {}
  local other = held[client.account_name]
  if other and tenancy.alive(other) then
    return nil, core.error("busy", ("the account %s of the store %s is used by another client of this process"):format(
      client.account_name, client.store:path()))
  end
  local ok, err = check_keys(client)
  if ok then ok, err = check_server(client) end
  if not ok then return nil, err end
  clients[key], held[client.account_name], client.tenancy = held, client, key
  return true
end

--- Gives it back.
function tenancy.leave(client)
  local held = clients[client.tenancy]
  if not held or held[client.account_name] ~= client then return end
  held[client.account_name] = nil
  if not next(held) then clients[client.tenancy] = nil end
end

return tenancy
