--- A sandbox, contacts and bots in one process, for specs: everything speaks over real sockets.
--
--     local rig <close> = require("spec.rig").start()
--     local ana = rig:contact "Ana"
--     local bot = rig:bot { name = "Echo" }
--     bot:command("ping", function(ctx) ctx:reply "pong" end)
--     rig:run(bot)
--     local answer = ana:ask(bot, "!ping")
local core = require "moonpost.core"
local json = require "cjson.safe"
local moonpost = require "moonpost"
local phone_files = require "moonpost.sandbox.phone_files"
local phone_mail = require "moonpost.sandbox.phone_mail"
local phone_send = require "moonpost.sandbox.phone_send"
local sandbox = require "moonpost.sandbox"
local sandbox_phone = require "moonpost.sandbox.phone"
local support = require "spec.support"
local task = require "moonpost.task"

local Rig = {}
Rig.__index = Rig

--- Has the sandbox's phone scan a QR. Waits for its answer.
function Rig:scan(text)
  local response, err = task.await(function(resume)
    core.net.request {
      method = "POST", url = ("http://127.0.0.1:%d/admin/mock-phone/scan-qr"):format(self.sandbox.port), body = text, done = resume,
    }
  end)
  assert(response, tostring(err))
  assert(response.status == 200, ("scan-qr: %d %s"):format(response.status, response.body))
end

--- An admin call with a JSON body; fails when it is not answered with 200.
function Rig:admin(path, value)
  local response = assert(support.http("POST", ("http://127.0.0.1:%d/admin/%s"):format(self.sandbox.port, path), json.encode(value)))
  assert(response.status == 200, ("%s: %d %s"):format(path, response.status, response.body))
end

--- Arms a fault at the sandbox, or has it done (docs/sandbox.md); the fault as it tells it back.
function Rig:fault(fault)
  local response = assert(support.http("POST", ("http://127.0.0.1:%d/admin/fault"):format(self.sandbox.port), json.encode(fault)))
  assert(response.status == 200, ("fault: %d %s"):format(response.status, response.body))
  return json.decode(response.body)
end

--- Shows every stanza to fn(direction, node, connection) before the server reads ("to-server") or writes ("to-client") it; a stanza
-- for which fn returns false is lost. The function returned ends it.
function Rig:tap(fn)
  local server, before = self.sandbox, self.sandbox.check
  local on = true
  function server.check(...)
    local _, conn, direction, node = ...
    if on and fn(direction, node, conn) == false then return false end
    return before(...)
  end
  return function() on = false end
end

--- The stanzas of a direction for which fn(node, connection) is true (all, without it), in order, from now on.
function Rig:record(direction, fn)
  local list = {}
  self:tap(function(way, node, conn)
    if way == direction and (not fn or fn(node, conn)) then list[#list + 1] = node end
  end)
  return list
end

local Phone = {}
Phone.__index = Phone

--- The phone's owner sends from it (moonpost.sandbox.phone_send): to a contact, a group or a JID; the message's id, of an album all.
function Phone:send(to, spec)
  local chat = type(to) == "table" and to.jid or to
  local id, ids = phone_send.send(self.sandbox, self.account, chat, spec)
  return assert(id, tostring(ids)), ids
end

local function read_phone(self) return sandbox_phone.of(self.sandbox, self.account) end

--- What the phone has of a message (moonpost.sandbox.phone_mail), or nil.
function Phone:message(id) return phone_mail.find(read_phone(self), id) end

--- All the messages it has.
function Phone:messages() return phone_mail.list(read_phone(self)) end

--- The phone loses the file of a message, as who deletes it to have room; what must be there is.
function Phone:lose(id) assert(phone_files.lose(read_phone(self), id), "the phone has no such file") end

--- The simulated phone of a contact, or of a JID.
function Rig:phone(of)
  local account = assert(self.sandbox.accounts:lookup(type(of) == "table" and of.jid or of), "no such account")
  return setmetatable({ sandbox = self.sandbox, account = account, jid = account:jid(), lid = account:jid "lid" }, Phone)
end

local function qr_scanner(rig)
  return function(text) task.spawn(rig.scan, rig, text) end
end

local Contact = {}
Contact.__index = Contact

--- Writes and waits for the next message from anyone (30 s); returns it, and what was sent.
function Contact:ask(to, text)
  local sent = assert(self.client:send(to, text))
  return self:next(), sent
end

--- The next message this contact hears, within `timeout` seconds (30).
function Contact:next(timeout)
  local m, err = self.heard:pop(timeout or 30)
  assert(m, ("%s heard nothing: %s"):format(self.name, tostring(err)))
  return m
end

--- Waits until a message it sent is told as read; the receipts before that are gone.
function Contact:sees_read(sent)
  local receipt
  repeat receipt = assert(self.receipts:pop(30)) until receipt.type == "read" and receipt.ids[1] == sent.id
end

--- Hears a text of another contact.
function Contact:hears(from, text)
  assert(from.client:send(self.jid, text))
  return self:next()
end

--- A companion client of an account called `name`, linked and online.
function Rig:contact(name, options)
  local settings = { url = self.sandbox.url, root = self.sandbox.root, ca = self.sandbox.certificate, name = name }
  for key, value in pairs(options or {}) do settings[key] = value end
  if not settings.store then settings.store_handle = settings.store_handle or assert(core.store.open {}) end
  local client = moonpost.client(settings)
  local contact = setmetatable({ client = client, name = name, heard = task.queue(), receipts = task.queue() }, Contact)
  client:on("message", function(m) contact.heard:push(m) end)
  client:on("receipt", function(receipt) contact.receipts:push(receipt) end)
  if not client:linked() then assert(client:pair { qr = qr_scanner(self) }) end
  assert(client:connect())
  self.clients[#self.clients + 1] = client
  contact.jid, contact.lid = client.me.jid, client.me.lid
  return contact
end

--- A bot on this sandbox; `rig:run` starts it.
function Rig:bot(options)
  local settings = {
    store = support.tmpdir() .. "/state", name = "Echo", url = self.sandbox.url, root = self.sandbox.root,
    ca = self.sandbox.certificate, qr = qr_scanner(self),
  }
  for key, value in pairs(options or {}) do settings[key] = value end
  return moonpost.bot(settings)
end

--- Runs a bot in a task of its own and returns its `me` once it is online.
function Rig:run(bot)
  local ready = task.queue()
  bot:on("ready", function(me) ready:push(me) end)
  local running = task.spawn(function()
    local ok, err = bot:run()
    if not ok then ready:push(err) end
    return ok, err
  end)
  self.bots[#self.bots + 1] = { bot = bot, running = running }
  local me = assert(ready:pop(30))
  assert(me.jid, tostring(me))
  return me
end

function Rig:__close()
  for _, entry in ipairs(self.bots) do
    entry.bot:stop()
    entry.running:join(30)
  end
  for _, client in ipairs(self.clients) do client:close() end
  self.sandbox:close()
  assert(#self.sandbox.violations == 0, table.concat(self.sandbox.violations, "\n"))
end

local rig = {}

--- Starts a strict sandbox; options as moonpost.sandbox.start takes them.
function rig.start(options)
  local settings = { strict = true }
  for key, value in pairs(options or {}) do settings[key] = value end
  return setmetatable({ sandbox = assert(sandbox.start(settings)), clients = {}, bots = {} }, Rig)
end

return rig
