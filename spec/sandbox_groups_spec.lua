-- The sandbox's groups (fact sheets 08 §16, 07 §1 and §3): what each rank may do, what becomes of each request, who is told.
local core = require "moonpost.core"
local json = require "cjson.safe"
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

local act, ask, codes, node, people = scene.act, scene.ask, scene.codes, stanza.node, scene.people

local NEW = "15550000009"

-- Ana's client; Bea's phone made the group, in which Cem is an ordinary member and Dan an admin.
local function cast(rig)
  return rig:contact "Ana", scene.phone(rig, "Bea", "15550000001"), scene.phone(rig, "Cem", "15550000002"),
    scene.phone(rig, "Dan", "15550000003")
end

-- A group where Ana has a rank: nil, "member", "admin", "superadmin".
local function group_as(rig, rank, ana, bea, cem, dan)
  local group
  if rank == "superadmin" then
    group = scene.group(rig, ana, { bea, cem, dan })
    assert(act(rig, group, ana, "promote", { members = { bea.jid, dan.jid } }))
  else
    group = scene.group(rig, bea, rank and { ana, cem, dan } or { cem, dan })
    assert(act(rig, group, bea, "promote", { members = rank == "admin" and { ana.jid, dan.jid } or { dan.jid } }))
  end
  return group
end

local function with_body(tag, attrs, text) return node(tag, attrs, node("body", nil, text)) end

local function approval(state) return node("membership_approval_mode", nil, node("group_join", { state = state })) end

local function stranger(rig) return scene.phone(rig, "Eve", NEW) end

-- Request -> fn(rig, cem, dan) -> type and child. A rank's answer: true, or the code of its refusal.
local requests = {
  ["to ask about the group"] = function() return "get", node("query", { request = "interactive" }) end,
  ["another subject"] = function() return "set", node("subject", nil, "Coffee") end,
  ["another description"] = function() return "set", with_body("description", { id = "D1" }, "Black") end,
  ["a timer"] = function() return "set", node("ephemeral", { expiration = "86400" }) end,
  ["to lock it"] = function() return "set", node "locked" end,
  ["to have only admins write"] = function() return "set", node "announcement" end,
  ["to say who adds"] = function() return "set", node("member_add_mode", nil, "all_member_add") end,
  ["to say who lets in"] = function() return "set", approval "on" end,
  ["to add somebody"] = function(rig) return "set", people("add", stranger(rig)) end,
  ["to remove somebody"] = function(_, cem) return "set", people("remove", cem) end,
  ["to make somebody an admin"] = function(_, cem) return "set", people("promote", cem) end,
  ["to make an admin a member"] = function(_, _, dan) return "set", people("demote", dan) end,
  ["the link"] = function() return "get", node "invite" end,
  ["another link"] = function() return "set", node "invite" end,
  ["who waits to come in"] = function() return "get", node "membership_approval_requests" end,
  ["to let somebody in"] = function(rig) return "set", node("membership_requests_action", nil, people("approve", stranger(rig))) end,
  ["to take an invitation back"] = function(rig) return "set", people("revoke", stranger(rig)) end,
}

-- What an ordinary member may, in a group as it is made.
local members_may = {
  ["to ask about the group"] = true, ["another subject"] = true, ["another description"] = true, ["a timer"] = true,
  ["the link"] = 401, ["another link"] = 401,
}
-- The same in one that is locked.
local members_may_when_locked = { ["to ask about the group"] = true, ["the link"] = 401, ["another link"] = 401 }
local everything = setmetatable({}, { __index = function() return true end })

local function judge(rank, may, prepare)
  return support.async(function()
    local rig <close> = start()
    local ana, bea, cem, dan = cast(rig)
    local found, expected = {}, {}
    for name, request in pairs(requests) do
      local group = group_as(rig, rank, ana, bea, cem, dan)
      if prepare then assert(act(rig, group, rank == "superadmin" and ana or bea, prepare)) end
      local type, child = request(rig, cem, dan)
      local answer, code = ask(ana, type, group, child)
      found[name], expected[name] = answer and true or code, may[name] or 403
    end
    assert.same(expected, found)
  end)
end

describe("in a group of the sandbox", function()
  it("a stranger may do nothing", judge(nil, {}))
  it("a member may ask, name, describe and set the timer", judge("member", members_may))
  it("a member may only ask, when it is locked", judge("member", members_may_when_locked, "locked"))
  it("an admin may do everything", judge("admin", everything))
  it("an admin may do everything when it is locked", judge("admin", everything, "locked"))
  it("its owner may do everything", judge("superadmin", everything))
end)

