--- What faults do to files (see `faults`): at the moment "media" each fills in the plan a request is served by, at a stanza they spoil
-- what `<media_conn/>` tells.
-- @module moonpost.sandbox.media_strikes
local fields = require "moonpost.sandbox.fields"
local stanza = require "moonpost.stanza"

local BYTES_MAX = 1 << 40

local media_strikes = {}

-- Which requests: of one kind, for one object.
local function of_request(more)
  local known = { request = fields.one_of("upload", "download", "resume", "delete"), object = fields.hash }
  for name, kind in pairs(more) do known[name] = kind end
  return known
end

local function add(name, more, needed, fill, request)
  media_strikes["media-" .. name] = {
    at = { "media" }, fields = of_request(more), request = request,
    check = function(fault)
      if request and fault.request and fault.request ~= request then return ("it is done to each %s"):format(request) end
      return needed and fault[needed] == nil and needed .. " is missing" or nil
    end,
    media = fill,
  }
end

local bytes = fields.whole(0, BYTES_MAX)

add("status", { code = fields.code, retry_after = fields.whole(0, 86400) }, "code", function(fault, plan)
  plan.status, plan.headers = fault.code, { ["retry-after"] = fault.retry_after and tostring(fault.retry_after) or nil }
end)

add("redirect", { location = fields.text(1000) }, "location", function(fault, plan)
  plan.status, plan.headers = 302, { location = fault.location }
end)

add("cut", { after = bytes }, nil, function(fault, plan) plan.cut = fault.after or 0 end)

add("stall", { after = bytes }, nil, function(fault, plan) plan.stall = fault.after or 0 end)

add("drip", { rate = fields.whole(1, BYTES_MAX) }, "rate", function(fault, plan) plan.drip = fault.rate end)

add("flip", { byte = bytes }, nil, function(fault, plan) plan.flip = fault.byte or 0 end, "download")

add("length", { by = fields.whole(-BYTES_MAX, BYTES_MAX) }, "by", function(fault, plan) plan.length = fault.by end, "download")

add("endless", {}, nil, function(_, plan) plan.endless = true end, "download")

-- What a client is told of hosts, changed.
local function of_hosts(change)
  return {
    at = { "stanza" }, direction = "to-client", fits = function(node) return stanza.child(node, "media_conn") ~= nil end,
    stanza = function(_, fault, conn, node, go)
      local told = stanza.child(node, "media_conn")
      local attrs, hosts = {}, { table.unpack(told.content) }
      for name, value in pairs(told.attrs) do attrs[name] = value end
      change(fault, attrs, hosts)
      go(conn, stanza.node("iq", node.attrs, stanza.node("media_conn", attrs, hosts)))
    end,
  }
end

-- A first host at which nobody answers: the port is one nobody can listen on.
media_strikes["dead-host"] = of_hosts(function(_, _, hosts)
  local first = hosts[1]
  local attrs = {}
  for name, value in pairs(first.attrs) do attrs[name] = value end
  attrs.type = "fallback"
  hosts[1] = stanza.node("host", { hostname = "127.0.0.1:1", type = "primary" }, { stanza.node "upload", stanza.node "download" })
  table.insert(hosts, 2, stanza.node("host", attrs, first.content))
end)

media_strikes["no-auth-ttl"] = of_hosts(function(_, attrs) attrs.auth_ttl = nil end)

-- The tokens an account uploads with are good no more.
media_strikes["expire-tokens"] = {
  at = { "now" },
  now = function(sandbox, fault)
    require("moonpost.sandbox.media").revoke(sandbox, fault.account)
    return fault.jid
  end,
}

return media_strikes
