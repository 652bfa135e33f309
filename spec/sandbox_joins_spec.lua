-- Ways into the sandbox's groups (fact sheets 08 S-709, S-710; 07 §1.8, §1.9, §1.11): links, invitations, requests that wait.
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"

local act, ask, codes, node, people = scene.act, scene.ask, scene.codes, stanza.node, scene.people

local function by_code(code) return node("invite", { code = code }) end

-- A group of Bea's phone, and the code of its link.
local function linked_group(rig, ...)
  local bea = scene.phone(rig, "Bea", "15550000001")
  local group = scene.group(rig, bea, { ... })
  return group, act(rig, group, bea, "link").code, bea
end

describe("the link of a group in the sandbox", function()
  it("shows the group, but nobody in it, and leads into it", support.async(function()
    local rig <close> = start()
    local ana, cem = rig:contact "Ana", scene.phone(rig, "Cem", "15550000002")
    local group, code, bea = linked_group(rig, cem)
    local shown = stanza.child(assert(ask(ana, "get", "g.us", by_code(code))), "group")
    assert.same({ group, "2", "nobody" }, { shown.attrs.id .. "@g.us", shown.attrs.size, next(scene.ranks(shown)) or "nobody" })
    local told = scene.told(rig, ana)
    local answer = assert(ask(ana, "set", "g.us", by_code(code)))
    assert.equal(group, stanza.child(answer, "group").attrs.jid)
    assert.same({ "create" }, scene.tags(ana, told))
    assert.same({ "invite", ana.lid }, { told[1].content[1].attrs.reason, told[1].attrs.participant })
    assert.same({ [bea.lid] = "superadmin", [cem.lid] = "member", [ana.lid] = "member" }, scene.ranks(scene.shown(ana, group)))
    assert.same(304, select(2, ask(ana, "set", "g.us", by_code(code))))
  end))

  it("tells those who are there of who came, with the reason", support.async(function()
    local rig <close> = start()
    local ana, cem = rig:contact "Ana", scene.phone(rig, "Cem", "15550000002")
    local group, code = linked_group(rig, ana)
    local told = scene.told(rig, ana)
    assert(act(rig, group, cem, "join", { code = code }))
    assert.same({ "add" }, scene.tags(ana, told))
    local add = told[1].content[1]
    assert.same({ "invite", cem.lid, cem.lid }, { add.attrs.reason, add.content[1].attrs.jid, told[1].attrs.participant })
  end))

  it("is another after a reset, which is told: the old one is gone, and what never was one is none", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local group, old, bea = linked_group(rig, ana)
    assert(act(rig, group, bea, "promote", { members = { ana.jid } }))
    local told = scene.told(rig, ana)
    local new = stanza.child(assert(ask(ana, "set", group, node "invite")), "invite").attrs.code
    assert.not_equal(old, new)
    assert.same({ "invite" }, scene.tags(ana, told))
    assert.equal(new, told[1].content[1].attrs.code)
    local function look(code) return select(2, ask(ana, "get", "g.us", by_code(code))) or 200 end
    assert.same({ 410, 406, 200 }, { look(old), look "AAAAAAAAAAAAAAAAAAAAAA", look(new) })
    assert.equal(new, stanza.child(assert(ask(ana, "get", group, node "invite")), "invite").attrs.code)
  end))
end)