describe("adding people to a group of the sandbox", function()
  it("answers for each of them, and takes in whom it can", support.async(function()
    local rig <close> = start()
    local ana, bea, cem = cast(rig)
    local private, often = scene.phone(rig, "Gil", "15550000005"), scene.phone(rig, "Hal", "15550000006")
    local group = scene.group(rig, ana, { bea, often })
    private.account.privacy.groupadd = "none"
    assert(act(rig, group, often, "leave"))
    assert(act(rig, group, ana, "add", { members = { often.jid } }))
    assert(act(rig, group, often, "leave"))
    local answer = assert(ask(ana, "set", group, people("add", cem, bea, private, often, "15559999999@s.whatsapp.net")))
    assert.same({ 200, 409, 403, 408, 404 }, codes(answer, "add"))
    local list = stanza.child(answer, "add").content
    assert.same({ cem.lid, cem.jid, "200" }, { list[1].attrs.jid, list[1].attrs.phone_number, list[1].attrs.type })
    assert.matches("^%w+$", stanza.child(list[3], "add_request").attrs.code)
    assert.equal("lid", answer.attrs.addressing_mode)
    assert.same({ [ana.lid] = "superadmin", [bea.lid] = "member", [cem.lid] = "member" }, scene.ranks(scene.shown(ana, group)))
  end))

  it("is let by a token of who lets only some add, as bytes or as hex", support.async(function()
    local rig <close> = start()
    local ana, bea, cem = cast(rig)
    local group, tokens = scene.group(rig, ana, {}), require "moonpost.sandbox.privacy_tokens"
    local given = {}
    local told = rig:record("to-client", function(one) return one.attrs.type == "privacy_token" end)
    for i, one in ipairs { bea, cem } do
      one.account.privacy.groupadd = "contacts"
      tokens.issue(rig.sandbox, one.account, node("tokens", nil, node("token", { jid = ana.lid, t = tostring(rig.sandbox.time()) })))
      scene.tags(ana, {})
      given[i] = stanza.bytes(told[i], "tokens", "token")
    end
    local function add(one, token)
      return codes(assert(ask(ana, "set", group, node("add", nil, node("participant", { jid = one.lid }, node("privacy", nil, token))))),
        "add")[1]
    end
    assert.same({ 403, 200, 200 }, { add(bea, given[2]), add(bea, given[1]), add(cem, core.crypto.hex(given[2])) })
  end))

  it("is anybody's where the group says so, and a request where admins let in", support.async(function()
    local rig <close> = start()
    local ana, bea, cem, dan = cast(rig)
    local group = scene.group(rig, bea, { ana })
    assert(act(rig, group, bea, "member_add_mode", { text = "all_member_add" }))
    assert.same({ 200 }, codes(assert(ask(ana, "set", group, people("add", cem))), "add"))
    assert(act(rig, group, bea, "membership_approval_mode", { text = "on" }))
    assert.same({ 421 }, codes(assert(ask(ana, "set", group, people("add", dan))), "add"))
    assert.is_nil(scene.ranks(scene.shown(ana, group))[dan.lid])
    assert.same(200, act(rig, group, bea, "approve", { members = { dan.jid } }).participants[1].code)
    assert.equal("member", scene.ranks(scene.shown(ana, group))[dan.lid])
  end))

  it("ends at 1,024 members", support.async(function()
    local rig <close> = start()
    local ana, bea, cem = cast(rig)
    local group = scene.group(rig, ana, {}, { crowd = { members = 1022, devices = 1 } })
    assert.same({ 200, 419 }, codes(assert(ask(ana, "set", group, people("add", bea, cem))), "add"))
    local shown = scene.shown(ana, group)
    assert.equal("1024", shown.attrs.size)
    local code = assert(ask(ana, "get", group, node "invite")).content[1].attrs.code
    assert.same(419, select(2, act(rig, group, cem, "join", { code = code })))
  end))

  it("tells who was there of them, and them of the group, behind the answer", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local bea, cem = scene.phone(rig, "Bea", "15550000001"), scene.phone(rig, "Cem", "15550000002")
    local group = scene.group(rig, ana, { bea })
    local order, told = {}, scene.told(rig, ben)
    rig:tap(function(direction, one, conn)
      if direction == "to-client" and tap.is_to(conn, ana) then order[#order + 1] = one end
    end)
    assert(ask(ana, "set", group, people("add", ben, cem)))
    assert.same({ "create" }, scene.tags(ben, told))
    assert.same({ "iq", "notification" }, { order[1].tag, order[2].tag })
    local add = order[2].content[1]
    assert.same({ "add", ben.lid, cem.lid }, { add.tag, add.content[1].attrs.jid, add.content[2].attrs.jid })
    assert.same({ group, tap.device_jid(ana, "lid"), ana.lid, ana.jid }, {
      order[2].attrs.from, order[2].attrs.to, order[2].attrs.participant, order[2].attrs.participant_pn,
    })
    assert.equal("4", tostring(told[1].content[1].content[1].attrs.size))
  end))
end)

