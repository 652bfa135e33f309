--- Linking by phone number (fact sheet 02 §3): a code is shown here and typed at the phone; under it both sides hide a key, and by
-- these keys they come to the secret the phone's word for this device is checked with.
--
--     companion_hello  ->  the code's ref     <- primary_hello (the code was typed)     companion_finish ->     <- pair-success
-- @module moonpost.client.phone_code
local core = require "moonpost.core"
local platform = require "moonpost.client.platform"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"

local crypto, net = core.crypto, core.net

local CODES = 5    -- shown one after another before it gives up: each rings the phone
local HELLOS = 3   -- answers of the phone that are looked at for one code
local WAITING = 16 -- stanzas about a code kept while one is being looked at
local REF_MAX = 512
local WRAPPED, KEY = 80, 32 -- bytes

local Codes = {}
Codes.__index = Codes

local function final(code, message)
  local err = core.error(code, message)
  err.final = true
  return err
end

local function request(attrs, children)
  local nodes = {}
  for i, child in ipairs(children) do nodes[i] = stanza.node(child[1], nil, child[2]) end
  return stanza.node("iq", { to = "s.whatsapp.net", type = "set", xmlns = "md" }, stanza.node("link_code_companion_reg", attrs, nodes))
end

local function hello(self, wrapped)
  local client = self.client
  local device = client.device
  return request({ jid = self.jid, stage = "companion_hello", should_show_push_notification = "true" }, {
    { "link_code_pairing_wrapped_companion_ephemeral_pub", wrapped },
    { "companion_server_auth_key_pub", client.account:public().noise },
    { "companion_platform_id", platform.kind(device.platform).code },
    { "companion_platform_display", platform.display(device.platform, device.name) },
    { "link_code_pairing_nonce", "\0" },
  })
end

local function finish(self, live, bundle)
  return request({ jid = self.jid, stage = "companion_finish" }, {
    { "link_code_pairing_wrapped_key_bundle", bundle }, { "companion_identity_public", self.client.account:public().identity },
    { "link_code_pairing_ref", live.ref },
  })
end

-- Why the service makes no code, by its number (§3.2).
local refusals = {
  [400] = "is it the number of a WhatsApp account? It also answers so when too many codes were asked for: wait some hours",
  [403] = "this account may not be linked so: link it by QR",
  [429] = "too many codes were asked for: wait some hours, or link by QR",
  [452] = "this account cannot be linked by phone number: link it by QR",
}

local function refused(self, err)
  if err.code ~= "iq" then return err end
  local told = final("refused", ("the service makes no linking code for +%s (%d): %s"):format(
    self.phone, err.status, refusals[err.status] or "try again later, or link by QR"))
  told.status = err.status
  return told
end

local function hide(code, key)
  return task.await(function(resume)
    local ok, err = crypto.link_wrap(code, key, resume)
    if not ok then resume(nil, err) end
  end)
end

local function uncover(code, wrapped)
  return task.await(function(resume)
    local ok, err = crypto.link_unwrap(code, wrapped, resume)
    if not ok then resume(nil, err) end
  end)
end

-- Asks for a code's ref: a table of what belongs to the code, or nil and why there is none.
local function ask(self, attempt)
  local live = { code = crypto.link_code(), ephemeral = crypto.keypair(), hellos = 0, seen = {} }
  local wrapped, err = hide(live.code, live.ephemeral:public())
  if not wrapped then return nil, err end
  live.expires = net.now() + attempt.pace.code -- from before the request on, as the server counts
  local answer
  answer, err = attempt:query(hello(self, wrapped), attempt.pace.answer)
  if not answer then return nil, refused(self, err) end
  live.ref = stanza.bytes(answer, "link_code_companion_reg", "link_code_pairing_ref")
  if not live.ref or live.ref == "" or #live.ref > REF_MAX then
    return nil, final("pairing", "the server's answer to the request for a linking code holds no ref")
  end
  return live
end

