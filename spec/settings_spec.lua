-- The small queries: each is answered once, with its id and from where it was asked, known or not (fact sheet 08 §7, S-122, §21, §22).
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local texts = {
  ["400"] = "bad-request", ["401"] = "not-authorized", ["404"] = "item-not-found", ["406"] = "not-acceptable",
  ["501"] = "feature-not-implemented",
}

-- What clients ask at a start or in ordinary use: xmlns, type, content, and the error of the answer if it is one.
local catalogue = {
  { "w:p", "get" }, { "w:p", "get", stanza.node "ping" }, { "passive", "set", stanza.node "active" },
  { "abt", "get", stanza.node("props", { protocol = "1" }) }, { "blocklist", "get" }, { "privacy", "get", stanza.node "privacy" },
  { "w:m", "set", stanza.node "media_conn" }, { "encrypt", "get", stanza.node "count" }, { "encrypt", "get", stanza.node "digest" },
  { "urn:xmpp:whatsapp:dirty", "set", stanza.node("clean", { type = "account_sync" }) },
  { "w:stats", "set", stanza.node("add", { t = "1700000000" }, "WAM") }, { "w:stats", nil, stanza.node("add", { t = "1" }, "WAM") },
  { "disappearing_mode", "get" },
  { "w:profile:picture", "get", stanza.node("picture", { type = "image", query = "url" }), "404" },
  { "tos", "set", stanza.node("notice", { id = "1", stage = "5" }) },
  { "md", "get", stanza.node("link_code_companion_reg", { stage = "get_country_code" }), "400" }, { "md", "set", stanza.node "tea", "501" },
  { "usync", "get", stanza.node "usync", "400" }, { "w:sync:app:state", "set", stanza.node "sync", "400" },
  { "bot", "get", stanza.node("bot", { v = "2" }), "501" }, { "w:mex", "get", stanza.node "query" },
  { "w:biz", "get", stanza.node "business_profile", "501" }, { "newsletter", "set", stanza.node "something", "501" },
  { "urn:xmpp:whatsapp:push", "get", stanza.node "config", "501" }, { "nobody:knows", "get", nil, "501" },
  { "nobody:knows", nil, nil, "501" }, { "nobody:knows", "set", stanza.node "something" },
}

-- A contact in a sandbox that is not strict: it may say what no official client would.
local function curious(rig)
  local ana = rig:contact "Ana"
  local seen = tap.on(rig)
  return ana, function(attrs, content)
    attrs.id = attrs.id or ana.client:next_id()
    assert(ana.client.connection:send(stanza.node("iq", attrs, content)))
    return seen:next(function(direction, node)
      return direction == "to-client" and node.tag == "iq" and node.attrs.id == attrs.id
    end)
  end
end

