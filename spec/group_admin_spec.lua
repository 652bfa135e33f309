-- Changing groups (fact sheet 07 §1): what a client asks for, what becomes of it, and what it knows afterwards, through real sockets.
local book = require "moonpost.sandbox.group_book"
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"

-- Has a phone do something in a group.
local function act(...)
  local answer, code = scene.act(...)
  return answer or error(("refused with %d"):format(code))
end

-- Ana's client, and the phones of Ben and Cem.
local function people(rig)
  local ana, ben, cem = rig:contact "Ana", scene.phone(rig, "Ben", "15550000002"), scene.phone(rig, "Cem", "15550000003")
  ana.events, ana.groups = tap.event(ana.client, "group"), ana.client.groups
  return ana, ben, cem
end

-- A group of Ana's with others; its JID.
local function group_with(ana, ...)
  local members = {}
  for i, one in ipairs { ... } do members[i] = one.jid end
  local group = assert(ana.groups:create { subject = "Tea", members = members })
  assert.equal("create", assert(ana.events:pop(30)).action)
  return group.jid
end

-- A group of Ben's that Ana is in.
local function group_of(rig, ben, ana, ...)
  local group = scene.group(rig, ben, { ana, ... })
  assert.equal("create", assert(ana.events:pop(30)).action)
  return group
end

local function names(list)
  local found = {}
  for i, one in ipairs(list) do found[i] = one.jid end
  return found
end

-- What Ana's client asks of groups from now on.
local function questions(rig)
  return rig:record("to-server", function(node) return node.tag == "iq" and node.attrs.xmlns == "w:g2" end)
end

