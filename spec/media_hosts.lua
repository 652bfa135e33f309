--- Media hosts of a spec's own, which do what it says: the sandbox's own one is as the service's are, and these need not be.
--
--     local host <close> = media_hosts.open(rig, function(exchange) exchange:respond(404, {}, "") end)
--     media_hosts.tell(rig, { host.name })
--     assert.equal(1, #host.asked)
local core = require "moonpost.core"
local http = require "moonpost.http"
local stanza = require "moonpost.stanza"

local media_hosts = {}

local Host = {}
Host.__index = Host

function Host:__close() self.listener:close() end

--- Opens one on the sandbox's certificate. `asked` has the heads of all requests, `sent` what came with them.
-- @func answer fn(exchange, number of the request)
function media_hosts.open(rig, answer)
  local self = setmetatable({ asked = {}, answer = answer }, Host)
  self.listener = assert(http.listen {
    host = "127.0.0.1", port = 0,
    tls = { certificate = rig.sandbox.certificate, key = assert(rig.sandbox.store:get("world", "k127.0.0.1")) },
    accept = function() end, request = function() end,
    stream = function(head)
      self.asked[#self.asked + 1] = head
      local number = #self.asked
      return function(exchange) return self.answer(exchange, number, head) end
    end,
  })
  self.name = ("127.0.0.1:%d"):format(self.listener:port())
  return self
end

--- The name of one that nobody is at.
function media_hosts.nobody(rig)
  local host = media_hosts.open(rig, function() end)
  host.listener:close()
  return host.name
end

local telling = setmetatable({}, { __mode = "k" }) -- by rig

local function tap(rig, one)
  rig:tap(function(direction, node)
    local conn = direction == "to-client" and stanza.child(node, "media_conn")
    if not conn then return end
    conn.content = {}
    for i, host in ipairs(one.list) do
      conn.content[i] = stanza.node("host", type(host) == "table" and host or { hostname = host, type = "primary" })
    end
    for name, value in pairs(one.more or {}) do conn.attrs[name] = value end
    one.told[#one.told + 1] = conn.attrs.auth
  end)
end

--- Has the server tell these hosts from now on: names, or attributes of `<host>`. `more`: attributes of `<media_conn>`.
-- @treturn table one entry for each time it did
function media_hosts.tell(rig, list, more)
  if not telling[rig] then
    telling[rig] = { told = {} }
    tap(rig, telling[rig])
  end
  telling[rig].list, telling[rig].more = list, more
  return telling[rig].told
end

--- What a host holds of a file, and the reference to it.
-- @string bytes
-- @tparam ?string type "document" without it
-- @treturn table reference
-- @treturn string blob
function media_hosts.seal(bytes, type)
  local key = core.crypto.random(32)
  local encryptor = core.media.encryptor(key, type or "document")
  local blob = assert(encryptor:update(bytes))
  local last, told = assert(encryptor:finish())
  told.mediaKey, told.directPath = key, "/v/t62.7119-24/1_2_n.enc?ccb=11-4&oh=01_secret&oe=FFFFFFFF"
  return told, blob .. last
end

--- Answers as a host that has a blob does, parts of it too.
function media_hosts.give(exchange, blob)
  local from, to = (exchange.headers.range or ""):match "^bytes=(%d+)%-(%d*)$"
  if not from then return exchange:respond(200, {}, blob) end
  local first, last = math.tointeger(tonumber(from)), math.tointeger(tonumber(to)) or #blob - 1
  exchange:respond(206, { ["content-range"] = ("bytes %d-%d/%d"):format(first, last, #blob) }, blob:sub(first + 1, last + 1))
end

--- Reads a request's body.
function media_hosts.body(exchange)
  local pieces = {}
  while true do
    local bytes, err = exchange:read()
    if not bytes then return table.concat(pieces), err end
    pieces[#pieces + 1] = bytes
  end
end

--- What a client downloads, as a string, and in how many pieces it came.
-- @treturn ?string
-- @treturn table err; a sink that was given something is told by it
function media_hosts.download(contact, reference, type, options)
  local pieces = {}
  local ok, err = contact.client.media:download(reference, type or "document", function(piece) pieces[#pieces + 1] = piece end, options)
  if ok then return table.concat(pieces) end
  assert(#pieces == 0, "the sink was given what is not right")
  return nil, err
end

--- Makes a client's transfers ask again at once, and give up soon.
function media_hosts.hurry(contact, more)
  contact.client.media.pace = { tries = 5, step = 0, longest = 60, stall = 20 }
  for name, value in pairs(more or {}) do contact.client.media.pace[name] = value end
end

--- What a folder holds, by names.
function media_hosts.files_of(folder)
  local list = io.popen(("ls -A '%s'"):format(folder))
  local names = list:read "a"
  list:close()
  return names
end

return media_hosts
