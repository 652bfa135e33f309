-- The sandbox's communities (fact sheets 08 §17, 07 §2).
local stanza = require "moonpost.stanza"
local scene = require "spec.group_scene"
local start = require("spec.rig").start
local support = require "spec.support"

local ask, node, people = scene.ask, stanza.node, scene.people

-- A community of Ana's with a general chat: its JID, and those of the groups it has by mark.
local function community(ana, ...)
  local answer = assert(ask(ana, "set", "g.us", node("create", { subject = "Garden" }, { node "parent", node "create_general_chat", ... })))
  local jid = stanza.child(answer, "group").attrs.id .. "@g.us"
  local marks = {}
  for _, group in stanza.children(stanza.child(assert(ask(ana, "get", jid, node "sub_groups")), "sub_groups"), "group") do
    marks[group.content and group.content[1].tag or group.attrs.subject] = group.attrs.id .. "@g.us"
  end
  return jid, marks
end

local function link(jid) return node("links", nil, node("link", { link_type = "sub_group" }, node("group", { jid = jid }))) end

local function linked_parent(contact, group)
  local found = stanza.child(scene.shown(contact, group), "linked_parent")
  return found and found.attrs.jid
end

describe("a community in the sandbox", function()
  it("comes with its announcement group, and a general chat when that is asked for", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local told = scene.told(rig, ana)
    local jid, marks = community(ana)
    assert.same({ "create", "create", "create" }, scene.tags(ana, told))
    local hall = scene.shown(ana, marks.default_sub_group)
    assert.same({ "Garden", jid }, { hall.attrs.subject, stanza.child(hall, "linked_parent").attrs.jid })
    assert.is_table(stanza.child(hall, "announcement"))
    assert.is_table(stanza.child(scene.shown(ana, marks.general_chat), "general_chat"))
    assert.is_table(stanza.child(scene.shown(ana, jid), "parent"))
  end))

  it("takes in a group, whose members are in it and hear announcements from then on", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, ana, { bea })
    local jid, marks = community(ana)
    local told = scene.told(rig, ana)
    local answer = assert(ask(ana, "set", jid, link(group)))
    assert.is_nil(stanza.path(answer, "links", "link", "group").attrs.error)
    assert.same({ "link", "link", "link", "link", "add", "add" }, scene.tags(ana, told))
    local kinds = {}
    for i = 1, 4 do kinds[told[i].attrs.from] = told[i].content[1].attrs.link_type end
    assert.same({ [jid] = "sub_group", [group] = "parent_group", [marks.default_sub_group] = "sibling_group",
      [marks.general_chat] = "sibling_group" }, kinds)
    assert.equal(jid, linked_parent(ana, group))
    assert.same({ "member", "member" }, {
      scene.ranks(scene.shown(ana, jid))[bea.lid], scene.ranks(scene.shown(ana, marks.default_sub_group))[bea.lid],
    })
    local refused = assert(ask(ana, "set", jid, link(group)))
    assert.equal("409", stanza.path(refused, "links", "link", "group").attrs.error)
  end))

  it("lets a group go, and who is in no other of its groups with it, when that is asked for", support.async(function()
    local rig <close> = start()
    local ana, bea = rig:contact "Ana", scene.phone(rig, "Bea", "15550000001")
    local group = scene.group(rig, ana, { bea })
    local jid = community(ana)
    assert(ask(ana, "set", jid, link(group)))
    assert(ask(ana, "set", jid, node("unlink", { unlink_type = "sub_group" },
      node("group", { jid = group, remove_orphaned_members = "true" }))))
    assert.is_nil(linked_parent(ana, group))
    assert.is_nil(scene.ranks(scene.shown(ana, jid))[bea.lid])
    assert.equal("member", scene.ranks(scene.shown(ana, group))[bea.lid])
  end))

  it("has groups made in it by its admins, and by all where it says so", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = community(ana, node("participant", { jid = ben.jid }))
    local function make(contact)
      return ask(contact, "set", "g.us", node("create", { subject = "Roses" }, node("linked_parent", { jid = jid })))
    end
    assert.same(403, select(2, make(ben)))
    assert(ask(ana, "set", jid, node "allow_non_admin_sub_group_creation"))
    assert.equal(jid, stanza.child(stanza.child(assert(make(ben)), "group"), "linked_parent").attrs.jid)
    assert.is_table(make(ana))
  end))

  it("shows its groups to its members, who may come into them", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local jid = community(ana, node("participant", { jid = ben.jid }))
    local group = scene.group(rig, ana, {})
    assert(ask(ana, "set", jid, link(group)))
    local look = node("query_linked", { type = "sub_group", jid = group })
    assert.equal("1", stanza.path(assert(ask(ben, "get", jid, look)), "linked_group", "group").attrs.size)
    assert.same(403, select(2, ask(cem, "get", jid, look)))
    local answer = assert(ask(ben, "set", jid, node("join_linked_group", { jid = group })))
    assert.equal("2", stanza.path(answer, "linked_group", "group").attrs.size)
    local everybody = {}
    local list = stanza.child(assert(ask(ben, "get", jid, node "linked_groups_participants")), "linked_groups_participants")
    for _, one in ipairs(list.content) do everybody[one.attrs.jid] = one.attrs.phone_number end
    assert.same({ [ana.lid] = ana.jid, [ben.lid] = ben.jid }, everybody)
  end))

  it("is left with all its groups", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid, marks = community(ana, node("participant", { jid = ben.jid }))
    assert(ask(ben, "set", "g.us", node("leave", nil, node("community", { id = jid }))))
    for _, one in ipairs { jid, marks.default_sub_group, marks.general_chat } do
      assert.same(403, select(2, ask(ben, "get", one, node("query", { request = "interactive" }))))
    end
  end))

  it("has admins who announce, too", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid, marks = community(ana, node("participant", { jid = ben.jid }))
    assert.same({ 200 }, scene.codes(assert(ask(ana, "set", jid, node("admin", nil, people("promote", ben)))), "admin", "promote"))
    assert.same({ "admin", "admin" }, {
      scene.ranks(scene.shown(ana, jid))[ben.lid], scene.ranks(scene.shown(ana, marks.default_sub_group))[ben.lid],
    })
  end))

  it("ends: its groups go on without it", support.async(function()
    local rig <close> = start()
    local ana = rig:contact "Ana"
    local jid, marks = community(ana)
    local told = scene.told(rig, ana)
    assert(ask(ana, "set", jid, node "delete_parent"))
    local tags = scene.tags(ana, told)
    table.sort(tags)
    assert.same({ "delete", "delete", "unlink" }, tags)
    assert.is_nil(linked_parent(ana, marks.general_chat))
    assert.is_nil(stanza.child(scene.shown(ana, marks.general_chat), "general_chat"))
    for _, one in ipairs { jid, marks.default_sub_group } do
      assert.same(404, select(2, ask(ana, "get", one, node("query", { request = "interactive" }))))
    end
  end))
end)
