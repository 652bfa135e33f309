-- What the server tells of groups (fact sheet 07 §3): what a client knows of them is kept right, and its user hears what happened.
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local writer = require "spec.group_writer"

local DAN, EVE = "100000000000041@lid", "100000000000042@lid"
local DAN_PN = "15550000041@s.whatsapp.net"

local count = 0

-- What the server tells a contact of a group, by somebody.
local function notification(group, by, children, more)
  count = count + 1
  local attrs = {
    type = "w:gp2", from = group, id = ("N%d"):format(count), t = tostring(math.floor(core.net.time())), participant = by.lid,
    participant_pn = by.jid, notify = by.name, addressing_mode = "lid",
  }
  for name, value in pairs(more or {}) do attrs[name] = value or nil end
  return stanza.node("notification", attrs, children.tag and { children } or children)
end

local function person(jid, pn, type) return stanza.node("participant", { jid = jid, phone_number = pn, type = type }) end

-- Ana has made a group; Ben's client is in it, knows it, and hears what happens.
local function three(rig)
  local ana, ben, cem = scene.phone(rig, "Ana", "15550000001"), rig:contact "Ben", scene.phone(rig, "Cem", "15550000003")
  ben.events, ben.errors, ben.left = tap.event(ben.client, "group"), tap.event(ben.client, "error"), {}
  local group = writer.make(rig, ana, ben, cem)
  assert(ben.events:pop(30))
  assert(ben.client.groups:known(group))
  function ben.client.sender_keys.members_left(_, jid) ben.left[#ben.left + 1] = jid end
  ben.asked = rig:record("to-server", function(node, conn)
    return tap.is_to(conn, ben) and node.tag == "iq" and node.attrs.xmlns == "w:g2"
  end)
  return ana, ben, cem, group
end

local function next_event(contact)
  local event = contact.events:pop(30)
  local err = not event and contact.errors and #contact.errors > 0 and contact.errors:pop(0)
  assert(event, ("nobody was told: %s"):format(tostring(err)))
  return event
end

-- Tells Ben of a change, and what he hears of it.
local function tell(rig, ben, group, by, child, more)
  tap.hand(rig, ben, notification(group, by, child, more))
  return next_event(ben)
end

-- The ack of a notification.
local function ack_of(said, node)
  return said:next(function(direction, one)
    return direction == "to-server" and one.tag == "ack" and one.attrs.id == node.attrs.id
  end)
end

local function names(list)
  local found = {}
  for i, one in ipairs(list) do found[i] = one.jid end
  return found
end

describe("a group", function()
  it("one is taken into is known at once, and told with all in it", support.async(function()
    local rig <close> = start()
    local ana, ben = scene.phone(rig, "Ana", "15550000001"), rig:contact "Ben"
    ben.events = tap.event(ben.client, "group")
    local asked = rig:record("to-server", function(node) return node.attrs.xmlns == "w:g2" end)
    local group = writer.make(rig, ana, ben)
    local event = next_event(ben)
    assert.same({ group, "create", ana.lid, false, true, "Tea" },
      { event.chat, event.action, event.by, event.from_me, event.me, event.subject })
    assert.same({ ana.lid, ben.lid }, names(event.participants))
    assert.equal("Tea", ben.client.groups:get(group).subject)
    assert.equal(0, #asked)
  end))

  it("somebody is added to has one member more, whose number is known then", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node("add", nil, { person(DAN, DAN_PN) }))
    assert.same({ "add", ana.lid, ana.jid:match "%d+", "Ana", false }, { event.action, event.by, event.phone, event.name, event.me })
    assert.same({ { jid = DAN, lid = DAN, pn = DAN_PN } }, event.participants)
    assert.same({ ana.lid, ben.lid, cem.lid, DAN }, names(ben.client.groups:get(group).participants))
    assert.equal(DAN_PN, ben.client.lids:pn_of(DAN))
    assert.equal(0, #ben.asked)
  end))

  it("somebody joins tells so", support.async(function()
    local rig <close> = start()
    local _, ben, _, group = three(rig)
    local dan = { lid = DAN, jid = DAN_PN, name = "Dan" }
    local event = tell(rig, ben, group, dan, stanza.node("add", { reason = "invite" }, { person(DAN, DAN_PN) }))
    assert.same({ "join", DAN, { DAN } }, { event.action, event.by, names(event.participants) })
    assert.equal(4, #ben.client.groups:get(group).participants)
  end))

  it("somebody is removed from has one member fewer, and the own sender key is to be replaced", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node("remove", nil, { person(cem.lid, cem.jid) }))
    assert.same({ "remove", ana.lid, { cem.lid } }, { event.action, event.by, names(event.participants) })
    assert.same({ ana.lid, ben.lid }, names(ben.client.groups:get(group).participants))
    assert.same({ group }, ben.left)
  end))

  it("somebody leaves tells so, and the own sender key is to be replaced", support.async(function()
    local rig <close> = start()
    local _, ben, cem, group = three(rig)
    local event = tell(rig, ben, group, cem, stanza.node("remove", nil, { person(cem.lid) }))
    assert.same({ "leave", cem.lid, { cem.lid } }, { event.action, event.by, names(event.participants) })
    assert.same({ group }, ben.left)
  end))

  it("this account is removed from is forgotten, and told", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node("remove", nil, { person(ben.lid, ben.jid) }))
    assert.same({ "remove", true }, { event.action, event.me })
    assert.is_nil(ben.client.groups:known(group))
  end))

  it("has new admins, and has them no longer", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    assert.equal("promote", tell(rig, ben, group, ana, stanza.node("promote", nil, { person(cem.lid) })).action)
    assert.equal("admin", ben.client.groups:member(ben.client.groups:get(group), cem.jid).rank)
    assert.equal("demote", tell(rig, ben, group, ana, stanza.node("demote", nil, { person(cem.lid) })).action)
    assert.is_nil(ben.client.groups:member(ben.client.groups:get(group), cem.lid).rank)
    assert.equal(0, #ben.asked)
  end))

  it("has another subject, a description, and none again", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node("subject", { subject = "Coffee", s_t = "1769296600", s_o = ana.lid }))
    assert.same({ "subject", "Coffee" }, { event.action, event.subject })
    event = tell(rig, ben, group, ana, stanza.node("description", { id = "D1" }, { stanza.node("body", nil, "black") }))
    assert.same({ "description", "black" }, { event.action, event.description })
    local known = ben.client.groups:get(group)
    assert.same({ "Coffee", "black", "D1" }, { known.subject, known.description, known.description_id })
    event = tell(rig, ben, group, ana, stanza.node("description", { id = "D2" }, { stanza.node "delete" }))
    assert.same({ "description" }, { event.action, event.description })
    assert.is_nil(ben.client.groups:get(group).description)
    assert.equal(0, #ben.asked)
  end))

  it("has other settings, each told by name and value", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local join = function(state) return { stanza.node("group_join", { state = state }) } end
    for _, case in ipairs {
      { stanza.node("announcement", { v_id = "1" }), "announce", true }, { stanza.node "not_announcement", "announce", false },
      { stanza.node "locked", "locked", true }, { stanza.node "unlocked", "locked", false },
      { stanza.node("ephemeral", { expiration = "86400" }), "ephemeral", 86400 }, { stanza.node "not_ephemeral", "ephemeral", 0 },
      { stanza.node("member_add_mode", nil, "all_member_add"), "member_add", "all" },
      { stanza.node("member_add_mode", nil, "admin_add"), "member_add", "admins" },
      { stanza.node("membership_approval_mode", nil, join "on"), "join_approval", true },
      { stanza.node("membership_approval_mode", nil, join "off"), "join_approval", false },
      { stanza.node "suspended", "suspended", true }, { stanza.node "unsuspended", "suspended", false },
    } do
      local event = tell(rig, ben, group, ana, case[1])
      assert.same({ "settings", case[2], case[3] }, { event.action, event.setting, event.value })
      assert.equal(case[3], ben.client.groups:known(group)[case[2]])
    end
    assert.equal(0, #ben.asked)
  end))

  it("has a new invite code, and requests to join", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local dan = { lid = DAN, jid = DAN_PN, name = "Dan" }
    assert.equal("AbCd", tell(rig, ben, group, ana, stanza.node("invite", { code = "AbCd" })).code)
    local event = tell(rig, ben, group, dan, stanza.node("created_membership_requests", { request_method = "invite_link" }, {
      stanza.node("requested_user", { jid = DAN, phone_number = DAN_PN }),
    }))
    assert.same({ "request", "invite_link", { DAN } }, { event.action, event.method, names(event.participants) })
    local revoked = stanza.node("revoked_membership_requests", nil, { person(DAN) })
    assert.equal("rejected", tell(rig, ben, group, ana, revoked).action)
    assert.equal("withdrawn", tell(rig, ben, group, dan, revoked).action)
  end))

  it("in a community tells of the groups linked to it", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node("link", { link_type = "sub_group" }, {
      stanza.node("group", { jid = "120363000000000009@g.us", subject = "Other", s_t = "1769296600" }),
    }))
    assert.same({ "link", "sub_group", { { jid = "120363000000000009@g.us", subject = "Other" } } },
      { event.action, event.link_type, event.groups })
  end))

  it("is put into a community, and taken out", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local community = stanza.node("group", { jid = "120363000000000009@g.us", subject = "Village", s_t = "1769296600" })
    tell(rig, ben, group, ana, stanza.node("link", { link_type = "parent_group" }, { community }))
    assert.equal("120363000000000009@g.us", ben.client.groups:known(group).parent)
    tell(rig, ben, group, ana, stanza.node("unlink", { unlink_type = "parent_group" }, { community }))
    assert.is_nil(ben.client.groups:known(group).parent)
    tell(rig, ben, group, ana, stanza.node("link", { link_type = "sub_group" }, { community }))
    assert.is_nil(ben.client.groups:known(group).parent)
    assert.equal(0, #ben.asked)
  end))

  it("this account was taken into is confirmed where the server wants that", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local said = tap.on(rig)
    local people = { person(ana.lid, ana.jid, "superadmin"), person(ben.lid, ben.jid) }
    tap.hand(rig, ben, notification(group, ana, stanza.node("create", nil, {
      stanza.node("group", { id = group:match "%d+", subject = "Tea", addressing_mode = "lid", ack = "false" }, people),
    })))
    assert.same({ "add", true }, (function()
      local event = next_event(ben)
      return { event.action, event.me }
    end)())
    assert.equal(group, said:from_client("iq", "ack").attrs.to)
    assert.equal(0, #ben.errors)
  end))

  it("that was deleted is forgotten", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    assert.equal("delete", tell(rig, ben, group, ana, stanza.node("delete", { reason = "x" })).action)
    assert.is_nil(ben.client.groups:known(group))
    assert.same({ group }, ben.left)
  end))

  it("is asked for again after a change nobody here knows, which is told as it came", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local event = tell(rig, ben, group, ana, stanza.node "no_such_kind")
    assert.same({ "other", "no_such_kind" }, { event.action, event.kind })
    assert(ben.client.groups:get(group))
    assert.equal(1, #ben.asked)
  end))

  it("is asked for again after a change that does not follow what is known", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    tell(rig, ben, group, ana, stanza.node("promote", nil, { person(EVE) }))
    assert.is_nil(ben.client.groups:known(group))
    assert(ben.client.groups:get(group))
    tell(rig, ben, group, ana, stanza.node("add", { v_id = "2" }, { person(DAN) }))
    tell(rig, ben, group, ana, stanza.node("promote", { prev_v_id = "2", v_id = "3" }, { person(cem.lid) }))
    assert.is_table(ben.client.groups:known(group))
    tell(rig, ben, group, ana, stanza.node("demote", { prev_v_id = "4", v_id = "5" }, { person(cem.lid) }))
    assert.is_nil(ben.client.groups:known(group))
  end))

  it("is asked for again when the server says so, of this group or of all", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    tap.hand(rig, ben, stanza.node("notification", { type = "w:gp2", from = "g.us", id = "D1", t = "1769296600" }, {
      stanza.node("groups_dirty", nil, { stanza.node("group", { jid = group }) }),
    }))
    tell(rig, ben, group, ana, stanza.node "locked")
    assert.is_nil(ben.client.groups:known(group))
    assert(ben.client.groups:get(group))
    local cleaned = tap.on(rig)
    local dirty = stanza.node("dirty", { type = "groups", timestamp = "1769296600" })
    tap.hand(rig, ben, stanza.node("ib", { from = "s.whatsapp.net" }, dirty))
    assert.same({ type = "groups", timestamp = "1769296600" }, cleaned:from_client("iq", "clean").content[1].attrs)
    assert.is_nil(ben.client.groups:known(group))
  end))
