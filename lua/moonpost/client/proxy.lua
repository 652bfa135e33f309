--- The option `proxy`: an HTTP proxy that connections go through by CONNECT. What the environment names (http_proxy, https_proxy) is
-- never used: an account should not change the way it takes to the service because of a variable meant for other programs.
-- @module moonpost.client.proxy

local proxy = {}

local DEFAULT_PORT = 8080

local FORM = "must be http://[user:password@]host[:port]"

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- host and port of the authority behind the user; the host may be an IPv6 address in brackets.
local function read_authority(text)
  local host, rest = text:match "^%[([%x:.]+)%](.*)$"
  if not host then host, rest = text:match "^([%w._-]+)(.*)$" end
  if not host then return nil end
  if rest == "" then return host, DEFAULT_PORT end
  local port = math.tointeger(tonumber(rest:match "^:(%d+)$"))
  if port and port >= 1 and port <= 65535 then return host, port end
end

--- Reads `http://[user:password@]host[:port]`; what is special in user and password stands as %XX.
-- @string text
-- @treturn ?table host, port, credentials ("user:password" or nil)
-- @treturn ?string what is wrong, without the text: it may hold a password
function proxy.read(text)
  local rest = text:match "^http://([^/]*)/?$"
  if not rest then
    local scheme = text:match "^(%a[%w+.-]*)://"
    return nil, FORM .. (scheme and scheme ~= "http" and (", not %s://"):format(scheme) or "")
  end
  local user, authority = rest:match "^(.*)@([^@]*)$"
  local host, port = read_authority(authority or rest)
  if not host then return nil, FORM .. ": what stands for host and port is neither a name nor an address with a port of 1 to 65535" end
  local name, password = (user or ""):match "^([^:]*):?(.*)$"
  if user and name == "" then return nil, "has a password, or an @, without a user" end
  if user and user:gsub("%%%x%x", ""):find("%", 1, true) then
    return nil, "has a % in user or password that begins no %XX: % itself stands as %25"
  end
  local credentials = user and unescape(name) .. ":" .. unescape(password)
  if credentials and credentials:find "%c" then return nil, "has control characters in user or password" end
  return { host = host, port = port, credentials = credentials }
end

--- What core.net.connect takes, for one numeric address of the proxy.
function proxy.through(read, address)
  return { name = read.host, address = address, port = read.port, credentials = read.credentials }
end

local variables = { "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "http_proxy", "HTTP_PROXY" }

--- A hint for who cannot connect, when the environment names a proxy; "" otherwise.
function proxy.hint()
  for _, name in ipairs(variables) do
    local value = os.getenv(name)
    if value and value ~= "" then return (" (%s is set, but not used: a proxy is given by --proxy or the option proxy)"):format(name) end
  end
  return ""
end

return proxy
