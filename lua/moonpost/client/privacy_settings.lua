--- What of the account's privacy settings decides what this client sends: whether others may know what was read (fact sheet 07 §5.1).
-- Asked for once, at the first need, and kept; what the owner changes later is told by a notification, and by the acks of read receipts.
-- @module moonpost.client.privacy_settings
local stanza = require "moonpost.stanza"

local KEY = "read-receipts"
local known = { all = true, none = true }

local PrivacySettings = {}
PrivacySettings.__index = PrivacySettings

local function keep(self, value)
  if not known[value] or self.value == value then return end
  self.value = value
  self.client.store:put("setting", KEY, value)
end

local function read(privacy)
  for _, category in stanza.children(privacy, "category") do
    if category.attrs.name == "readreceipts" then return category.attrs.value end
  end
end

local function ask(self)
  local answer, err = self.client.connection:query(stanza.node("iq", { xmlns = "privacy", type = "get", to = "s.whatsapp.net" },
    stanza.node "privacy"))
  if not answer then return nil, err end
  keep(self, read(stanza.child(answer, "privacy")))
  return self.value or "none"
end

--- Whether others may know what this account has read. May wait for the server's answer, in a task.
-- @treturn ?string "all" or "none"; "none" too when the server does not say
-- @treturn ?table err of the query
function PrivacySettings:read_receipts()
  self.value = self.value or self.client.store:get("setting", KEY)
  if self.value then return self.value end
  return ask(self)
end

--- The owner has changed settings: a notification's `<privacy>`.
function PrivacySettings:changed(privacy) keep(self, read(privacy)) end

--- An ack of a read receipt says how things stand (§7.1).
-- @tparam ?string value its attribute `readreceipts`
function PrivacySettings:told(value) keep(self, value) end

--- The account is forgotten, or what was written last was lost.
function PrivacySettings:forget() self.value = nil end

return function(client) return setmetatable({ client = client }, PrivacySettings) end
