--- One registration connection, from its first stanza to its end: refs come, a way of linking (QRs, or a code) makes something of
-- them, and the phone's word for this device ends it (fact sheet 02 §2, §3).
-- @module moonpost.client.registration
local core = require "moonpost.core"
local endings = require "moonpost.client.endings"
local new_link = require "moonpost.client.link"
local payload = require "moonpost.client.payload"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local REF_MAX = 512 -- bytes of a ref; real ones have about 240

local Attempt = {}
Attempt.__index = Attempt

--- Sends an IQ and waits for its answer.
-- @treturn ?table the answer
-- @treturn ?table err code "iq" with `status`, "timeout" or "closed"
function Attempt:query(node, seconds)
  local answers, id = task.queue(), self.client:next_id()
  node.attrs.id, self.asked[id] = id, answers
  local guard <close> = setmetatable({}, { __close = function() self.asked[id] = nil end })
  local sent, err = self.link:send(node)
  if not sent then return guard and nil, err end
  local answer
  answer, err = answers:pop(seconds)
  if not answer then return nil, err end
  if answer.attrs.type == "result" then return answer end
  return nil, endings.of_iq_error(answer)
end

--- Ends the connection for a reason.
function Attempt:fail(err)
  self.failed = self.failed or err
  self.link:abort()
end

--- Ends it because all codes were shown: the next one brings new ones.
function Attempt:codes_ran_out()
  self.exhausted = true
  self.link:close()
end

--- Calls fn; what fails in it, such as what shows a code, ends the pairing.
function Attempt:guard(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok or type(err) == "table" and err.code == "cancelled" then return end
  local told = type(err) == "table" and err or core.error("show", tostring(err))
  told.final = true
  self:fail(told)
end

-- The server ends it; until then nothing it may still have to read is torn away.
function Attempt:await_end()
  local deadline = core.net.now() + self.pace.ending
  while self.arrived:pop(math.max(0, deadline - core.net.now())) do end
end

function Attempt:refuse(node, err)
  self.link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "error", id = node.attrs.id }, stanza.node("error", err.reply)))
  self.link:close()
  self:await_end()
  return nil, err
end

function Attempt:pair_success(node)
  self.way:stop()
  local answer, err = self.pairing:accept(node)
  if not answer then return self:refuse(node, err) end
  local sent
  sent, err = self.link:send(answer)
  if not sent then
    self.client:set_me(nil)
    return nil, err
  end
  self:await_end()
  return self.client.me
end

-- The refs of a stanza. A comma in one would let the server put keys of its own before ours in the QR.
local function read_refs(node)
  local refs = {}
  for _, ref in stanza.children(stanza.child(node, "pair-device"), "ref") do
    local text = type(ref.content) == "string" and ref.content or ""
    if #text > REF_MAX or not text:find "^[%w@+/=_.-]+$" then
      local err = core.error("pairing", "the server sent a ref for the QR that is none: nothing is shown to be scanned")
      err.final = true
      return nil, err
    end
    refs[#refs + 1] = text
  end
  return refs
end

-- What a stanza before the login asks for: fn(attempt, node) -> me | nil, err | nothing.
local on = {}

function on.iq(self, node)
  local answers = self.asked[node.attrs.id]
  if node.attrs.type ~= "set" then
    if answers then answers:push(node) end
  elseif stanza.child(node, "pair-device") then
    self.link:send(stanza.node("iq", { to = "s.whatsapp.net", type = "result", id = node.attrs.id }))
    local refs, err = read_refs(node)
    if not refs then return nil, err end
    self.patience:stop()
    self.way:begin(self, refs)
  elseif stanza.child(node, "pair-success") then
    return self:pair_success(node)
  end
end

-- By `type`: fn(attempt, node) -> nil | nil, err. They come from the server itself, or are nothing (02 §4, 09 §4.2).
local notifications = {}

function notifications.link_code_companion_reg(self, node)
  local reg = stanza.child(node, "link_code_companion_reg")
  if reg then self.way:notification(reg) end
end

function notifications.companion_reg_refresh(self, node)
  if stanza.child(node, "companion_reg_refresh") or stanza.child(node, "pair-device-rotate-qr") then self.way:renew() end
end

function notifications.passkey_prologue_request(self)
  self.link:close()
  self:await_end()
  local err = core.error("passkey", "the service wants this account to be linked with a passkey, which moonpost has not: "
    .. "take the passkey off in WhatsApp's settings on the phone, or use another account")
  err.final = true
  return nil, err
end

function on.notification(self, node)
  if not node.attrs.id then return end
  self.link:send(self.client.receipts:ack_of(node))
  local handler = node.attrs.from == "s.whatsapp.net" and notifications[node.attrs.type]
  if handler then return handler(self, node) end
end

function on.ib(self, node)
  if not stanza.child(node, "downgrade_webclient") then return end
  self.client:emit("error", core.error("pairing",
    "a phone tried to link this device that cannot have linked devices: update WhatsApp on it"))
end

function on.failure(_, node) return nil, endings.of_failure(node) end

on["stream:error"] = function(_, node) return nil, endings.of_stream_error(node) end

local function ping(self)
  local link, client, asked_at = self.link, self.client, 0
  while not link.dead do
    task.sleep(self.pace.ping)
    if self.heard_at < asked_at then return link:abort(core.error("network", "the connection is dead: no answer to a ping")) end
    asked_at = core.net.now()
    link:send(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net", id = client:next_id() }))
  end
end

local function open(self)
  local client = self.client
  local link, err = new_link {
    url = client.url, ca = client.ca, proxy = client.proxy, root = client.root, static = client.account:noise(), log = client.log,
    payload = payload.registration(client.account, client.version, client.name, client.device),
    on_stanza = function(node)
      self.heard_at = core.net.now()
      self.arrived:push(node)
    end,
    on_closed = function(why)
      self.why = why
      self.arrived:close()
      for _, answers in pairs(self.asked) do answers:close() end
    end,
  }
  self.link = link
  return link, err
end

--- Makes the connection and goes through with it.
-- @treturn ?table me; nil and why the connection was lost, nil when the codes had just run out
-- @treturn ?table err
function Attempt:run()
  local link, err = open(self)
  if not link then return nil, err end
  local pings = task.spawn(ping, self)
  self.patience = core.net.timer(self.pace.answer, function()
    self:fail(core.error("network", ("the server sent nothing to link this device by within %g s"):format(self.pace.answer)))
  end)
  local done <close> = setmetatable({}, { __close = function()
    pings:cancel()
    self.patience:stop()
    self.way:stop()
    link:abort()
  end })
  while done and not self.pairing.stopped do
    local node = self.arrived:pop()
    if not node then break end
    local handler = on[node.tag]
    local me, why
    if handler then me, why = handler(self, node) end
    if me or why then return me, why end
  end
  if self.exhausted then return nil end
  return nil, self.failed or self.why or core.error("network", "the server closed the connection before the device was linked")
end

--- Ends it at once.
function Attempt:abort()
  if self.link then self.link:abort() end
end

--- Makes an attempt.
-- @param pairing what checks the phone's word
-- @param way how the phone is told of this device: begin, renew, notification, stop
return function(pairing, way)
  return setmetatable({
    pairing = pairing, client = pairing.client, way = way, pace = pairing.pace, arrived = task.queue(), asked = {},
    heard_at = core.net.now(),
  }, Attempt)
end