describe("every query", function()
  it("is answered once, with its id and its address, errors with the pair of code and text", support.async(function()
    local rig <close> = start { strict = false }
    local ana, ask = curious(rig)
    local answers = {}
    tap.on(rig, function(direction, node)
      if direction == "to-client" and node.tag == "iq" then answers[node.attrs.id] = (answers[node.attrs.id] or 0) + 1 end
    end)
    for _, case in ipairs(catalogue) do
      local xmlns, type, content, code = table.unpack(case, 1, 4)
      for _, to in ipairs { "s.whatsapp.net", false } do
        local answer = ask({ xmlns = xmlns, type = type, to = to or nil }, content)
        local what = ("%s %s"):format(xmlns, tostring(type))
        assert.equal("s.whatsapp.net", answer.attrs.from, what)
        assert.equal(code and "error" or "result", answer.attrs.type, what)
        local detail = stanza.child(answer, "error")
        if code then assert.same({ code, texts[code] }, { tostring(detail.attrs.code), detail.attrs.text }, what) end
      end
    end
    assert(ana.client:query(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
    for id, count in pairs(answers) do assert.equal(1, count, id) end
    rig.sandbox.violations = {}
  end))

  it("is answered from the address it was sent to", support.async(function()
    local rig <close> = start { strict = false }
    local _, ask = curious(rig)
    for _, to in ipairs { "120363000000000000@g.us", "g.us", "15550001111@s.whatsapp.net" } do
      assert.equal(to, ask({ xmlns = "w:g2", type = "get", to = to }, stanza.node("query", { request = "interactive" })).attrs.from)
    end
    rig.sandbox.violations = {}
  end))

  it("nobody knows is told in the state", support.async(function()
    local rig <close> = start { strict = false }
    local _, ask = curious(rig)
    ask({ xmlns = "nobody:knows", type = "get" })
    ask({ xmlns = "nobody:knows", type = "get" })
    local _, state = tap.admin(rig, "GET", "/admin/state")
    assert.equal(2, state.unknown_queries["nobody:knows get"])
    rig.sandbox.violations = {}
  end))

  it("without an id cannot be answered, and harms nothing", support.async(function()
    local rig <close> = start { strict = false }
    local ana, ask = curious(rig)
    assert(ana.client.connection:send(stanza.node("iq", { xmlns = "w:p", type = "get", to = "s.whatsapp.net" })))
    assert.equal("result", ask({ xmlns = "w:p", type = "get", to = "s.whatsapp.net" }).attrs.type)
    rig.sandbox.violations = {}
  end))
end)

describe("the answer to", function()
  local function asked(xmlns, type, content)
    local rig <close> = start { strict = false }
    local _, ask = curious(rig)
    local answer = ask({ xmlns = xmlns, type = type, to = "s.whatsapp.net" }, content)
    rig.sandbox.violations = {}
    return answer, rig
  end

  it("a ping has the server's time", support.async(function()
    assert.matches("^%d+$", tostring((asked("w:p", "get")).attrs.t))
  end))

  it("the privacy settings holds all categories", support.async(function()
    local found = {}
    for _, category in stanza.children(stanza.child((asked("privacy", "get", stanza.node "privacy")), "privacy"), "category") do
      found[category.attrs.name] = category.attrs.value
    end
    assert.same({
      last = "all", online = "all", profile = "all", status = "all", readreceipts = "all", groupadd = "all", calladd = "all",
      messages = "all", defense = "off", stickers = "contacts",
    }, found)
  end))

  it("the blocklist is an empty one", support.async(function()
    local list = stanza.child((asked("blocklist", "get")), "list")
    assert.same({ "lid", 0 }, { list.attrs.addressing_mode, #(list.content or {}) })
    assert.is_string(list.attrs.dhash)
  end))

  it("the server properties holds those a 1:1 chat needs, and how large files may be", support.async(function()
    local found = {}
    for _, prop in stanza.children(stanza.child((asked("abt", "get", stanza.node("props", { protocol = "1" }))), "props"), "prop") do
      found[prop.attrs.config_code] = prop.attrs.config_value
    end
    assert.same({
      ["10518"] = "1", ["24941"] = "1", ["9666"] = "1", ["14303"] = "1", ["3660"] = "16", ["3185"] = "16", ["3657"] = "16",
    }, found)
  end))

  it("the media hosts names this server alone", support.async(function()
    local answer, rig = asked("w:m", "set", stanza.node "media_conn")
    local hosts = stanza.child(answer, "media_conn").content
    assert.equal(1, #hosts)
    assert.equal(rig.sandbox.media_address, hosts[1].attrs.hostname)
  end))

  it("an app-state fetch names each collection that was asked for; the push name alone stands in one", support.async(function()
    local names = { "critical_block", "critical_unblock_low", "regular_high", "regular", "regular_low" }
    local collections = {}
    for i, name in ipairs(names) do
      collections[i] = stanza.node("collection", { name = name, version = "0", return_snapshot = "false" })
    end
    local answer = asked("w:sync:app:state", "set", stanza.node("sync", nil, collections))
    local found = {}
    for i, collection in stanza.children(stanza.child(answer, "sync"), "collection") do
      found[i] = collection.attrs.name
      local full = collection.attrs.name == "critical_block"
      assert.equal(full and "1" or "0", tostring(collection.attrs.version))
      assert.is_nil(collection.attrs.type)
      assert.equal(full and 1 or 0, #(full and stanza.child(collection, "patches").content or collection.content or {}))
    end
    assert.same(names, found)
  end))

  it("an app-state fetch from a version there cannot be is one from the first or the last", support.async(function()
    for version, patches in pairs { ["-9223372036854775808"] = 1, ["-1"] = 1, ["1"] = 0, ["9223372036854775807"] = 0 } do
      local answer = asked("w:sync:app:state", "set", stanza.node("sync", nil, stanza.node("collection", {
        name = "critical_block", version = version,
      })))
      local collection = stanza.path(answer, "sync", "collection")
      assert.equal(patches, #((stanza.child(collection, "patches") or {}).content or {}), version)
    end
  end))

  it("an app-state upload that is no patch, or not on top of all there is, is refused inside a result", support.async(function()
    local patch = assert(core.proto.encode("SyncdPatch", { keyId = { id = "key" } }))
    for code, one in pairs { ["400"] = { "regular", "patch", "bad-request" }, ["409"] = { "critical_block", patch, "conflict" } } do
      local answer = asked("w:sync:app:state", "set", stanza.node("sync", nil, stanza.node("collection", {
        name = one[1], version = "0", return_snapshot = "false",
      }, stanza.node("patch", nil, one[2]))))
      assert.equal("result", answer.attrs.type)
      local collection = stanza.path(answer, "sync", "collection")
      assert.same({ one[1], "error" }, { collection.attrs.name, collection.attrs.type })
      local err = stanza.child(collection, "error").attrs
      assert.same({ code, one[3] }, { tostring(err.code), err.text })
    end
  end))
end)

describe("a client that is not registered", function()
  it("is answered its pings and nothing else", support.async(function()
    local rig <close> = start { strict = false }
    local client, shown, seen = tap.client(rig), require("moonpost.task").queue(), tap.on(rig)
    require("moonpost.task").spawn(client.pair, client, { qr = function() shown:push(true) end })
    assert(shown:pop(30))
    local link = client.pairing.current.link
    local function ask(id, xmlns)
      link:send(stanza.node("iq", { xmlns = xmlns, type = "get", to = "s.whatsapp.net", id = id }))
      return seen:next(function(direction, node) return direction == "to-client" and node.attrs.id == id end)
    end
    assert.equal("result", ask("1", "w:p").attrs.type)
    assert.equal("401", tostring(stanza.child(ask("2", "blocklist"), "error").attrs.code))
    link:send(stanza.node("message", { to = "15550001111@s.whatsapp.net", id = "3", type = "text" },
      stanza.node("enc", { v = "2", type = "msg" }, "x")))
    assert.is_not_nil(tap.child(seen:to_client "stream:error", "xml-not-well-formed"))
    rig.sandbox.violations = {}
  end))
end)

describe("a device", function()
  it("can log itself out", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local device, unlinked = tap.device(rig, ana.client), tap.event(ana.client, "unlinked")
    ana.client.connection:send(stanza.node("iq", { xmlns = "md", type = "set", to = "s.whatsapp.net", id = "9.9-1" },
      stanza.node("remove-companion-device", { jid = device:jid(), reason = "user_initiated" })))
    assert.equal("unlinked", assert(unlinked:pop(30)).code)
    assert.is_nil(rig.sandbox.accounts:device(device:jid()))
  end))

  it("cannot log out somebody else's", support.async(function()
    local rig <close> = start { strict = false }
    local ana, bob = rig:contact "Ana", rig:contact "Bob"
    local _, err = ana.client:query(stanza.node("iq", { xmlns = "md", type = "set", to = "s.whatsapp.net" },
      stanza.node("remove-companion-device", { jid = tap.device(rig, bob.client):jid(), reason = "user_initiated" })))
    assert.equal(404, err.status)
    assert.is_true(bob.client.connection.online)
    rig.sandbox.violations = {}
  end))
end)
