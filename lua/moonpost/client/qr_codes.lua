--- Linking by QR (fact sheet 02 §2.2, §2.3): the refs of a registration connection, shown one after another.
-- @module moonpost.client.qr_codes
local core = require "moonpost.core"
local platform = require "moonpost.client.platform"
local task = require "moonpost.task"

local crypto = core.crypto

local Codes = {}
Codes.__index = Codes

--- The text of a QR (§2.3), with the account's secret of this moment.
function Codes:text(ref)
  local client = self.client
  local public = client.account:public()
  return "https://wa.me/settings/linked_devices#" .. table.concat({
    ref, crypto.base64(public.noise), crypto.base64(public.identity), client.account:adv_secret_text(),
    platform.kind(client.device.platform).code,
  }, ",")
end

-- Shows a ref for its time; again, for what is left of it, when the secret has changed.
local function show_ref(self, ref, seconds)
  local ends = core.net.now() + seconds
  local left = seconds
  repeat
    self.shown = true
    self.client.log:debug("a QR is shown, for %d s", math.floor(left))
    self.show(self:text(ref), left)
    local renewed = self.renewed:pop(math.max(0, ends - core.net.now()))
    left = ends - core.net.now()
  until not renewed or left <= 0
end

local function run(self, attempt, refs)
  for i, ref in ipairs(refs) do show_ref(self, ref, i == 1 and attempt.pace.first or attempt.pace.next) end
  if #refs > 0 then attempt:codes_ran_out() end
end

--- Refs have come on a connection: they are shown in place of those before; when they have run out the connection ends.
function Codes:begin(attempt, refs)
  self:stop()
  self.renewed = task.queue()
  self.task = task.spawn(attempt.guard, attempt, run, self, attempt, refs)
end

--- The server retires the secret (§2.2): the QR on the screen is replaced at once.
function Codes:renew()
  self.client.account:renew_adv_secret()
  if self.renewed then self.renewed:push(true) end
end

--- A notification about a linking by phone number, which this is not.
function Codes.notification() end

function Codes:stop()
  if self.task then self.task:cancel() end
end

--- Makes the way of linking.
-- @param client
-- @func show fn(text, seconds): shows a QR
return function(client, show) return setmetatable({ client = client, show = show }, Codes) end
