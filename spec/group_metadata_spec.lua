-- What a client knows of its groups: asked for once, kept in its store, the same under both names of its members (fact sheet 07 §1).
local core = require "moonpost.core"
local scene = require "spec.group_scene"
local stanza = require "moonpost.stanza"
local start = require("spec.rig").start
local support = require "spec.support"
local tap = require "spec.tap"
local task = require "moonpost.task"
local writer = require "spec.group_writer"

-- The questions a client asks about groups from now on.
local function questions(rig, contact)
  return rig:record("to-server", function(node, conn)
    return tap.is_to(conn, contact) and node.tag == "iq" and node.attrs.xmlns == "w:g2"
  end)
end

-- Changes every `<group>` the server answers with from now on, past its own checks.
local function alter(rig, fn)
  local check = rig.sandbox.check
  function rig.sandbox.check(...)
    local passed, _, _, direction, node = check(...), ...
    local group = direction == "to-client" and node.tag == "iq" and stanza.child(node, "group")
    if group then fn(group) end
    return passed
  end
end

describe("a group's metadata", function()
  it("tells subject, addressing and members, each with rank and both names", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    local group = assert(ben.client.groups:get(jid))
    assert.same({ jid, "Tea", "lid", 0, false, 2, ana.lid },
      { group.jid, group.subject, group.addressing, group.ephemeral, group.announce, group.size, group.creator })
    assert.same({ { jid = ana.lid, lid = ana.lid, pn = ana.jid, rank = "superadmin" }, { jid = ben.lid, lid = ben.lid, pn = ben.jid } },
      group.participants)
  end))

  it("is asked for once, by however many at a time", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    ben.client.groups:forget(jid)
    local asked = questions(rig, ben)
    local one, other = task.spawn(ben.client.groups.get, ben.client.groups, jid), task.spawn(ben.client.groups.get, ben.client.groups, jid)
    assert.equal("Tea", one:join().subject)
    assert.equal("Tea", other:join().subject)
    assert.equal("Tea", ben.client.groups:get(jid).subject)
    assert.equal(1, #asked)
  end))

  it("is asked for again after it was forgotten", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    assert(ben.client.groups:get(jid))
    local asked = questions(rig, ben)
    ben.client.groups:forget(jid)
    assert(ben.client.groups:get(jid))
    assert.equal(1, #asked)
  end))

  it("of which this account is no member is refused in words", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local jid = writer.make(rig, ana, ben)
    local _, err = cem.client.groups:get(jid)
    assert.same({ "not-in-group", 403 }, { err.code, err.status })
    _, err = cem.client.groups:get "120363000000000000@g.us"
    assert.same({ "not-found", 404 }, { err.code, err.status })
    _, err = cem.client.groups:get(ana.jid)
    assert.equal("invalid", err.code)
  end))

  it("of too many members is refused with its reason, and the next message is heard", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    ben.client.groups:forget(jid)
    alter(rig, function(group) group.attrs.size = 100000 end)
    local _, err = ben.client.groups:get(jid)
    assert.equal("limit", err.code)
    assert.matches("100000 members", err.message)
    writer.send(ana, jid, "still there?", { ben })
    assert.equal("still there?", ben:next().text)
  end))

  it("learns its members' numbers", support.async(function()
    local rig <close> = start()
    local ana, ben, cem = rig:contact "Ana", rig:contact "Ben", rig:contact "Cem"
    local jid = writer.make(rig, ana, ben, cem)
    assert(ben.client.groups:get(jid))
    assert.equal(cem.jid, ben.client.lids:pn_of(cem.lid))
  end))

  it("of a group addressed by number names members by LID where it is told", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    ben.client.groups:forget(jid)
    alter(rig, function(group)
      group.attrs.addressing_mode = "pn"
      for _, one in ipairs(group.content) do
        one.attrs.jid, one.attrs.lid, one.attrs.phone_number = one.attrs.phone_number, one.attrs.jid, nil
      end
    end)
    local group = assert(ben.client.groups:get(jid))
    assert.same({ "pn", ana.lid, ana.jid }, { group.addressing, group.participants[1].jid, group.participants[1].pn })
    assert.equal(ana.lid, ben.client.groups:member(group, ana.jid).jid)
  end))

  it("is listed of all groups, also of one that changes meanwhile, and forgotten of those one is in no more", support.async(function()
    local rig <close> = start()
    local ben, ana = rig:contact "Ben", scene.phone(rig, "Ana", "15550000001")
    local groups, events = ben.client.groups, tap.event(ben.client, "group")
    local one, other = scene.group(rig, ana, { ben }), scene.group(rig, ana, { ben })
    for _ = 1, 2 do assert(events:pop(30)) end
    local stray = assert(groups:get(one))
    local gone = {}
    for name, value in pairs(stray) do gone[name] = value end
    gone.jid = "120363000000000000@g.us"
    groups:put(gone)
    groups:forget(one)
    local check, changed = rig.sandbox.check, false
    function rig.sandbox.check(...)
      local passed, _, _, direction, node = check(...), ...
      if direction == "to-client" and stanza.child(node, "groups") and not changed then
        changed = true
        task.spawn(scene.act, rig, one, ana, "subject", { text = "Coffee" })
      end
      return passed
    end
    local subjects = {}
    for _, group in ipairs(assert(groups:list())) do subjects[group.jid] = group.subject end
    assert.is_string(subjects[one])
    assert.equal("Tea", subjects[other])
    assert.equal("Coffee", events:pop(30).subject)
    assert.equal("Coffee", groups:known(one).subject)
    assert.is_nil(groups:known(gone.jid))
  end))

  it("that is damaged in the store is asked for again", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    assert(ben.client.groups:get(jid))
    ben.client.store:put("group", jid, "\255\255")
    assert.equal("Tea", ben.client.groups:get(jid).subject)
    assert.equal("Tea", ben.client.groups:known(jid).subject)
  end))

  it("is asked for again a month after it was, if it is needed then", support.async(function()
    local rig <close> = start()
    local ana, ben = rig:contact "Ana", rig:contact "Ben"
    local jid = writer.make(rig, ana, ben)
    assert(ben.client.groups:get(jid))
    ben.client.sweep:run(core.net.time() + 29 * 24 * 3600)
    assert.is_table(ben.client.groups:known(jid))
    ben.client.sweep:run(core.net.time() + 31 * 24 * 3600)
    assert.is_nil(ben.client.groups:known(jid))
  end))

  it("of 1,024 members is read, kept and known whole", support.async(function()
    local rig <close> = start()
    local ben = rig:contact "Ben"
    local owner = scene.phone(rig, "Ana", "15550000001")
    local jid = scene.group(rig, owner, { ben }, { crowd = { members = 1022, devices = 0 } })
    local group = assert(ben.client.groups:get(jid))
    assert.equal(1024, #group.participants)
    assert.equal(1024, #ben.client.groups:known(jid).participants)
    assert.is_string(ben.client.groups:member(group, group.participants[1024].pn).lid)
    repeat task.sleep(0) until ben.client.lids:pn_of(group.participants[1024].lid)
    assert.equal(group.participants[1024].pn, ben.client.lids:pn_of(group.participants[1024].lid))
  end))
end)