describe("removing people from a group of the sandbox", function()
  it("answers for each of them; the owner stays", support.async(function()
    local rig <close> = start()
    local ana, bea, cem, dan = cast(rig)
    local group = scene.group(rig, bea, { ana, cem })
    assert(act(rig, group, bea, "promote", { members = { ana.jid } }))
    assert.same({ 405, 200, 404 }, codes(assert(ask(ana, "set", group, people("remove", bea, cem, dan))), "remove"))
    assert.same({ [bea.lid] = "superadmin", [ana.lid] = "admin" }, scene.ranks(scene.shown(ana, group)))
  end))

  it("is told to them as well, and is the last they hear", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ana })
    local told = scene.told(rig, ana)
    assert(act(rig, group, bea, "remove", { members = { ana.jid } }))
    assert(act(rig, group, bea, "subject", { text = "Without Ana" }))
    assert.same({ "remove" }, scene.tags(ana, told))
    assert.same(403, select(2, ask(ana, "get", group, node("query", { request = "interactive" }))))
  end))

  it("keeps them from coming back by the link", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ana })
    local code = act(rig, group, bea, "link").code
    assert(act(rig, group, bea, "remove", { members = { ana.jid } }))
    assert.same(405, select(2, ask(ana, "set", "g.us", node("invite", { code = code }))))
    assert(act(rig, group, bea, "add", { members = { ana.jid } }))
    assert.equal("member", scene.ranks(scene.shown(ana, group))[ana.lid])
  end))
end)

describe("ranks in a group of the sandbox", function()
  it("change once: who is an admin already is no error, who is not there is", support.async(function()
    local rig <close> = start()
    local ana, bea, cem, dan = cast(rig)
    local group = scene.group(rig, ana, { bea, cem })
    local told = scene.told(rig, ana)
    for _ = 1, 2 do assert.same({ 200, 404 }, codes(assert(ask(ana, "set", group, people("promote", bea, dan))), "promote")) end
    assert.same({ 200 }, codes(assert(ask(ana, "set", group, people("demote", cem))), "demote"))
    assert.same({ 200 }, codes(assert(ask(ana, "set", group, people("demote", bea))), "demote"))
    assert.same({ "promote", "demote" }, scene.tags(ana, told))
  end))

  it("of the owner and of the last admin stay", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, bea, { ana })
    assert(act(rig, group, bea, "promote", { members = { ana.jid } }))
    assert.same(405, select(2, ask(ana, "set", group, people("demote", bea))))
    assert(act(rig, group, bea, "leave"))
    assert.same(405, select(2, ask(ana, "set", group, people("demote", ana))))
  end))
end)

describe("leaving a group of the sandbox", function()
  local function leave(contact, ...)
    local list = {}
    for i, group in ipairs { ... } do list[i] = node("group", { id = group }) end
    return stanza.child(assert(ask(contact, "set", "g.us", node("leave", nil, list))), "leave").content
  end

  it("is told to all, and to who left; the oldest member follows the last admin", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, { ben })
    local to_ana, to_ben = scene.told(rig, ana), scene.told(rig, ben)
    assert.is_nil(leave(ana, group)[1].attrs.error)
    assert.same({ "promote", "remove" }, scene.tags(ana, to_ana))
    assert.same({ ana.lid, ana.lid }, { to_ana[2].attrs.participant, to_ana[2].content[1].content[1].attrs.jid })
    assert.same({ "promote", "remove" }, scene.tags(ben, to_ben))
    assert.same({ [ben.lid] = "admin" }, scene.ranks(scene.shown(ben, group)))
  end))

  it("that one is not in is an error of that group only; one nobody is in is no more", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local own, others = scene.group(rig, ana, {}), scene.group(rig, bea, {})
    local list = leave(ana, own, others, "120363999999999999@g.us")
    assert.same({ "none", "403", "404" }, { list[1].attrs.error or "none", list[2].attrs.error, list[3].attrs.error })
    assert.same(404, select(2, ask(ana, "get", own, node("query", { request = "interactive" }))))
  end))
end)

