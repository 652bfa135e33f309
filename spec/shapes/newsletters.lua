local node = require("moonpost.stanza").node

local NEWS = "120363000000000002@newsletter"

local function message(fixed, attrs, content)
  return function()
    local all = {}
    for name, value in pairs(fixed) do all[name] = value end
    for name, value in pairs(attrs) do all[name] = value end
    return node("message", all, content())
  end
end

local function post(attrs, content) return message({ id = "3EB0", to = NEWS, type = "text" }, attrs, content) end

local function text(bytes) return function() return node("plaintext", nil, bytes) end end

local function received(attrs, content)
  return message({ id = "3EB0", from = NEWS, type = "text", server_id = 100, t = 1700000000 }, attrs, content)
end

local function ask(type, to, content)
  local xmlns = to:find "news" and "newsletter" or "w:mex"
  return function() return node("iq", { id = "1.2-3", to = to, type = type, xmlns = xmlns }, content()) end
end

local function answer(from, content) return function() return node("iq", { id = "1.2-3", from = from, type = "result" }, content()) end end

local mex = ask("get", "s.whatsapp.net", function() return node("query", { query_id = "6563316087068696" }, '{"variables":{}}') end)
local live = ask("set", NEWS, function() return node "live_updates" end)
local updates = ask("get", NEWS, function() return node("message_updates", { count = "10" }) end)

local function told()
  return node("messages", { jid = NEWS, t = 1700000000 }, node("message", { server_id = 100, id = "3EB0", t = 1700000000, type = "text" }, {
    node("plaintext", nil, "x"), node("reactions", nil, node("reaction", { code = "👍", count = 1 })), node("views_count", { count = 2 }),
  }))
end

local function live_update()
  return node("notification", { type = "newsletter", id = "1700000000-1", from = NEWS, t = 1700000000 }, node("live_updates", nil, told()))
end

local function joined()
  return node("notification", { type = "mex", id = "1700000000-1", from = "s.whatsapp.net", t = 1700000000 },
    node("update", { op_name = "NotificationNewsletterJoin" }, "{}"))
end

return {
  { "to-server", "a post", post({}, text "x"), {
    { "@server_id=100", "message@server_id: must not be here, got '100' (10 §10.1, 03 §12, 08 S-752)" },
    { "plaintext#0", "message/plaintext: expected 1 to 1048576 bytes, got 0 (10 §10.1, 03 §12, 08 S-752)" },
  } },
  { "to-server", "an edit of a post", post({ edit = "3" }, text "x"), {} },
  { "to-server", "a revoke of a post", post({ edit = "8" }, function() return node "plaintext" end), {} },
  { "to-server", "a reaction to a post", post({ type = "reaction", server_id = "100" }, function()
    return node("reaction", { code = "👍" })
  end), {
    { "@server_id=98", "message@server_id: expected a number from 99 to 2147476647, got '98' (10 §10.1, 03 §12, 08 S-756)" },
  } },
  { "to-server", "a reaction taken back", post({ type = "reaction", server_id = "100", edit = "7" }, function()
    return node "reaction"
  end), {} },
  { "to-server", "posts that were seen", function()
    return node("receipt", { id = "1.2-3", to = NEWS, type = "view" }, node("list", nil, node("item", { server_id = "100" })))
  end, {} },
  { "to-client", "a post", received({}, text "x"), {
    { "@server_id=98", "message@server_id: expected a number from 99 to 2147476647, got '98' (09 §4.11, 08 S-752)" },
  } },
  { "to-client", "an edit of a post", received({ edit = "3" }, text "x"), {} },
  { "to-client", "a revoke of a post", received({ edit = "8" }, function() return node "plaintext" end), {} },
  { "to-client", "how a post is counted", live_update, {
    { "live_updates/messages/message@server_id=1", "notification/live_updates/messages/message@server_id: "
      .. "expected a number from 99 to 2147476647, got '1' (09 §4.10, 08 S-756)" },
  } },
  { "to-client", "a newsletter followed elsewhere", joined, {
    { "update@op_name!", "notification/update@op_name: missing, expected an id (09 §2.11, 08 S-758)" },
  } },
  { "to-client", "the ack of a post", function()
    return node("ack", { class = "message", id = "3EB0", from = NEWS, t = 1700000000, server_id = 100 })
  end, {} },
  { "to-server", "a GraphQL query", mex, {
    { "query@query_id=me", "iq/query@query_id: expected a number, got 'me' (10 §9, 07 §8.1, 08 S-750)" },
  } },
  { "to-client", "its result", answer("s.whatsapp.net", function() return node("result", nil, "{}") end), {
    { "result!", "iq/result: missing (10 §9, 07 §8.1, 08 S-750)" },
  }, request = mex },
  { "to-server", "a subscription to live updates", live, {} },
  { "to-client", "how long it lasts", answer(NEWS, function() return node("live_updates", { duration = 300 }) end), {
    { "live_updates@duration=10", "iq/live_updates@duration: expected a number from 30 to 600, got '10' (10 §7.1, 08 S-755)" },
  }, request = live },
  { "to-server", "the question how posts are counted", updates, {
    { "message_updates@count!", "iq/message_updates@count: missing, expected a number from 1 (10 §7.1, 08 S-754)" },
  } },
  { "to-client", "how posts are counted", answer(NEWS, function() return node("message_updates", nil, told()) end), {},
    request = updates },
}
