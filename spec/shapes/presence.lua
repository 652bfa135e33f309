local node = require("moonpost.stanza").node

local function subscribe() return node("presence", { type = "subscribe", to = "100@lid" }) end
local function typing() return node("chatstate", { to = "100@lid" }, node "composing") end

local seen = "(09 §4.4, 08 S-621)"

return {
  { "to-server", "being available", function() return node("presence", { type = "available", name = "Ana" }) end, {
    { "@type=busy", "presence@type: expected available or unavailable, got 'busy' (10 §10.5, 08 S-620)" },
    { "@name=", "presence@name: expected an id, got '' (10 §10.5, 08 S-620)" },
    { "+status", "presence: expected no content, got <status> (10 §10.5, 08 S-620)" },
  } },
  { "to-server", "a presence without a word", function() return node "presence" end, {
    { "@mood=good", "presence@mood: not an attribute of this stanza (10 §10.5, 08 S-620)" },
  } },
  { "to-server", "a subscription", subscribe, {
    { "@to=100:5@lid", "presence@to: expected a person's JID without device or a group's JID, got '100:5@lid' (10 §10.5, 08 S-621)" },
    { "@to!", "presence@to: missing, expected a person's JID without device or a group's JID (10 §10.5, 08 S-621)" },
  } },
  { "to-server", "typing", typing, {
    { "composing@media=video", "chatstate/composing@media: expected 'audio', got 'video' (10 §10.5, 08 S-630)" },
    { "composing!", "chatstate/composing|paused: missing (10 §10.5, 08 S-630)" },
    { "+paused", "chatstate/paused: more than 1 (10 §10.5, 08 S-630)" },
    { "@id=1", "chatstate@id: not an attribute of this stanza (10 §10.5, 08 S-630)" },
  } },

  { "to-client", "somebody who is there", function() return node("presence", { from = "100@lid" }) end, {
    { "@from=100:5@lid", "presence@from: expected a LID without device or a phone number's JID without device, got '100:5@lid' " .. seen },
    { "@count=1", "presence@count: must not be here, got '1' " .. seen },
    { "@type=busy", "presence@type: expected 'available', got 'busy' " .. seen },
  } },
  { "to-client", "somebody who has gone", function()
    return node("presence", { from = "100@lid", type = "unavailable", last = 1700000000 })
  end, {
    { "@last=yesterday", "presence@last: expected deny, error or none or unix seconds, got 'yesterday' " .. seen },
  } },
  { "to-client", "how many of a group are there", function() return node("presence", { from = "1@g.us", count = "3" }) end, {
    { "@count=1025", "presence@count: expected a number from 1 to 1024, got '1025' (09 §4.4, 08 S-623)" },
  } },
  { "to-client", "somebody who types", function() return node("chatstate", { from = "100@lid" }, node "composing") end, {
    { "composing@media=video", "chatstate/composing@media: expected 'audio', got 'video' (09 §4.5, 08 S-630)" },
    { "@to=200@lid", "chatstate@to: not an attribute of this stanza (09 §4.5, 08 S-630)" },
    { "+paused", "chatstate/paused: more than 1 (09 §4.5, 08 S-630)" },
  } },
}