describe("a client's group", function()
  it("is made with subject, members, description and settings, and known at once", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local made, refused = ana.groups:create {
      subject = "Tea", members = { ben.jid, cem.lid, ana.jid, ben.lid }, description = "at five", announce = true, locked = true,
      ephemeral = 86400, join_approval = true, member_add = "all",
    }
    assert(made, tostring(refused))
    assert.same({}, refused)
    local asked = questions(rig)
    local group = ana.groups:get(made.jid)
    assert.same({ "Tea", "at five", true, true, 86400, true, "all" }, {
      group.subject, group.description, group.announce, group.locked, group.ephemeral, group.join_approval, group.member_add,
    })
    assert.same({ ana.lid, ben.lid, cem.lid }, names(group.participants))
    assert.equal("superadmin", ana.groups:member(group, ana.jid).rank)
    assert.equal(0, #asked)
  end))

  it("names those who could not be added, with an invite where they let nobody add them", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    cem.account.privacy.groupadd = "none"
    local made, refused = ana.groups:create { subject = "Tea", members = { ben.jid, cem.jid, "15559999999@s.whatsapp.net" } }
    assert.same({ ana.lid, ben.lid }, names(made.participants))
    local by = {}
    for _, one in ipairs(refused) do by[one.code] = one end
    assert.same({ cem.lid, 403 }, { by.forbidden.jid, by.forbidden.status })
    assert.is_string(by.forbidden.invite.code)
    assert.is_true(by.forbidden.invite.expires > ana.client.connection:server_time())
    assert.equal("15559999999@s.whatsapp.net", by["not-found"].jid)
  end))

  it("takes in, removes, promotes and demotes, and tells of each what became of it", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local dan = scene.phone(rig, "Dan", "15550000004")
    local group = group_with(ana, ben)
    dan.account.privacy.groupadd = "none"
    local results = assert(ana.groups:add(group, { cem.jid, ben.jid, dan.lid }))
    assert.same({ true, "already-in", "forbidden" }, { results[1].ok, results[2].code, results[3].code })
    assert.is_string(results[3].invite.code)
    assert.same({ ana.lid, ben.lid, cem.lid }, names(ana.groups:known(group).participants))
    assert.same({ "add", true, cem.lid }, (function()
      local event = ana.events:pop(30)
      return { event.action, event.from_me, event.participants[1].jid }
    end)())
    assert.is_true(assert(ana.groups:promote(group, cem.lid))[1].ok)
    assert.equal("admin", ana.groups:member(ana.groups:known(group), cem.lid).rank)
    assert.is_true(assert(ana.groups:demote(group, { cem.jid }))[1].ok)
    assert.is_nil(ana.groups:member(ana.groups:known(group), cem.lid).rank)
    results = assert(ana.groups:remove(group, { cem.jid, dan.jid }))
    assert.same({ true, "not-found" }, { results[1].ok, results[2].code })
    assert.same({ ana.lid, ben.lid }, names(ana.groups:known(group).participants))
    assert.same({ "promote", "demote", "remove" }, { ana.events:pop(30).action, ana.events:pop(30).action, ana.events:pop(30).action })
    local asked = questions(rig)
    assert(ana.groups:get(group))
    assert.equal(0, #asked)
  end))

  it("shows those it adds the token they have given", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local group = group_with(ana, ben)
    local token = stanza.node("token", { jid = cem.lid, t = tostring(rig.sandbox.time()), type = "trusted_contact" }, "Cem's token")
    local said = tap.on(rig)
    tap.hand(rig, ana, stanza.node("notification", {
      type = "privacy_token", from = cem.jid, sender_lid = cem.lid, id = "T1", t = tostring(rig.sandbox.time()),
    }, stanza.node("tokens", nil, token)))
    said:next(function(_, node) return node.tag == "ack" and node.attrs.id == "T1" end)
    local asked = questions(rig)
    assert(ana.groups:add(group, cem.jid))
    local one = asked[1].content[1].content[1]
    assert.same({ cem.lid, cem.jid, "Cem's token" }, { one.attrs.jid, one.attrs.phone_number, stanza.bytes(one, "privacy") })
  end))

  it("has its sender key replaced as soon as somebody was removed", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local group, left = group_with(ana, ben, cem), {}
    function ana.client.sender_keys.members_left(_, jid) left[#left + 1] = jid end
    rig:tap(function(direction, node) return not (direction == "to-client" and node.attrs.type == "w:gp2") end)
    assert(ana.groups:remove(group, cem.jid))
    assert.same({ group }, left)
  end))

  it("is left, and known no more", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = group_of(rig, ben, ana)
    assert.is_true(ana.groups:leave(group))
    local event = ana.events:pop(30)
    assert.same({ "leave", true, true }, { event.action, event.me, event.from_me })
    local _, err = ana.groups:get(group)
    assert.equal("not-in-group", err.code)
  end))

  it("has another subject and description, the description after somebody else's too", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = group_with(ana, ben)
    assert.is_true(ana.groups:set_subject(group, "Coffee"))
    assert.is_true(ana.groups:set_description(group, "black"))
    rig:tap(function(direction, node) return not (direction == "to-client" and node.attrs.type == "w:gp2") end)
    act(rig, group, ben, "description", { text = "with milk" })
    assert.equal("black", ana.groups:known(group).description)
    assert.is_true(ana.groups:set_description(group, "with sugar"))
    local fresh = ana.groups:refresh(group)
    assert.same({ "Coffee", "with sugar" }, { fresh.subject, fresh.description })
    assert.is_true(ana.groups:set_description(group, nil))
    assert.is_nil(ana.groups:refresh(group).description)
  end))

  it("has its settings set, and set back", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = group_with(ana, ben)
    local on = { announce = true, locked = true, ephemeral = 604800, join_approval = true, member_add = "all" }
    local off = { announce = false, locked = false, ephemeral = 0, join_approval = false, member_add = "admins" }
    for _, wanted in ipairs { on, off } do
      assert.is_true(ana.groups:set(group, wanted))
      for _, known in ipairs { ana.groups:known(group), ana.groups:refresh(group) } do
        for name, value in pairs(wanted) do assert.equal(value, known[name], name) end
      end
    end
  end))

  it("says which setting was refused, and of what kind a wrong one is to be", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = group_with(ana, ben)
    local _, err = ana.groups:set(group, { locked = true, ephemeral = 1234 })
    assert.same({ "ephemeral", "bad-request", 400 }, { err.setting, err.code, err.status })
    assert.is_true(ana.groups:known(group).locked)
    assert.error_matches(function() ana.groups:set(group, { silent = true }) end, "no setting 'silent'")
    assert.error_matches(function() ana.groups:set(group, { announce = 1 }) end, "'announce' is true or false")
    assert.error_matches(function() ana.groups:set(group, {}) end, "at least one setting")
    assert.error_matches(function() ana.groups:add(group, { "nobody" }) end, "a person's JID, not 'nobody'")
  end))

  it("refuses in words what only admins may do", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local group = group_of(rig, ben, ana)
    for name, argument in pairs { add = cem.jid, remove = ben.jid, promote = ana.jid, demote = ben.jid } do
      local _, err = ana.groups[name](ana.groups, group, argument)
      assert.same({ "forbidden", 403 }, { err.code, err.status }, name)
    end
    local _, err = ana.groups:set(group, { announce = true })
    assert.equal("forbidden", err.code)
    _, err = ana.groups:set_subject("120363000000000000@g.us", "x")
    assert.equal("not-found", err.code)
    _, err = ana.groups:set_subject(group, ("x"):rep(5000))
    assert.equal("not-acceptable", err.code)
  end))
