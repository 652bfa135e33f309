--- Faults on request (fact sheet 08 S-903): what is armed, what it waits for, what has struck. `strikes` does the harm.
--
-- A fault: `what` is done to `jid`'s connection (an account's bare JID: any of its devices; without it: anybody's), `at` one moment:
--   "stanza"   at the nth stanza that fits (direction, tag, child, enc, attributes), and the `times` - 1 after it
--   "login"    in place of the answer to a login
--   "connect"  when a WebSocket is opened, before anybody knows whose it is
--   "media"    at the nth request to the media host that fits (request, object, whose token it is)
--   "now"      once, at once
-- @module moonpost.sandbox.faults
local core = require "moonpost.core"
local fields = require "moonpost.sandbox.fields"
local printable = require "moonpost.printable"
local stanza = require "moonpost.stanza"
local strikes = require "moonpost.sandbox.strikes"

local ARMED_MAX = 100 -- faults that wait
local STRUCK_KEPT = 50 -- strikes that are told
local STANZA_MAX = 300 -- bytes of a stanza in that list

local Faults = {}
Faults.__index = Faults

-- Attributes a stanza is found by, beside its tag, the tag of its first child, and the type of an enc in it.
local matched = { "xmlns", "type", "class", "id", "category" }
-- And the JIDs: one of a device, or a bare one for all its devices.
local addressed = { "from", "to" }

local moments = fields.one_of("now", "stanza", "login", "connect", "media")

