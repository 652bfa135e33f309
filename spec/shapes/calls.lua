local node = require("moonpost.stanza").node

local function signal(tag, attrs, content)
  local all = { ["call-id"] = "A0B1", ["call-creator"] = "100:5@lid" }
  for name, value in pairs(attrs or {}) do all[name] = value end
  return node(tag, all, content)
end

local function out(child)
  return function() return node("call", { id = "1.2-3", to = "100@lid" }, child()) end
end

local function comes(child)
  return function() return node("call", { id = "1-3", from = "100:5@lid", t = 1700000000, notify = "Ana" }, child()) end
end

local function reject() return signal("reject", { count = "0" }) end
local function offer() return signal("offer", { caller_pn = "1555@s.whatsapp.net" }, node("audio", { enc = "opus", rate = "16000" })) end
local function rings() return signal "offer" end

local said, heard = "(10 §10.4, 07 §7.2, 08 S-846)", "(09 §3.4, 07 §7.1, 08 S-846)"

return {
  { "to-server", "a call that is refused", out(reject), {
    { "reject@call-id!", "call/reject@call-id: missing, expected an id " .. said },
    { "reject@call-creator=so", "call/reject@call-creator: expected a person's JID, got 'so' " .. said },
    { "reject@count=none", "call/reject@count: expected a number from 0, got 'none' " .. said },
    { "@to!", "call@to: missing, expected a JID " .. said },
    { "@id!", "call@id: missing, expected an id " .. said },
    { "@t=1700000000", "call@t: not an attribute of this stanza " .. said },
    { "+video", "call/video: more than 1 " .. said },
  } },
  { "to-server", "that a call rings", function() return node("receipt", { id = "1-3", to = "100:5@lid" }, rings()) end, {
    { "offer@call-id!", "receipt/offer: not a child of this stanza (10 §10.2, 04 §7.3, 08 S-503)" },
  } },
  { "to-client", "a call", comes(offer), {
    { "@t!", "call@t: missing, expected unix seconds " .. heard },
    { "@from=g.us", "call@from: expected a person's JID, got 'g.us' " .. heard },
    { "offer@call-id!", "call/offer@call-id: missing, expected an id " .. heard },
  } },
  { "to-client", "a call that is over", comes(function() return signal("terminate", { reason = "timeout" }) end), {
    { "terminate@call-creator!", "call/terminate@call-creator: missing, expected a person's JID " .. heard },
  } },
  { "to-client", "the notice of a group's call", comes(function() return signal("offer_notice", { type = "group", media = "audio" }) end), {
    { "offer_notice@media=smell", "call/offer_notice@media: expected audio or video, got 'smell' " .. heard },
    { "offer_notice@type!", "call/offer_notice@type: missing, expected a text " .. heard },
  } },
  { "to-client", "that a call rings", function() return node("receipt", { id = "1-3", from = "100:5@lid" }, rings()) end, {
    { "offer@call-id!", "receipt@t: missing, expected unix seconds (09 §3.2, 08 S-501, S-503)" },
  } },
}