end)

describe("an invite", function()
  it("has a code that leads into the group, until it is revoked", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = group_of(rig, ben, ana)
    act(rig, group, ben, "promote", { members = { ana.jid } })
    local code = assert(ana.groups:invite_code(group))
    assert.equal(code, act(rig, group, ben, "link").code)
    local fresh = assert(ana.groups:revoke_invite(group))
    assert.is_true(fresh ~= code)
    local _, err = ana.groups:preview(code)
    assert.same({ "gone", 410 }, { err.code, err.status })
    local seen = assert(ana.groups:preview("https://chat.whatsapp.com/" .. fresh))
    assert.same({ group, "Tea", 2 }, { seen.jid, seen.subject, seen.size })
  end))

  it("is followed by code or link, and refused in words", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local group = scene.group(rig, ben, { cem })
    local code = act(rig, group, ben, "link").code
    assert.same({ jid = group, pending = false }, (assert(ana.groups:join("https://chat.whatsapp.com/" .. code .. "?mode=x"))))
    local event = ana.events:pop(30)
    assert.same({ "join", true, true, "Tea" }, { event.action, event.me, event.from_me, event.subject })
    assert.same({ ben.lid, cem.lid, ana.lid }, names(ana.groups:known(group).participants))
    local _, err = ana.groups:join(code)
    assert.equal("already-in", err.code)
    for _, wrong in ipairs { "", "no code at all", "https://example.org/x", "AAAAAAAAAAAAAAAAAAAAAA" } do
      _, err = ana.groups:join(wrong)
      assert.equal("not-acceptable", err.code, wrong)
    end
  end))

  it("is read from every form of link", function()
    local code_of = require("moonpost.client.group_joins").code_of
    for _, text in ipairs {
      "AbCd_1-2", " https://chat.whatsapp.com/AbCd_1-2 ", "http://chat.whatsapp.com/invite/AbCd_1-2/", "chat.whatsapp.com/AbCd_1-2?x=1",
      "https://web.whatsapp.com/accept?code=AbCd_1-2", "whatsapp://chat/?code=AbCd_1-2&x=1",
    } do
      assert.equal("AbCd_1-2", code_of(text), text)
    end
    for _, text in ipairs { "", "two words", "https://example.org/AbCd", ("x"):rep(1000), "a/b" } do assert.is_nil(code_of(text), text) end
  end)

  it("that is personal is accepted, once, before it is withdrawn or too old", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    rig.sandbox.accounts:lookup(ana.jid).privacy.groupadd = "none"
    local group, answer = scene.group(rig, ben, { ana })
    assert.equal(1, #answer.failed)
    local given = book.of(rig.sandbox):lookup(group).invitations[ana.jid:match "%d+"]
    local invite = { group = group, code = given.code, expires = given.expires, by = ben.lid }
    local _, err = ana.groups:accept { group = group, code = "wrong", expires = given.expires, by = ben.lid }
    assert.equal("gone", err.code)
    _, err = ana.groups:accept { group = group, code = given.code, expires = 1000, by = ben.lid }
    assert.equal("gone", err.code)
    assert.same({ jid = group, pending = false }, (assert(ana.groups:accept(invite))))
    assert.equal("join", ana.events:pop(30).action)
    assert.error_matches(function() ana.groups:accept { group = group } end, "a personal invite is")
  end))

  it("that is personal is withdrawn", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local group = group_with(ana, ben)
    cem.account.privacy.groupadd = "none"
    assert(ana.groups:add(group, cem.jid)[1].invite)
    local results = assert(ana.groups:withdraw_invites(group, { cem.jid, ben.jid }))
    assert.same({ true, "not-found" }, { results[1].ok, results[2].code })
    local event = ana.events:pop(30)
    assert.same({ "revoke", cem.lid }, { event.action, event.participants[1].jid })
  end))
end)

