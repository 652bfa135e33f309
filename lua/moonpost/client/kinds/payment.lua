--- Payments (fact sheet 05 §4.10), heard only: `m.payment = {action, amount, currency, …}`.
-- @module moonpost.client.kinds.payment
local key = require "moonpost.client.kinds.key"
local messages = require "moonpost.client.messages"
local people = require "moonpost.client.kinds.people"

local read = {}

local function note_of(content)
  return content.noteMessage and messages.text_of(messages.unwrap(content.noteMessage))
end

local function pay(m, action, payment)
  payment.action = action
  m.kind, m.payment = "payment", payment
end

local function amount_of(money)
  if not money or not money.value then return nil end
  local offset = money.offset or 1
  return offset > 0 and money.value / offset or nil, money.currencyCode
end

function read.sendPaymentMessage(content, m, client)
  pay(m, "sent", {})
  m.text, m.target = note_of(content), key.read(content.requestMessageKey, m, client)
end

function read.requestPaymentMessage(content, m, client)
  local amount, currency = amount_of(content.amount)
  amount = amount or content.amount1000 and content.amount1000 / 1000
  pay(m, "requested", {
    amount = amount, currency = currency or content.currencyCodeIso4217, from = people.stable(client, content.requestFrom),
    expires = content.expiryTimestamp,
  })
  m.text = note_of(content)
end

function read.declinePaymentRequestMessage(content, m, client)
  pay(m, "declined", {})
  m.target = key.read(content.key, m, client)
end

function read.cancelPaymentRequestMessage(content, m, client)
  pay(m, "cancelled", {})
  m.target = key.read(content.key, m, client)
end

function read.paymentInviteMessage(content, m)
  pay(m, "invited", { service = content.serviceType and tostring(content.serviceType):lower(), expires = content.expiryTimestamp })
end

function read.invoiceMessage(content, m)
  pay(m, "invoice", { token = content.token })
  m.text = content.note
end

function read.paymentReminderMessage(content, m, client)
  local amount, currency = amount_of(content.amount)
  pay(m, "reminder", { id = content.reminderId, amount = amount, currency = currency, payee = people.stable(client, content.payeeJid) })
  m.text = content.description
end

function read.splitPaymentMessage(content, m, client)
  local amount, currency = amount_of(content.totalAmount)
  pay(m, "split", { id = content.splitId, amount = amount, currency = currency, from = people.stable(client, content.requesterJid) })
  m.text = content.description
end

function read.splitPaymentUpdateMessage(content, m, client)
  pay(m, "split_update", { id = content.splitId, who = people.stable(client, content.participantJid) })
end

return { read = read }
