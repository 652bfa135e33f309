--- Cards of contacts, one or several (fact sheet 05 §4.7).
-- @module moonpost.client.kinds.contacts
local check = require "moonpost.client.kinds.check"
local limits = require "moonpost.client.limits"
local vcard = require "moonpost.client.kinds.vcard"

local read, build = {}, {}

local function card_of(content, most)
  local card = vcard.read(content.vcard or "", most)
  card.name, card.vcard = content.displayName or card.name, content.vcard
  return card
end

function read.contactMessage(content, m) m.kind, m.contacts = "contact", { card_of(content, limits.CARDS) } end

function read.contactsArrayMessage(content, m)
  local left = limits.CARDS
  m.kind, m.contacts = "contacts", {}
  for i, one in ipairs(content.contacts or {}) do
    if i > limits.CONTACTS then break end
    m.contacts[i] = card_of(one, left)
    left = math.max(0, left - #(one.vcard or ""))
  end
end

local fields = {
  name = "string", phone = "string|number", phones = "table", organisation = "string", vcard = "string", jid = "string",
}

-- The numbers of a card: a number is one with its country code.
local function phones_of(card)
  local phones = {}
  for _, phone in ipairs(card.phones or { card.phone }) do
    if math.type(phone) == "integer" then phone = "+" .. phone end
    if not check.text("a contact", "phone", phone):find "%d" then check.wrong("a contact: 'phone' has no digits: '%s'", phone) end
    phones[#phones + 1] = phone
  end
  return phones
end

local function contact(card)
  local what = "a contact"
  if type(card) ~= "table" then check.wrong("a contact is { name =, phone = }, not a %s", type(card)) end
  check.fields(what, card, fields)
  local name = check.text(what, "name", card.name)
  local text = card.vcard or vcard.write { name = name, phones = phones_of(card), organisation = card.organisation }
  return { displayName = name, vcard = text }
end

local function several(list)
  local what = "contacts"
  if #list == 0 or #list > limits.CONTACTS then check.wrong("%s: between 1 and %d of them, not %d", what, limits.CONTACTS, #list) end
  local contacts = {}
  for i, card in ipairs(list) do contacts[i] = contact(card) end
  local title = #list == 1 and contacts[1].displayName or ("%d contacts"):format(#list)
  return { contactsArrayMessage = { displayName = title, contacts = contacts } }
end

--- { contact = { name = "Ada", phone = "+1 555 123 4567" } }, or an array of such
function build.contact(spec)
  check.fields("a contact", spec, { contact = "table" })
  local given = spec.contact
  if given[1] == nil then return { contactMessage = contact(given) } end
  if #given == 1 then return { contactMessage = contact(given[1]) } end
  return several(given)
end

--- { contacts = { { name =, phone = }, … } }
function build.contacts(spec)
  check.fields("contacts", spec, { contacts = "table" })
  return build.contact { contact = spec.contacts[1] and spec.contacts or check.wrong "contacts: an array of at least one" }
end

return { read = read, build = build }