-- What every fault may say; each `what` adds its own (strikes.lua).
local common = {
  what = fields.text(40), jid = fields.text(200), at = moments, direction = fields.one_of("to-server", "to-client"),
  tag = fields.text(100), child = fields.text(100), enc = fields.one_of("pkmsg", "msg", "skmsg"), nth = fields.whole(1, 1000000),
  times = fields.either(fields.whole(1, 1000000), fields.one_of "always"),
}
local of_stanza = { "direction", "tag", "child", "enc", "nth" }
for _, list in ipairs { matched, addressed } do
  for _, name in ipairs(list) do
    common[name] = fields.text(200)
    of_stanza[#of_stanza + 1] = name
  end
end

local function wrong(sentence, ...) return nil, { status = 400, error = sentence:format(...) } end

local function names_of(list)
  local names = {}
  for name in pairs(list) do names[#names + 1] = name end
  table.sort(names)
  return table.concat(names, ", ")
end

-- When it is due, if it does not say so itself.
local function moment_of(fault, kind)
  if fault.at then return fault.at end
  if kind.media then return "media" end
  for _, name in ipairs(of_stanza) do
    if fault[name] then return "stanza" end
  end
  return kind.at[1]
end

local function has(list, value)
  for _, one in ipairs(list) do
    if one == value then return true end
  end
  return false
end

-- A fault from its description, whole and consistent.
local function read(value)
  local what = type(value.what) == "string" and value.what or ""
  local kind = strikes[what]
  if not kind then return wrong("what is one of %s", names_of(strikes)) end
  local fault, err = fields.read(value, setmetatable(kind.fields or {}, { __index = common }))
  if not fault then return wrong("%s", err) end
  fault.at = moment_of(fault, kind)
  if not has(kind.at, fault.at) then return wrong("'%s' is done at: %s", what, table.concat(kind.at, ", ")) end
  for _, name in ipairs(of_stanza) do
    local counts = name == "nth" and fault.at == "media"
    if fault[name] and fault.at ~= "stanza" and not counts then
      return wrong("'%s' tells of a stanza: not with at = \"%s\"", name, fault.at)
    end
  end
  if fault.times and fault.at == "now" then return wrong("'times' is for what waits: what is done now is done once") end
  if kind.direction and fault.direction and fault.direction ~= kind.direction then
    return wrong("'%s' is done to what goes %s", what, kind.direction)
  end
  fault.direction = kind.direction or fault.direction or fault.at == "stanza" and kind.towards or nil
  local sentence = kind.check and kind.check(fault)
  if sentence then return wrong("%s", sentence) end
  return fault
end

-- Whose fault it is: an account, one of its devices, or everybody's.
local function aim(self, fault)
  if fault.at == "connect" then
    if fault.jid then return wrong "whose connection it is nobody knows at \"connect\": no jid there" end
    return true
  end
  if not fault.jid then
    if fault.at == "now" then return wrong "jid is missing: whom it is done to" end
    return true
  end
  local account, number = self.sandbox.accounts:lookup(fault.jid)
  fault.account, fault.device = account, number ~= 0 and number or nil
  if not account or fault.device and not account.devices[fault.device] then
    return nil, { status = 404, error = ("no linked device '%s'"):format(printable.line(fault.jid, 200)) }
  end
  return true
end

local function strike(self, fault, where, node)
  fault.struck = fault.struck + 1
  if fault.left then
    fault.left = fault.left - 1
    if fault.left == 0 then self:clear(fault.number) end
  end
  self.struck_total = self.struck_total + 1
  if #self.struck >= STRUCK_KEPT then table.remove(self.struck, 1) end
  self.struck[#self.struck + 1] = {
    fault = fault.number, what = fault.what, at = fault.at, time = self.sandbox.time(), where = tostring(where),
    stanza = node and printable.text(stanza.xml(node, STANZA_MAX), STANZA_MAX) or nil,
  }
  self.sandbox:note(("fault %d: %s at %s"):format(fault.number, fault.what, tostring(where)))
  if self.on_strike then self.on_strike(fault, where, node) end
end

--- Arms a fault, or does it, when it is for now.
-- @tparam table value its description
-- @treturn ?table the fault; `number` names it
-- @treturn ?table err status (HTTP) and error
function Faults:add(value)
  local fault, err = read(value)
  if not fault then return nil, err end
  local ok
  ok, err = aim(self, fault)
  if not ok then return nil, err end
  self.last = self.last + 1
  fault.number, fault.seen, fault.struck = self.last, 0, 0
  if fault.at == "now" then
    local where
    where, err = strikes[fault.what].now(self.sandbox, fault)
    if not where then return nil, err end
    strike(self, fault, where)
    return fault
  end
  if #self.armed >= ARMED_MAX then return nil, { status = 409, error = ("%d faults are armed: enough"):format(ARMED_MAX) } end
  local kind = strikes[fault.what]
  if fault.times ~= "always" and not kind.lasting then fault.left = fault.times or 1 end
  self.armed[#self.armed + 1] = fault
  if kind.arm then kind.arm(self.sandbox, fault) end
  return fault
end

--- Disarms one fault, or all.
-- @tparam ?int number
-- @treturn int how many there were
function Faults:clear(number)
  local kept, count = {}, #self.armed
  for _, fault in ipairs(self.armed) do
    if number and fault.number ~= number then kept[#kept + 1] = fault else fault.over = true end
  end
  self.armed = kept
  return count - #kept
end

local function is_over(fault)
  return fault.over or fault.ends and core.net.now() >= fault.ends
end

local function aims_at(fault, conn)
  if not fault.jid then return true end
  local device = conn.device or conn.claimed
  return device ~= nil and device.account == fault.account and (not fault.device or device.number == fault.device)
end

local function has_enc(node, kind)
  if node.tag == "enc" then return node.attrs.type == kind end
  for _, child in stanza.children(node) do
    if (child.tag == "enc" or child.tag == "participants" or child.tag == "to") and has_enc(child, kind) then return true end
  end
  return false
end

local function fits(fault, direction, node)
  if fault.direction and fault.direction ~= direction or fault.tag and fault.tag ~= node.tag then return false end
  for _, name in ipairs(matched) do
    if fault[name] and tostring(node.attrs[name]) ~= fault[name] then return false end
  end
  for _, name in ipairs(addressed) do
    local one = fault[name] and (node.attrs[name] or "")
    if one and one ~= fault[name] and core.wire.jid.bare(one) ~= fault[name] then return false end
  end
  if fault.child and not stanza.child(node, fault.child) then return false end
  local kind = strikes[fault.what]
  if kind.fits and not kind.fits(node) then return false end
  return not fault.enc or has_enc(node, fault.enc)
end

-- Whether it is for this request to the media host.
local function fits_request(fault, asked)
  local kind = strikes[fault.what]
  if (kind.request or fault.request or asked.what) ~= asked.what or fault.request and fault.request ~= asked.what then return false end
  return (not fault.object or fault.object == asked.hash) and (not fault.jid or fault.account == asked.account)
end

local function is_meant(fault, at, conn, direction, subject)
  if fault.at ~= at then return false end
  if at == "media" then return fits_request(fault, subject) end
  return (at == "connect" or aims_at(fault, conn)) and (at ~= "stanza" or fits(fault, direction, subject))
end

-- The first fault that is due at a moment; every one that fits has then seen it.
local function due(self, at, conn, direction, subject)
  local found
  for _, fault in ipairs(self.armed) do
    if is_over(fault) then
      self:clear(fault.number)
    elseif is_meant(fault, at, conn, direction, subject) then
      fault.seen = fault.seen + 1
      if not found and fault.seen >= (fault.nth or 1) then found = fault end
    end
  end
  return found
end

-- What is held back on a connection in a direction goes on, in order.
local function release(self, direction, conn, line, first)
  conn.held[direction] = nil
  if conn.dead then return end
  first.go(conn, first.node)
  for _, one in ipairs(line) do self:pass(direction, conn, one.node, one.go) end
end

--- Holds a stanza back for some seconds, and all that follows it in its direction: as a slow network does.
function Faults:hold(direction, conn, seconds, node, go)
  local line = {}
  conn.held = conn.held or {}
  conn.held[direction] = line
  line.timer = core.net.timer(seconds, function() release(self, direction, conn, line, { node = node, go = go }) end)
end

--- Lets a stanza pass, or whatever a fault makes of it.
-- @string direction "to-server" or "to-client"
-- @param conn
-- @tparam table node
-- @func go fn(conn, node): what is done with a stanza that passes
function Faults:pass(direction, conn, node, go)
  if conn.muted then return end
  if #self.armed == 0 and #self.replays == 0 and not conn.held then return go(conn, node) end
  local line = conn.held and conn.held[direction]
  if line then
    line[#line + 1] = { node = node, go = go }
    return
  end
  local fault = #self.armed > 0 and due(self, "stanza", conn, direction, node)
  if fault then
    strike(self, fault, conn, node)
    strikes[fault.what].stanza(self, fault, conn, node, go, direction)
  else
    go(conn, node)
  end
  if #self.replays > 0 then strikes.replay.overtaken(self, direction, conn, node, go) end
end

--- A moment of a connection's that is no stanza: a login, or its beginning.
-- @string at "login" or "connect"
-- @param conn
-- @treturn boolean whether a fault has taken it over
function Faults:moment(at, conn)
  local fault = #self.armed > 0 and due(self, at, conn)
  if not fault then return conn.muted or false end
  strike(self, fault, conn)
  strikes[fault.what].moment(self, fault, conn)
  return true
end

--- A request to the media host: the plan it is served by, empty when nothing is wrong.
-- @tparam table asked what ("upload", "download", "resume", "delete"), hash, account of the token
function Faults:media(asked)
  local plan = {}
  local fault = #self.armed > 0 and due(self, "media", nil, nil, asked)
  if fault then
    strike(self, fault, ("the %s of %s"):format(asked.what, asked.hash and core.crypto.base64(asked.hash) or "nothing"))
    strikes[fault.what].media(fault, plan)
  end
  return plan
end

local function tell(fault)
  local copy = { fault = fault.number, seen = fault.seen, struck = fault.struck }
  for _, list in ipairs { common, strikes[fault.what].fields or {} } do
    for name in pairs(list) do copy[name] = fault[name] end
  end
  copy.object = fault.object and core.crypto.base64(fault.object)
  return copy
end

--- What is armed, and what has struck: the last of it, and how often in all.
function Faults:list()
  local armed = {}
  for _, fault in ipairs(self.armed) do
    if not is_over(fault) then armed[#armed + 1] = tell(fault) end
  end
  return { armed = armed, struck = self.struck, struck_total = self.struck_total }
end

Faults.tell = tell

return function(sandbox)
  return setmetatable({ sandbox = sandbox, armed = {}, struck = {}, struck_total = 0, last = 0, replays = {} }, Faults)
end