end)

describe("a notification about a group", function()
  it("is confirmed by one ack that names who did it", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local said = tap.on(rig)
    local node = notification(group, ana, stanza.node "locked")
    tap.hand(rig, ben, node)
    local ack = ack_of(said, node)
    assert.same({ node.attrs.id, group, "w:gp2", ana.lid }, { ack.attrs.id, ack.attrs.to, ack.attrs.type, ack.attrs.participant })
  end))

  it("of several changes tells each", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    tap.hand(rig, ben, notification(group, ana, { stanza.node "locked", stanza.node("announcement", { v_id = "1" }) }))
    assert.equal("locked", next_event(ben).setting)
    assert.equal("announce", next_event(ben).setting)
    local known = ben.client.groups:known(group)
    assert.is_true(known.locked and known.announce)
  end))

  it("by somebody who is not in the group is not believed before the server was asked", support.async(function()
    local rig <close> = start()
    local ana, ben, cem, group = three(rig)
    tap.hand(rig, ben, notification(group, { lid = EVE }, stanza.node("remove", nil, { person(cem.lid) }), { participant_pn = false }))
    local err = ben.errors:pop(30)
    assert.equal("forged", err.code)
    assert.matches("not in the group", err.message)
    assert.same({ ana.lid, ben.lid, cem.lid }, names(ben.client.groups:known(group).participants))
    assert.equal(1, #ben.asked)
    assert.equal("locked", tell(rig, ben, group, ana, stanza.node "locked").setting)
  end))

  it("by a member nobody here knew of yet is told, once the server says that he is one", support.async(function()
    local rig <close> = start()
    local _, ben, cem, group = three(rig)
    local known = ben.client.groups:known(group)
    local stale = {}
    for name, value in pairs(known) do stale[name] = value end
    stale.participants = { known.participants[1], known.participants[2] }
    ben.client.groups:put(stale)
    assert.is_nil(ben.client.groups:member(ben.client.groups:known(group), cem.lid))
    local event = tell(rig, ben, group, cem, stanza.node("subject", { subject = "Coffee", s_t = "1769296600" }))
    assert.same({ "subject", cem.lid }, { event.action, event.by })
    assert.equal(0, #ben.errors)
    assert.equal(3, #ben.client.groups:known(group).participants)
  end))

  it("by a member nobody here knew of yet is told although the connection ends before the server has said so", support.async(function()
    local rig <close> = start()
    local _, ben, cem, group = three(rig)
    ben.client.connection.pace = { stable = 30, first_pause = 0.01, longest_pause = 0.05 }
    local known, stale = ben.client.groups:known(group), {}
    for name, value in pairs(known) do stale[name] = value end
    stale.participants = { known.participants[1], known.participants[2] }
    ben.client.groups:put(stale)
    rig:fault { what = "drop", jid = ben.jid, direction = "to-server", xmlns = "w:g2" }
    local event = tell(rig, ben, group, cem, stanza.node("subject", { subject = "Coffee", s_t = "1769296600" }))
    assert.same({ "subject", cem.lid }, { event.action, event.by })
    assert.equal(0, #ben.errors)
    assert.equal(2, #ben.asked)
  end))

  it("by somebody nobody knows of is told, once the server says that this account is out", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    scene.act(rig, group, ana, "promote", { members = { ben.jid } })
    assert.equal("promote", next_event(ben).action)
    rig:tap(function(direction, node) return not (direction == "to-client" and node.attrs.type == "w:gp2") end)
    scene.act(rig, group, ana, "remove", { members = { ben.jid } })
    local removed = stanza.node("remove", nil, { person(ben.lid, ben.jid) })
    tap.hand(rig, ben, notification(group, { lid = EVE }, removed, { participant_pn = false }))
    local event = next_event(ben)
    assert.same({ "remove", true, EVE }, { event.action, event.me, event.by })
    assert.equal(0, #ben.errors)
  end))

  it("that is malformed is told, confirmed, and stops nothing", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    for _, case in ipairs {
      { stanza.node "create", "without a <group>" },
      { stanza.node("create", nil, { stanza.node("group", { id = "999" }) }), "tells of 999@g.us" },
      { stanza.node "subject", "without one" }, { stanza.node "invite", "without its code" },
      { stanza.node("ephemeral", { expiration = "soon" }), "a time that is none" },
      { stanza.node("add", nil, { stanza.node("participant", { jid = "nobody" }) }), "is no JID" },
    } do
      local said = tap.on(rig)
      local node = notification(group, ana, case[1])
      tap.hand(rig, ben, node)
      local err = ben.errors:pop(30)
      assert.equal("malformed", err.code)
      assert.matches(case[2], err.message, 1, true)
      assert.is_nil(ack_of(said, node).attrs.error)
      assert.is_nil(ben.client.groups:known(group))
    end
    assert.equal("locked", tell(rig, ben, group, ana, stanza.node "locked").setting)
  end))

  it("from what is no group changes nothing", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    tap.hand(rig, ben, notification(ana.jid, ana, stanza.node("subject", { subject = "Mine" })))
    assert.matches("which is none", ben.errors:pop(30).message)
    tap.hand(rig, ben, notification(group, ana, stanza.node("groups_dirty", nil, { stanza.node("group", { jid = group }) })))
    assert.equal("other", next_event(ben).action)
    assert.equal(0, #ben.events)
  end))

  it("of more changes than the server ever tells at once is refused with its reason, and what follows is heard", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    local several = {}
    for i = 1, 33 do several[i] = stanza.node("subject", { subject = "Tea " .. i, s_t = "1769296600" }) end
    tap.hand(rig, ben, notification(group, ana, several))
    local err = ben.errors:pop(30)
    assert.equal("limit", err.code)
    assert.matches("more than 32 changes", err.message)
    assert.is_nil(ben.client.groups:known(group))
    assert.equal("locked", tell(rig, ben, group, ana, stanza.node "locked").setting)
    assert.equal(0, #ben.events)
  end))

  it("of a group too large is refused with its reason, and what follows is heard", support.async(function()
    local rig <close> = start()
    local ana, ben, _, group = three(rig)
    tap.hand(rig, ben, notification(group, ana, stanza.node("create", nil, {
      stanza.node("group", { id = group:match "%d+", size = "100000", subject = "Big" }),
    })))
    local err = ben.errors:pop(30)
    assert.same({ "limit" }, { err.code })
    assert.matches("100000 members", err.message)
    assert.equal("locked", tell(rig, ben, group, ana, stanza.node "locked").setting)
  end))
end)

describe("what is known of a group", function()
  it("survives a restart", support.async(function()
    local rig <close> = start()
    local ana = scene.phone(rig, "Ana", "15550000001")
    local path = support.tmpdir() .. "/state"
    local ben = rig:contact("Ben", { store = path })
    local events = tap.event(ben.client, "group")
    local group = writer.make(rig, ana, ben)
    assert(events:pop(30))
    local before = ben.client.groups:get(group)
    ben.client:close()
    ben = rig:contact("Ben", { store = path })
    local asked = rig:record("to-server", function(node) return node.attrs.xmlns == "w:g2" end)
    assert.same(before, ben.client.groups:get(group))
    assert.equal(0, #asked)
  end))

  it("is as of the last commit when a turn is lost", support.async(function()
    local rig <close> = start()
    local _, ben, _, group = three(rig)
    local known = ben.client.groups:get(group)
    assert.is_false((pcall(ben.client.store.atomic, ben.client.store, function()
      local other = {}
      for name, value in pairs(known) do other[name] = value end
      other.subject = "Lost"
      ben.client.groups:put(other)
      assert.equal("Lost", ben.client.groups:known(group).subject)
      error "the turn is lost"
    end)))
    assert.equal("Tea", ben.client.groups:known(group).subject)
  end))
end)
