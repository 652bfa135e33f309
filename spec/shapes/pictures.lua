local node = require("moonpost.stanza").node
local samples = require "spec.shapes.group_samples"

local GROUP, COMMUNITY = samples.GROUP, samples.COMMUNITY

local function ask(type, attrs, content)
  return function()
    local all = { id = "1.2-3", to = "s.whatsapp.net", type = type, xmlns = "w:profile:picture" }
    for name, value in pairs(attrs) do all[name] = value end
    return node("iq", all, content and content())
  end
end

local function answer(content)
  return function() return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, content and content()) end
end

local function notice(child)
  return function()
    local attrs = { type = "picture", id = "N1", from = "15550001111@s.whatsapp.net", t = "1700000000" }
    return node("notification", attrs, child())
  end
end

local get = ask("get", { target = "15550001111@s.whatsapp.net" }, function() return node("picture", { type = "image", query = "url" }) end)
local set = ask("set", { target = GROUP }, function() return node("picture", { type = "image" }, "\xff\xd8\xff") end)
local clear, remove = ask("set", {}, function() return node("picture", { type = "image" }) end), ask("set", {})
local among = samples.ask("get", COMMUNITY, function()
  return node("pictures", nil, node("picture", { parent_group_jid = COMMUNITY, type = "preview", query = "url" }))
end)

return {
  { "to-server", "the question for a picture", get, {
    { "picture@type=hologram", "iq/picture@type: expected image or preview, got 'hologram' (10 §5.2, 08 S-840)" },
    { "picture@id=abc", "iq/picture@id: expected a number, got 'abc' (10 §5.2, 08 S-840)" },
  } },
  { "to-client", "a picture", answer(function()
    return node("picture", { id = "5", type = "image", url = "https://127.0.0.1/p", direct_path = "/p" })
  end), {
    { "picture@direct_path!", "iq/picture@direct_path: missing, expected a text (10 §5.2, 08 S-840)" },
    { "picture@id=abc", "iq/picture@id: expected a number, got 'abc' (10 §5.2, 08 S-840)" },
  }, request = get },
  { "to-client", "that it is the known one", answer(), { { "+error", "iq/error: must not be here (10 §5.2, 08 S-840)" } }, request = get },
  { "to-server", "a new picture", set, {
    { "picture@type=preview", "iq/picture@type: expected 'image', got 'preview' (10 §5.2, 08 S-840)" },
  } },
  { "to-client", "what it is called", answer(function() return node("picture", { id = "5" }) end), {
    { "picture@id=abc", "iq/picture@id: expected a number, got 'abc' (10 §5.2, 08 S-840)" },
    { "picture!", "iq/picture: missing (10 §5.2, 08 S-840)" },
  }, request = set },
  { "to-server", "an empty one in its place", clear, {
    { "picture@x=1", "iq/picture@x: not an attribute of this stanza" },
  } },
  { "to-server", "that there shall be none", remove, { { "@id!", "iq@id: missing, expected an id" } } },
  { "to-server", "the question for a community's picture", among, {
    { "pictures/picture@type=hologram", "iq/pictures/picture@type: expected image or preview, got 'hologram' (10 §3.2, 07 §2, 08 S-711)" },
  } },
  { "to-client", "a community's picture", samples.answer(COMMUNITY, function()
    return node("pictures", nil, node("picture", {
      parent_group_jid = COMMUNITY, id = "5", type = "preview", url = "https://127.0.0.1/p", direct_path = "/p",
    }))
  end), {
    { "pictures/picture@url!", "iq/pictures/picture@url: missing, expected a text (10 §3.2, 07 §2, 08 S-711)" },
    { "pictures!", "iq/pictures: missing (10 §3.2, 07 §2, 08 S-711)" },
  }, request = among },
  { "to-client", "that it has none", samples.answer(COMMUNITY, function()
    return node("pictures", nil, node("picture", { parent_group_jid = COMMUNITY, status = "204" }))
  end), {
    { "pictures/picture@status=404", "iq/pictures/picture@status: expected 304, 204, 500 or 405, got '404' (10 §3.2, 07 §2, 08 S-711)" },
  }, request = among },
  { "to-client", "the news of a picture", notice(function()
    return node("set", { jid = "15550001111@s.whatsapp.net", id = "5", author = "15550001111@s.whatsapp.net" })
  end), {
    { "set@id!", "notification/set@id: missing, expected a number (09 §2.12, 08 S-840)" },
    { "@t!", "notification@t: missing, expected unix seconds (09 §2.12, 08 S-840)" },
  } },
  { "to-client", "the news that there is none", notice(function() return node("delete", { jid = "15550001111@s.whatsapp.net" }) end), {
    { "delete@jid!", "notification/delete@jid: missing, expected a chat's JID (09 §2.12, 08 S-840)" },
  } },
}