describe("a subject in the sandbox", function()
  it("has 1 to 100 characters, and is told to all", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, ana, { bea })
    local told = scene.told(rig, ana)
    local function set(text) return select(2, ask(ana, "set", group, node("subject", nil, text))) end
    assert.same({ 406, 406, 406 }, { set "", set(("ä"):rep(101)), set "\255" })
    assert.is_nil(set(("ä"):rep(100)))
    assert.same({ "subject" }, scene.tags(ana, told))
    assert.same({ ("ä"):rep(100), ana.lid }, { told[1].content[1].attrs.subject, told[1].content[1].attrs.s_o })
    assert.same(406, select(2, ask(ana, "set", "g.us", node("create", { subject = ("x"):rep(101) }))))
  end))
end)

describe("a description in the sandbox", function()
  it("has 2,048 characters at most, and is told with its id", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, ana, { bea })
    local told = scene.told(rig, ana)
    local function set(attrs, text)
      local answer, code = ask(ana, "set", group, text and with_body("description", attrs, text) or node("description", attrs))
      return answer and answer.attrs.t ~= nil or code
    end
    assert.same(406, set({ id = "D1" }, ("x"):rep(2049)))
    assert.is_true(set({ id = "D1" }, ("x"):rep(2048)))
    assert.same(409, set({ id = "D2", prev = "D0" }, "stale"))
    assert.is_true(set({ id = "D2", prev = "D1" }, "fresh"))
    assert.same("fresh", stanza.bytes(scene.shown(ana, group), "description", "body"))
    assert.is_true(set { id = "D3", prev = "D2", delete = "true" })
    assert.is_nil(stanza.child(scene.shown(ana, group), "description"))
    assert.same({ "description", "description", "description" }, scene.tags(ana, told))
    assert.is_table(stanza.child(told[3].content[1], "delete"))
  end))
end)

describe("settings of a group in the sandbox", function()
  it("may come together: each is told once, and what is off stands nowhere", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, ana, { bea })
    local told = scene.told(rig, ana)
    local function on(tag) return stanza.child(scene.shown(ana, group), tag) ~= nil end
    assert(ask(ana, "set", group, { node "locked", node "announcement", node("ephemeral", { expiration = "604800" }), approval "on" }))
    assert(ask(ana, "set", group, node "locked"))
    assert.same({ "locked", "announcement", "ephemeral", "membership_approval_mode" }, scene.tags(ana, told))
    assert.same({ true, true, true, true }, { on "locked", on "announcement", on "ephemeral", on "membership_approval_mode" })
    assert(ask(ana, "set", group, { node "unlocked", node "not_announcement", node "not_ephemeral", approval "off" }))
    assert.same({ false, false, false, false }, { on "locked", on "announcement", on "ephemeral", on "membership_approval_mode" })
  end))

  it("are all made or none: a timer nobody knows is refused", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local group = scene.group(rig, ana, {})
    assert.same(400, select(2, ask(ana, "set", group, { node "locked", node("ephemeral", { expiration = "77" }) })))
    assert.is_nil(stanza.child(scene.shown(ana, group), "locked"))
  end))

  it("may be had from the start", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local answer = assert(ask(ana, "set", "g.us", node("create", { subject = "Tea", key = "k" }, {
      node("ephemeral", { expiration = "86400" }), node "locked", node "announcement", approval "on",
      node("member_add_mode", nil, "all_member_add"), with_body("description", { id = "D1" }, "Green"),
      node("addressing_mode_override", { mode = "pn" }),
    })))
    local group = stanza.child(answer, "group")
    assert.same({ "86400", "all_member_add", "Green", "pn", ana.jid }, {
      stanza.child(group, "ephemeral").attrs.expiration, stanza.child(group, "member_add_mode").content,
      stanza.bytes(group, "description", "body"), group.attrs.addressing_mode, group.attrs.creator,
    })
    for _, tag in ipairs { "locked", "announcement", "membership_approval_mode" } do assert.is_table(stanza.child(group, tag)) end
  end))
end)

describe("several groups of the sandbox", function()
  it("can be asked about at once: those one is not in come with their code", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local own, others = scene.group(rig, ana, { bea }), scene.group(rig, bea, {})
    local list = {}
    for i, jid in ipairs { own, others, "120363999999999999@g.us" } do list[i] = node("group", { jid = jid }) end
    local groups = stanza.child(assert(ask(ana, "get", "g.us", node("query", nil, list))), "groups").content
    assert.same({ "2", "403", "404" }, { groups[1].attrs.size, groups[2].attrs.error, groups[3].attrs.error })
  end))
end)