-- Whether an answer of the phone is one to a code, and not the same again.
local function is_for(live, reg, wrapped, identity)
  if stanza.bytes(reg, "link_code_pairing_ref") ~= live.ref or net.now() > live.expires then return false end
  return wrapped and #wrapped == WRAPPED and identity and #identity == KEY and not live.seen[wrapped] and live.hellos < HELLOS
end

-- The phone has typed a code (§3.4). "sent": its word for this device may come now; "refused": this code leads nowhere any more;
-- nil: the stanza was for nothing here.
local function on_hello(self, attempt, live, reg)
  local account = self.client.account
  local wrapped = stanza.bytes(reg, "link_code_pairing_wrapped_primary_ephemeral_pub")
  local identity = stanza.bytes(reg, "primary_identity_pub")
  if not is_for(live, reg, wrapped, identity) then return nil end
  live.hellos, live.seen[wrapped] = live.hellos + 1, true
  local key, err = uncover(live.code, wrapped)
  local bundle = key and account:link_seal(live.ephemeral, key, identity)
  if not bundle then return nil, err end -- without err: a key no phone has
  live.sealed = true
  local _, why = self.client:commit()
  if why then return nil, why end
  local answer
  answer, err = attempt:query(finish(self, live, bundle), attempt.pace.answer)
  return not answer and err.code == "iq" and "refused" or "sent"
end

local function on_refresh(live, reg)
  if stanza.bytes(reg, "link_code_pairing_ref") ~= live.ref then return nil end
  if reg.attrs.force_manual_refresh ~= "true" then return "void" end
  return nil, final("expired", "the service withdrew the linking code, and wants the next one to be asked for by hand: link again")
end

-- One code's life, until it has expired, is void or refused; nil, or an error that ends the pairing.
local function listen(self, attempt, live)
  local deadline = live.expires
  while true do
    local reg = self.inbox:pop(math.max(0, deadline - net.now()))
    local verdict, err
    if not reg then
      verdict = "expired"
    elseif reg.attrs.stage == "primary_hello" then
      verdict, err = on_hello(self, attempt, live, reg)
    elseif reg.attrs.stage == "refresh_code" then
      verdict, err = on_refresh(live, reg)
    end
    if verdict == "sent" then
      deadline = net.now() + attempt.pace.word
    elseif verdict or err then
      if live.sealed then self.client.account:renew_adv_secret() end -- that of a code which leads nowhere
      return err
    end
  end
end

local function grouped(code) return code:sub(1, 4) .. "-" .. code:sub(5) end

local function run(self, attempt)
  while self.count < CODES do
    local live, err = ask(self, attempt)
    if not live then return attempt:fail(err) end
    self.inbox, self.live = task.queue(), live
    self.count, self.shown = self.count + 1, true
    self.client.log:debug("a code is shown, for %d s", math.floor(live.expires - net.now()))
    self.show(grouped(live.code), live.expires - net.now(), self.phone)
    err = listen(self, attempt, live)
    if err then return attempt:fail(err) end
  end
  attempt:fail(final("expired", ("none of %d linking codes was typed at the phone: link again when it is at hand"):format(CODES)))
end

--- A connection is ready: a code is asked for, once.
function Codes:begin(attempt)
  if self.attempt == attempt then return end
  self:stop()
  self.attempt, self.inbox, self.live = attempt, nil, nil
  self.task = task.spawn(attempt.guard, attempt, run, self, attempt)
end

--- The server retires the secret of QRs (§2.2). One that was made with the phone stays: its word is on the way.
function Codes:renew()
  if not (self.live and self.live.sealed) then self.client.account:renew_adv_secret() end
end

--- What the server says of the code.
-- @tparam table reg the notification's <link_code_companion_reg>
function Codes:notification(reg)
  if self.inbox and #self.inbox < WAITING then self.inbox:push(reg) end
end

function Codes:stop()
  if self.task then self.task:cancel() end
end

--- Makes the way of linking.
-- @param client
-- @string phone digits of the account's number
-- @func show fn(code, seconds, phone): shows a code, ABCD-EFGH
return function(client, phone, show)
  return setmetatable({
    client = client, phone = phone, jid = core.wire.jid.make(phone, "s.whatsapp.net"), show = show, count = 0,
  }, Codes)
end