describe("a group of the sandbox whose admins decide who comes in", function()
  it("has who comes by link wait, once, and tells its admins", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local group = scene.group(rig, ana, {})
    assert(act(rig, group, ana, "membership_approval_mode", { text = "on" }))
    local code, told = act(rig, group, ana, "link").code, scene.told(rig, ana)
    for _ = 1, 2 do
      local answer = assert(ask(ben, "set", "g.us", by_code(code)))
      assert.equal(group, stanza.child(answer, "membership_approval_request").attrs.jid)
    end
    assert.same({ "created_membership_requests" }, scene.tags(ana, told))
    local wish = told[1].content[1]
    assert.same({ "invite_link", ben.lid, ben.jid }, {
      wish.attrs.request_method, wish.content[1].attrs.jid, wish.content[1].attrs.phone_number,
    })
    local shown = stanza.child(assert(ask(ben, "get", "g.us", by_code(code))), "group")
    assert.equal("304", stanza.child(shown, "membership_approval_request").attrs.error)
    local waiting = stanza.child(assert(ask(ana, "get", group, node "membership_approval_requests")), "membership_approval_requests")
    assert.same({ 1, ben.lid, "invite_link" }, {
      #waiting.content, waiting.content[1].attrs.jid, waiting.content[1].attrs.request_method,
    })
  end))

  -- Ben and Cem wait to come into Ana's group.
  local function two_wait(rig)
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", scene.phone(rig, "Cem", "15550000002")
    local group = scene.group(rig, ana, {})
    assert(act(rig, group, ana, "membership_approval_mode", { text = "on" }))
    local code = act(rig, group, ana, "link").code
    for _, one in ipairs { ben, cem } do assert.is_true(act(rig, group, one, "join", { code = code }).waiting) end
    return ana, ben, cem, group
  end

  it("takes in whom they let in, and nobody else", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = two_wait(rig)
    local told, nobody = scene.told(rig, ben), scene.phone(rig, "Dan", "15550000003")
    local answer = assert(ask(ana, "set", group, node("membership_requests_action", nil, {
      people("approve", ben, nobody), people("reject", cem),
    })))
    assert.same({ 200, 404 }, codes(answer, "membership_requests_action", "approve"))
    assert.same({ 200 }, codes(answer, "membership_requests_action", "reject"))
    assert.same({ "create" }, scene.tags(ben, told))
    assert.same({ [ana.lid] = "superadmin", [ben.lid] = "member" }, scene.ranks(scene.shown(ana, group)))
    local waiting = stanza.child(assert(ask(ana, "get", group, node "membership_approval_requests")), "membership_approval_requests")
    assert.equal(0, #(waiting.content or {}))
  end))

  it("tells whom they keep out, and forgets who takes the wish back himself", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = two_wait(rig)
    local to_ana, to_ben = scene.told(rig, ana), scene.told(rig, ben)
    assert.same({ 401, 200 }, codes(assert(ask(ben, "set", group, people("cancel_membership_requests", cem, ben))),
      "cancel_membership_requests"))
    assert(act(rig, group, ana, "reject", { members = { cem.jid } }))
    assert.same({ "revoked_membership_requests" }, scene.tags(ben, to_ben))
    assert.same({ "revoked_membership_requests", "revoked_membership_requests" }, scene.tags(ana, to_ana))
    assert.same({ ben.lid, ben.lid, ana.lid, cem.lid }, {
      to_ana[1].attrs.participant, to_ana[1].content[1].content[1].attrs.jid,
      to_ana[2].attrs.participant, to_ana[2].content[1].content[1].attrs.jid,
    })
  end))
end)

describe("an invitation of one's own into a group of the sandbox", function()
  -- Bea cannot add Ana, who lets nobody do so: the invitation she may send her instead.
  local function invited(rig)
    local ana, bea = rig:contact "Ana", rig:contact "Bea"
    local group = scene.group(rig, bea, {})
    rig.sandbox.accounts:lookup(ana.jid).privacy.groupadd = "none"
    local answer = assert(ask(bea, "set", group, people("add", ana)))
    local found = stanza.path(answer, "add", "participant", "add_request")
    return ana, bea, group, { code = found.attrs.code, expiration = tostring(found.attrs.expiration), admin = bea.lid }
  end

  local function accept(ana, group, invitation, more)
    local attrs = {}
    for _, from in ipairs { invitation, more or {} } do
      for name, value in pairs(from) do attrs[name] = value end
    end
    return ask(ana, "set", group, node("accept", attrs))
  end

  it("shows the group and leads into it, whatever name its sender is called by", support.async(function()
    local rig <close> = start()
    local ana, bea, group, invitation = invited(rig)
    local shown = stanza.child(assert(ask(ana, "get", group, node("query", nil, node("add_request", invitation)))), "group")
    assert.equal("1", shown.attrs.size)
    local answer = assert(accept(ana, group, invitation, { admin = bea.jid }))
    assert.equal(group, stanza.child(answer, "group").attrs.jid)
    assert.equal("member", scene.ranks(scene.shown(ana, group))[ana.lid])
    assert.same(304, select(2, accept(ana, group, invitation)))
  end))

  it("is refused with another code, another sender, another time", support.async(function()
    local rig <close> = start()
    local ana, _, group, invitation = invited(rig)
    local function wrong(more) return select(2, accept(ana, group, invitation, more)) end
    assert.same({ 410, 410, 410 }, { wrong { code = "AAAAAAAAAAAAAAAA" }, wrong { admin = ana.lid }, wrong { expiration = "1999999999" } })
  end))

  it("is good for three days", support.async(function()
    local rig <close> = start()
    local ana, _, group, invitation = invited(rig)
    local time = rig.sandbox.time
    rig.sandbox.time = function() return time() + 3 * 24 * 3600 end
    assert.same(410, select(2, accept(ana, group, invitation)))
  end))

  it("can be taken back, which admins are told", support.async(function()
    local rig <close> = start()
    local ana, bea, group, invitation = invited(rig)
    local told = scene.told(rig, bea)
    assert.same({ 200, 404 }, codes(assert(ask(bea, "set", group, people("revoke", ana, bea))), "revoke"))
    assert.same({ "revoke" }, scene.tags(bea, told))
    assert.same({ ana.lid, invitation.expiration }, {
      told[1].content[1].content[1].attrs.jid, tostring(told[1].content[1].content[1].attrs.expiration),
    })
    assert.same(410, select(2, accept(ana, group, invitation)))
  end))
end)