describe("a query about groups that nobody knows", function()
  it("is taken as done when it changes something, and refused when it asks", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    local group = scene.group(rig, ana, {})
    assert.is_table(ask(ana, "set", group, node "hologram"))
    assert.same({ 501, 501 }, { select(2, ask(ana, "get", group, node "hologram")), select(2, ask(ana, "get", "g.us", node "hologram")) })
    assert.same({ ["w:g2 set"] = 1, ["w:g2 get"] = 2 }, rig.sandbox.unknown)
    rig.sandbox.violations = {}
  end))
end)

describe("a query about groups with holes in it", function()
  it("is answered like any other", support.async(function()
    local rig <close> = start { strict = false }
    local ana = rig:contact "Ana"
    local group = scene.group(rig, ana, {})
    local nobody, nothing = node "participant", node("group", {})
    local set = { "create", "add", "remove", "promote", "demote", "subject", "description", "ephemeral", "invite", "accept", "revoke",
      "membership_requests_action", "cancel_membership_requests", "membership_approval_mode", "member_add_mode", "links", "unlink",
      "join_linked_group", "admin", "leave" }
    for _, to in ipairs { group, "g.us" } do
      for _, tag in ipairs(set) do
        for _, inner in ipairs { node "x", nobody, nothing, node("promote", nil, nobody), node("link", nil, nothing) } do
          local _, code = ask(ana, "set", to, node(tag, nil, inner))
          assert.is_true(code == nil or math.type(code) == "integer", ("%s %s: %s"):format(to, tag, tostring(code)))
        end
      end
      for _, tag in ipairs { "query", "participating", "invite", "query_linked", "sub_groups", "membership_approval_requests" } do
        for _, inner in ipairs { node "add_request", nothing } do
          local _, code = ask(ana, "get", to, node(tag, nil, inner))
          assert.is_true(code == nil or math.type(code) == "integer", ("%s %s: %s"):format(to, tag, tostring(code)))
        end
      end
    end
    for _, line in ipairs(rig.sandbox.violations) do assert.not_matches("traceback", line) end
    rig.sandbox.violations = {}
  end))
end)

describe("a world with groups", function()
  it("of an older sandbox is read: its groups are of LIDs", support.async(function()
    local world = support.tmpdir()
    local function before()
      local rig <close> = start { world = world }
      local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
      local row = { id = "120363000000000007", subject = "Old", creator = ana.jid:match "^%d+", created = 1700000000, members = {
        { pn = ana.jid:match "^%d+", rank = "superadmin" }, { pn = bea.jid:match "^%d+" },
      } }
      rig.sandbox.store:put("world", "g" .. row.id, json.encode(row))
      return bea
    end
    local bea = before()
    local rig <close> = start { world = world }
    local cem = rig:contact "Cem"
    assert(act(rig, "120363000000000007@g.us", bea, "leave"))
    assert(act(rig, "120363000000000007@g.us", { jid = rig.sandbox.accounts.by_name.Ana:jid() }, "add", { members = { cem.jid } }))
    local shown = scene.shown(cem, "120363000000000007@g.us")
    assert.same({ "Old", "lid", "1700000000" }, { shown.attrs.subject, shown.attrs.addressing_mode, shown.attrs.s_t })
  end))

  it("keeps all of them over a restart, and what waits for those who are away", support.async(function()
    local world, kept = support.tmpdir(), nil
    local function before()
      local rig <close> = start { world = world }
      local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
      local group = scene.group(rig, bea, { ana }, { mode = "pn" })
      kept = { group = group, code = act(rig, group, bea, "link").code, store = ana.client.store }
      scene.tags(ana, {})
      ana.client:close()
      assert(act(rig, group, bea, "ephemeral", { seconds = 86400 }))
      assert(act(rig, group, bea, "description", { text = "Kept" }))
    end
    before()
    local rig <close> = start { world = world }
    local cem = rig:contact "Cem"
    local account = assert(rig.sandbox.accounts.by_name.Ana)
    local waiting = {}
    for one in account.devices[1].queue:each() do waiting[#waiting + 1] = one.content[1].tag end
    assert.same({ "ephemeral", "description" }, { waiting[#waiting - 1], waiting[#waiting] })
    assert.equal(kept.group, stanza.child(assert(ask(cem, "set", "g.us", node("invite", { code = kept.code }))), "group").attrs.jid)
    local group = scene.shown(cem, kept.group)
    assert.same({ "pn", "86400", "Kept" }, {
      group.attrs.addressing_mode, stanza.child(group, "ephemeral").attrs.expiration, stanza.bytes(group, "description", "body"),
    })
    assert.same("member", scene.ranks(group)[cem.jid])
  end))
end)
