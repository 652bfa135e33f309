--- The media hosts, and the token that opens them (fact sheet 05 §14.1):
--
--     <media_conn auth ttl auth_ttl max_buckets><host hostname [type] [fallback_hostname] [maxContentLengthBytes]>…</host>…</media_conn>
--
-- They are asked for when a transfer needs them, kept as long as both lifetimes allow, and asked for anew when a host takes the token
-- no more. Transfers that need them at the same time share one question.
-- @module moonpost.client.media_hosts
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local net = core.net

local ONLINE_SECONDS = 60 -- how long a transfer waits to be online when it has to ask
local TRIES = 3           -- connections that may end over the question
local HOSTS_MAX = 16
local AUTH_MAX = 4096     -- bytes
local LONGEST = 24 * 3600 -- seconds the answer is believed at most

local Hosts = {}
Hosts.__index = Hosts

local function malformed(text) return nil, core.error("malformed", "the server's answer about media hosts " .. text) end

-- A host's name, with its port where it has one; nothing that would make another address of a URL.
local function is_name(text)
  local host, port = (text or ""):match "^(%w[%w.-]*)$", nil
  if not host then host, port = (text or ""):match "^(%w[%w.-]*):(%d+)$" end
  return host ~= nil and #host <= 255 and (port == nil or #port <= 5 and tonumber(port) >= 1 and tonumber(port) <= 65535)
end

local function seconds(text)
  local value = math.tointeger(tonumber(text))
  return value and value >= 0 and math.min(value, LONGEST) or nil
end

-- Primary hosts before the others, each in the order the server tells them; what stands in for one comes last.
local function list_hosts(node)
  local first, others, last, seen = {}, {}, {}, {}
  local function add(list, name, limit)
    if #first + #others + #last >= HOSTS_MAX or seen[name] or not is_name(name) then return end
    seen[name] = true
    list[#list + 1] = { name = name, limit = limit }
  end
  for _, one in stanza.children(node, "host") do
    local limit = math.tointeger(tonumber(one.attrs.maxContentLengthBytes))
    if limit and limit <= 0 then limit = nil end
    add(one.attrs.type == "primary" and first or others, one.attrs.hostname, limit)
    if one.attrs.fallback_hostname then add(last, one.attrs.fallback_hostname, limit) end
  end
  table.move(others, 1, #others, #first + 1, first)
  return table.move(last, 1, #last, #first + 1, first)
end

local function read(answer)
  local node = stanza.child(answer, "media_conn")
  if not node then return malformed "names none" end
  local auth, ttl, auth_ttl = node.attrs.auth, seconds(node.attrs.ttl), seconds(node.attrs.auth_ttl)
  if not auth or auth == "" or #auth > AUTH_MAX then return malformed "has no token" end
  if not ttl or not auth_ttl then return malformed "does not say how long it holds" end
  local hosts = list_hosts(node)
  if #hosts == 0 then return malformed "names none" end
  return { auth = auth, hosts = hosts, ends = net.now() + math.min(ttl, auth_ttl) }
end

-- Asks the server. A connection that ends meanwhile is waited for: it is made again.
local function ask(self)
  local connection, err = self.client.connection, nil
  for _ = 1, TRIES do
    local online, why = connection:wait_online(ONLINE_SECONDS)
    if not online then return nil, why end
    local answer
    answer, err = connection:query(stanza.node("iq", { to = "s.whatsapp.net", type = "set", xmlns = "w:m" }, stanza.node "media_conn"))
    if answer then return read(answer) end
    if err.code ~= "closed" then break end
    connection:wait_ended()
  end
  return nil, err
end

-- The question of another transfer has an answer, or none.
local function wait_for(asking)
  task.await(function(resume) asking[#asking + 1] = resume end)
  return asking.failed
end

--- The hosts as they are known, or as the server tells them now. In a task.
-- @treturn ?table { auth = token, hosts = { { name = "host[:port]", limit = bytes of one upload or nil }, … } }: in the order to use
-- @treturn ?table err as of a query; "malformed": the answer is none
function Hosts:get()
  while not (self.known and net.now() < self.known.ends) and self.asking do
    local failed = wait_for(self.asking)
    if failed then return nil, failed end
  end
  if self.known and net.now() < self.known.ends then return self.known end
  local asking = {}
  self.asking = asking
  local guard <close> = setmetatable({}, { __close = function()
    self.asking = nil
    for _, resume in ipairs(asking) do resume() end
  end })
  self.known, asking.failed = ask(self)
  return guard and self.known, asking.failed
end

--- A host takes the token no more: what was known is asked for anew, once for all who say so.
-- @tparam table known as `get` gave it
function Hosts:drop(known)
  if self.known == known then self.known = nil end
end

--- Forgets them: another account has other ones.
function Hosts:forget() self.known = nil end

return function(client) return setmetatable({ client = client }, Hosts) end
