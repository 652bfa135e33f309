local node = require("moonpost.stanza").node

local function ask(type, xmlns, content)
  return function() return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = type, xmlns = xmlns }, content and content()) end
end

local function answer(content)
  return function() return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, content and content()) end
end

local props = ask("get", "abt", function() return node("props", { protocol = "1" }) end)
local blocked = ask("get", "blocklist")
local blocked_since = ask("get", "blocklist", function() return node("item", { dhash = "7" }) end)
local block = ask("set", "blocklist", function()
  return node("item", { action = "block", jid = "100@lid", pn_jid = "15550001111@s.whatsapp.net" })
end)
local privacy = ask("get", "privacy", function() return node "privacy" end)
local set_privacy = ask("set", "privacy", function() return node("privacy", nil, node("category", { name = "last", value = "none" })) end)
local tokens = ask("set", "privacy", function()
  return node("tokens", nil, node("token", { jid = "100@lid", t = "1700000000", type = "trusted_contact" }))
end)
local timer = ask("get", "disappearing_mode")
local set_timer = ask("set", "disappearing_mode", function() return node("disappearing_mode", { duration = "86400" }) end)
local hosts = ask("set", "w:m", function() return node "media_conn" end)

local function people(more)
  return answer(function()
    local attrs = { dhash = "7", addressing_mode = "lid" }
    for name, value in pairs(more) do attrs[name] = value end
    return node("list", attrs, node("item", { jid = "100@lid", pn_jid = "15550001111@s.whatsapp.net" }))
  end)
end

local blocks, tells = "(10 §6.3, 08 S-843)", "(10 §6.1, 08 S-844)"

return {
  { "to-server", "the question for the server's properties", props, {
    { "props@protocol=2", "iq/props@protocol: expected '1', got '2' (10 §1.2, 08 S-807)" },
  } },
  { "to-client", "the server's properties", answer(function()
    return node("props", { protocol = "1", refresh = "86400" }, {
      node("prop", { config_code = "10518", config_value = "1" }), node("prop", { event_code = "5138", sampling_weight = "10" }),
    })
  end), {
    { "props/prop[1]@config_value!", "iq/props/prop[1]@config_value: missing, expected a text (10 §1.2, 08 S-807)" },
    { "props/prop[2]@sampling_weight=10001",
      "iq/props/prop[2]@sampling_weight: expected a number from 0 to 10000, got '10001' (10 §1.2, 08 S-807)" },
    { "props@protocol!", "iq/props@protocol: missing, expected '1' (10 §1.2, 08 S-807)" },
  }, request = props },
  { "to-client", "that there are no properties", function()
    local why = node("error", { code = "501", text = "feature-not-implemented" })
    return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "error" }, why)
  end, {
    { "error@code=500",
      "iq/error@text: code 500 and text 'feature-not-implemented' are no pair the official client knows (10 §0.3, 08 S-900)" },
  }, request = props },

  { "to-server", "the question who is blocked", blocked, { { "@id!", "iq@id: missing, expected an id " .. blocks } } },
  { "to-client", "who is blocked", people {}, {
    { "list/item@pn_jid!", "iq/list/item@pn_jid: missing, expected a phone number's JID without device " .. blocks },
    { "list/item@jid=1@g.us", "iq/list/item@jid: expected a LID without device, got '1@g.us' " .. blocks },
    { "list!", "iq/list: missing " .. blocks },
  }, request = blocked },
  { "to-client", "that nobody else was blocked since", answer(), {
    { "+error", "iq/error: must not be here " .. blocks },
  }, request = blocked_since },
  { "to-server", "a block", block, {
    { "item@action=shun", "iq/item@action: expected block or unblock, got 'shun' (10 §6.3, 07 §5.3, 08 S-843)" },
  } },
  { "to-client", "that somebody is blocked", people { matched = "false" }, {
    { "list@matched!", "iq/list@matched: missing, expected 'false' (10 §6.3, 07 §5.3, 08 S-843)" },
    { "list@dhash!", "iq/list@dhash: missing, expected a text (10 §6.3, 07 §5.3, 08 S-843)" },
  }, request = block },

  { "to-server", "the question for the privacy settings", privacy, {
    { "privacy@x=1", "iq/privacy@x: not an attribute of this stanza " .. tells },
  } },
  { "to-client", "the privacy settings", answer(function()
    return node("privacy", nil, {
      node("category", { name = "last", value = "all" }), node("category", { name = "stickers", value = "contacts" }),
    })
  end), {
    { "privacy/category[1]@value=friends",
      "iq/privacy/category[1]@value: expected all, contacts, contact_blacklist, none or error, got 'friends' " .. tells },
    { "privacy/category[2]@value!", "iq/privacy/category[2]@value: missing, expected a text " .. tells },
    { "privacy!", "iq/privacy: missing " .. tells },
  }, request = privacy },
  { "to-server", "a privacy setting", set_privacy, {
    { "privacy/category@name!", "iq/privacy/category@name: missing, expected " },
    { "privacy/category@value=friends",
      "iq/privacy/category@value: expected all, contacts, contact_blacklist, none or error, got 'friends' " .. tells },
    { "privacy/category+neighbour", "iq/privacy/category/neighbour: not a child of this stanza " .. tells },
  } },
  { "to-client", "the setting as it is now", answer(function()
    return node("privacy", nil, node("category", { name = "last", value = "none" }))
  end), { { "privacy/category!", "iq/privacy/category: missing " .. tells } }, request = set_privacy },
  { "to-server", "tokens", tokens, {
    { "tokens/token@type=friend", "iq/tokens/token@type: expected 'trusted_contact', got 'friend' (10 §6.1, 07 §5.5)" },
  } },

  { "to-server", "the question for the default timer", timer, { { "@id!", "iq@id: missing, expected an id (10 §6.2, 08 S-845)" } } },
  { "to-client", "the default timer", answer(function() return node("disappearing_mode", { duration = "0", t = "0" }) end), {
    { "disappearing_mode@t!", "iq/disappearing_mode@t: missing, expected a number (10 §6.2, 08 S-845)" },
  }, request = timer },
  { "to-server", "a new default timer", set_timer, {
    { "disappearing_mode@duration=5", "iq/disappearing_mode@duration: expected 0, 86400, 604800 or 7776000, got '5' (10 §6.2, 08 S-845)" },
  } },

  { "to-server", "the question for media hosts", hosts, {
    { "media_conn@x=1", "iq/media_conn@x: not an attribute of this stanza (10 §9, 05 §14.1, 08 S-820)" },
  } },
  { "to-client", "media hosts", answer(function()
    local host = node("host", { hostname = "127.0.0.1:1", type = "primary", maxContentLengthBytes = "1000" }, { node "upload" })
    return node("media_conn", { auth = "x", auth_ttl = "21600", ttl = "300", max_buckets = "12" }, host)
  end), {
    { "media_conn@auth_ttl!", "iq/media_conn@auth_ttl: missing, expected a number (10 §9, 05 §14.1, 08 S-820)" },
    { "media_conn/host@hostname!", "iq/media_conn/host@hostname: missing, expected a text (10 §9, 05 §14.1, 08 S-820)" },
    { "media_conn/host@maxContentLengthBytes=big", "iq/media_conn/host@maxContentLengthBytes: expected a number, got 'big'" },
    { "media_conn/host!", "iq/media_conn/host: missing (10 §9, 05 §14.1, 08 S-820)" },
  }, request = hosts },
}