describe("a request to join", function()
  it("is listed, approved and rejected by an admin", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = people(rig)
    local dan = scene.phone(rig, "Dan", "15550000004")
    local group = group_with(ana, ben)
    assert(ana.groups:set(group, { join_approval = true }))
    assert.equal("settings", ana.events:pop(30).action)
    local code = assert(ana.groups:invite_code(group))
    for _, one in ipairs { cem, dan } do
      assert.is_true(act(rig, group, one, "join", { code = code }).waiting)
      local event = ana.events:pop(30)
      assert.same({ "request", "invite_link", one.lid }, { event.action, event.method, event.participants[1].jid })
    end
    local list = assert(ana.groups:join_requests(group))
    assert.same({ cem.lid, dan.lid }, names(list))
    assert.same({ "invite_link", cem.jid:match "%d+" }, { list[1].method, list[1].phone })
    local results = assert(ana.groups:approve(group, { cem.jid, ben.jid }))
    assert.same({ true, "not-found" }, { results[1].ok, results[2].code })
    assert.is_true(assert(ana.groups:reject(group, dan.lid))[1].ok)
    assert.same({}, (assert(ana.groups:join_requests(group))))
    local event = ana.events:pop(30)
    assert.same({ cem.lid }, names(event.participants))
    assert.equal("rejected", ana.events:pop(30).action)
    assert.is_table(ana.groups:member(ana.groups:get(group), cem.lid))
  end))

  it("of this account waits, and is taken back", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local group = scene.group(rig, ben, {})
    act(rig, group, ben, "membership_approval_mode", { text = "on" })
    assert.same({ jid = group, pending = true }, (assert(ana.groups:join(act(rig, group, ben, "link").code))))
    assert.is_true(ana.groups:cancel_request(group))
    local _, err = ana.groups:cancel_request(group)
    assert.equal("not-found", err.code)
  end))
end)

describe("a community", function()
  it("is made with its announcement group, and groups are put into it and taken out", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local community = assert(ana.groups:create_community { subject = "Village", description = "all of us" })
    assert.is_true(community.community)
    assert.equal("all of us", community.description)
    local list = assert(ana.groups:sub_groups(community.jid))
    assert.same({ 1, true }, { #list, list[1].announcements })
    local group = assert(ana.groups:create { subject = "Tea", members = { ben.jid } }).jid
    assert.is_true(assert(ana.groups:link(community.jid, group))[1].ok)
    assert.equal(community.jid, ana.groups:get(group).parent)
    assert.equal(2, #assert(ana.groups:sub_groups(community.jid)))
    local found = {}
    for _, one in ipairs(assert(ana.groups:community_members(community.jid))) do found[one.jid] = true end
    assert.same({ [ana.lid] = true, [ben.lid] = true }, found)
    assert.is_true(assert(ana.groups:unlink(community.jid, { group }))[1].ok)
    assert.is_nil(ana.groups:get(group).parent)
    local _, err = ana.groups:sub_groups(group)
    assert.is_string(err.code)
    assert.error_matches(function() ana.groups:link(community.jid, "x") end, "'x' is no group's JID")
  end))

  it("has a group made in it, seen and joined by who is in the community", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local community = assert(ana.groups:create_community { subject = "Village" })
    local group = assert(ana.groups:create { subject = "Tea", members = { ben.jid }, community = community.jid })
    assert.equal(community.jid, group.parent)
    assert.equal("Tea", assert(ana.groups:linked_group(community.jid, group.jid)).subject)
    assert(ana.groups:leave(group.jid))
    assert.same({ jid = group.jid, pending = false }, (assert(ana.groups:join_linked(community.jid, group.jid))))
    assert.is_table(ana.groups:member(ana.groups:get(group.jid), ana.lid))
  end))

  it("has admins, and an end", support.async(function()
    local rig <close> = start()
    local ana, ben = people(rig)
    local community = assert(ana.groups:create_community { subject = "Village" })
    local group = assert(ana.groups:create { subject = "Tea", members = { ben.jid }, community = community.jid })
    assert.is_true(assert(ana.groups:community_admins(community.jid, "promote", ben.jid))[1].ok)
    assert.equal("admin", ana.groups:member(ana.groups:get(community.jid), ben.lid).rank)
    assert.is_true(ana.groups:delete_community(community.jid))
    assert.is_nil(ana.groups:refresh(group.jid).parent)
  end))
end)
