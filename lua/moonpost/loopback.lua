--- Whether a name is this machine's own, by its text alone: what only looks like loopback is not.
-- @module moonpost.loopback
local loopback = {}

local function is_octet(digits) return #digits <= 3 and tonumber(digits) <= 255 end

--- An IPv4 address of 127.0.0.0/8 or `localhost`.
-- @string host
-- @treturn boolean
function loopback.is_host(host)
  if host:lower() == "localhost" then return true end
  local b, c, d = host:match "^127%.(%d+)%.(%d+)%.(%d+)$"
  return b ~= nil and is_octet(b) and is_octet(c) and is_octet(d)
end

--- Such a host or `[::1]`, then nothing or a port: what a Host header holds, and an Origin behind its scheme.
-- @string authority
-- @treturn boolean
function loopback.is_authority(authority)
  local host, port = authority:match "^(%[[^%]]*%])(.*)$"
  if not host then host, port = authority:match "^([^:]*)(.*)$" end
  if port ~= "" and not (port:match "^:%d+$" and #port <= 6 and tonumber(port:sub(2)) <= 65535) then return false end
  return host == "[::1]" or loopback.is_host(host)
end

return loopback
