-- A Message as anybody may write it, read into the event of a handler: nothing in it raises or takes long, every field is of its type,
-- and what was read can be quoted and forwarded. The first byte says who wrote it and where.
package.path = package.path .. ";" .. package.path:gsub("%?%.lua", "lua/?.lua") .. ";" .. package.path:gsub("%?%.lua", "lua/?/init.lua")
local proto = require("moonpost.core").proto
local fitting = require "moonpost.client.kinds.fitting"
local kinds = require "moonpost.client.kinds"
local labels = require "moonpost.client.labels"
local messages = require "moonpost.client.messages"
local wire_fields = require "moonpost.client.wire_fields"

local SECONDS = 2 -- far more than any message takes, under sanitizers too

local client = {
  me = { jid = "15550000001@s.whatsapp.net", lid = "100@lid" },
  lids = { stable = function(_, name) return name end, pn_of = function() end, lid_of = function() end, phone = function() end },
}

local types = {
  kind = "string", text = "string", quoted = "table", mentions = "table", forwarded = "number", expires = "number", view_once = "boolean",
  preview = "table", location = "table", contacts = "table", invite = "table", menu = "table", button = "table", product = "table",
  order = "table", payment = "table", call = "table", target = "table", reaction = "table", poll = "table", event = "table",
}

local stanza_types = { text = true, media = true, poll = true, reaction = true, event = true }

local function check_fields(m)
  for name, wanted in pairs(types) do
    local value = m[name]
    assert(value == nil or type(value) == wanted, name)
  end
  for _, one in ipairs(m.mentions) do assert(type(one) == "string") end
  assert(not m.target or type(m.target.id) == "string" and type(m.target.chat) == "string")
  assert(m.kind == nil or kinds.is_content(m.kind) ~= nil)
end

local function check_labels(message)
  local attrs, enc, meta = labels(message)
  assert(stanza_types[attrs.type])
  assert((attrs.type == "media") == (enc.mediatype ~= nil) or attrs.type ~= "media")
  assert(not meta or meta.tag == "meta")
  local why = fitting({ tag = "message", attrs = attrs, content = { meta } }, (messages.unwrap(message)))
  assert(why == nil or type(why) == "string" and not why:find "stanza", why) -- what we label so ourselves fits
end

local function encodes(message) return assert(proto.encode("Message", message)) end

local function check_answers(m)
  local answer = assert(kinds.build({ text = "answer", quote = m }, { chat = "200@lid" }))
  assert(not proto.decode("Message", encodes(answer)).extendedTextMessage.contextInfo.quotedMessage.messageContextInfo)
  local forwarded = m.kind and kinds.forward(m)
  if forwarded then check_labels(proto.decode("Message", encodes(forwarded))) end
end

return function(bytes)
  if #bytes == 0 then return end
  local who, raw = bytes:byte(1), bytes:sub(2)
  local message = proto.decode("Message", raw)
  if not message then return end
  assert(wire_fields.without(raw, {}) == raw, "the bytes of the fields are not all of them")
  local before = os.clock()
  local own, group = who & 1 == 1, who & 2 == 2
  if own then message = messages.from_own_device(message) end
  local content, _, deeper = messages.unwrap(message)
  if deeper then return end
  local m = { id = "A", chat = group and "120363@g.us" or "200@lid", sender = own and "100@lid" or "200@lid", from_me = own, group = group }
  m.raw = raw
  kinds.read(message, m, client)
  kinds.is_event(content)
  check_fields(m)
  check_labels(message)
  check_answers(m)
  assert(os.clock() - before < SECONDS, "it takes too long")
end
