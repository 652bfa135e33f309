-- App state that is kept as files: snapshots, and patches of many changes (fact sheet 06 §3.4, §5.3).
local appstate = require "moonpost.sandbox.appstate"
local core = require "moonpost.core"
local rows = require "moonpost.client.appstate_rows"
local start = require("spec.rig").start
local stanza = require "moonpost.stanza"
local support = require "spec.support"
local tap = require "spec.tap"

local crypto, media, proto = core.crypto, core.media, core.proto

local COLLECTION = "regular_high"

-- Waits until a client knows the collection up to a version.
local function until_version(client, version)
  return support.eventually(function()
    local state = rows.state(client.store, COLLECTION)
    return state and state.version >= version and state
  end, ("version %d of the collection"):format(version))
end

local function records(client) return client.store:count("appstate", ("r%s\0"):format(COLLECTION)) end

local function ids(count, from)
  local list = {}
  for i = 1, count do list[i] = ("ID%06d"):format(i + (from or 0)) end
  return list
end

local function delete(rig, jid, list) rig:admin("mock-phone/delete-for-me", { jid = jid, chat = "200@lid", ids = list }) end

-- How collections are handed out from now on: the nodes.
local function handed_out(rig, found)
  local list = {}
  rig:tap(function(direction, node)
    for _, one in stanza.children(direction == "to-client" and stanza.child(node, "sync"), "collection") do
      local part = one.attrs.name == COLLECTION and found(one)
      if part then list[#list + 1] = part end
    end
  end)
  return list
end

-- A file in the sandbox that holds this, as the app state tells of it.
local function blob(rig, bytes, type)
  local key = crypto.random(32)
  local encryptor = media.encryptor(key, type or "md-app-state")
  local sealed = encryptor:update(bytes)
  local last, told = encryptor:finish()
  local object = assert(rig.sandbox.media:add(sealed .. last))
  return {
    mediaKey = key, directPath = rig.sandbox.media:link(object, "md-app-state"), fileSizeBytes = #bytes, fileSha256 = told.fileSha256,
    fileEncSha256 = told.fileEncSha256,
  }
end

local function decrypt(rig, reference)
  local object = rig.sandbox.media:object(reference.fileEncSha256)
  local reader = rig.sandbox.media:open(object)
  local decryptor = media.decryptor { type = "md-app-state", mediaKey = reference.mediaKey, fileSha256 = reference.fileSha256 }
  local plain = assert(decryptor:update(reader:read(0, object.size)))
  reader:close()
  return plain .. assert(decryptor:finish())
end

describe("a patch of many changes", function()
  it("is kept as a file, and read from there", support.async(function()
    local rig <close> = start()
    local one = rig:contact("Ana", { own = true })
    tap.knows_app_state(one.client)
    local files = handed_out(rig, function(node)
      local patch = stanza.path(node, "patches", "patch")
      local read = patch and proto.decode("SyncdPatch", patch.content)
      return read and read.externalMutations and #(read.mutations or {}) == 0 and read.externalMutations
    end)
    delete(rig, one.jid, ids(101))
    assert.same({ 1, false }, { until_version(one.client, 1).version, until_version(one.client, 1).diverged or false })
    assert.same({ 1, 101 }, { #files, records(one.client) })
    assert.equal("ID000001", one:next().target.id)
  end))
end)

describe("a snapshot", function()
  it("stands for all that led there, and is asked for by a device that knows nothing", support.async(function()
    local rig <close> = start()
    local one = rig:contact "Ana"
    delete(rig, one.jid, ids(60))
    delete(rig, one.jid, ids(60, 30))
    rig:admin("mock-phone/compact-app-state", { jid = one.jid, collection = COLLECTION })
    delete(rig, one.jid, ids(2, 1000))
    local given = handed_out(rig, function(node)
      return stanza.child(node, "snapshot") and { patches = #(stanza.child(node, "patches") or { content = {} }).content }
    end)
    local two = rig:contact "Ana"
    local state = until_version(two.client, 3)
    assert.same({ { patches = 1 } }, given)
    assert.same({ 3, false, 92 }, { state.version, state.diverged or false, records(two.client) })
    assert.equal(rig.sandbox.accounts.by_name.Ana.app_state[COLLECTION].hash, state.hash)
  end))

  it("of records in thousands is taken, and what comes behind it goes on top", support.async(function()
    local rig <close> = start()
    local one = rig:contact "Ana"
    for i = 0, 2 do delete(rig, one.jid, ids(1000, 1000 * i)) end
    rig:admin("mock-phone/compact-app-state", { jid = one.jid, collection = COLLECTION })
    local two = rig:contact("Ana", { own = true })
    until_version(two.client, 3)
    assert.equal(3000, records(two.client))
    delete(rig, one.jid, { "NEW" })
    local m = two:next()
    assert.same({ "deleted_for_me", "NEW" }, { m.kind, m.target.id })
  end))

  it("that a crash has cut off is asked for again, and leaves nothing of the half", support.async(function()
    local rig <close> = start()
    local one = rig:contact "Ana"
    delete(rig, one.jid, ids(300))
    rig:admin("mock-phone/compact-app-state", { jid = one.jid, collection = COLLECTION })
    local client = rig:contact("Ana").client
    until_version(client, 1)
    client.store:delete("appstate", "c" .. COLLECTION) -- as it is until all is written
    local some = next(rig.sandbox.accounts.by_name.Ana.app_state[COLLECTION].macs)
    client.store:put("appstate", ("r%s\0%s"):format(COLLECTION, ("x"):rep(32)),
      client.store:get("appstate", ("r%s\0%s"):format(COLLECTION, some)))
    client.appstate:go()
    until_version(client, 1)
    assert.equal(300, records(client))
  end))

  -- What is wrong with one, by code and words; fn(snapshot, reference, rig) -> reference of another.
  local damages = {
    { "whose MAC is wrong", "forged", "the MAC of a snapshot is wrong", function(snapshot) snapshot.mac = ("m"):rep(32) end },
    { "that lacks a record", "forged", "the MAC of a snapshot is wrong", function(snapshot) table.remove(snapshot.records) end },
    { "with a record twice", "malformed", "the snapshot changes a record twice", function(snapshot)
      snapshot.records[2] = snapshot.records[1]
    end },
    { "whose record was damaged", "forged", "mutation 1 of the snapshot cannot be read", function(snapshot)
      local value = snapshot.records[1].value
      value.blob = ("x"):rep(20) .. value.blob:sub(21)
    end },
    { "without a version", "malformed", "a snapshot without version or MAC", function(snapshot) snapshot.version = nil end },
    { "that is none", "malformed", "a snapshot cannot be decoded", function() return "no snapshot" end },
  }

  it("of each damage is refused with its reason, and nothing of it stays", support.async(function()
    local rig <close> = start()
    local one, spoil = rig:contact "Ana", nil
    delete(rig, one.jid, ids(3))
    rig:admin("mock-phone/compact-app-state", { jid = one.jid, collection = COLLECTION })
    rig:tap(function(direction, node)
      for _, collection in stanza.children(direction == "to-client" and stanza.child(node, "sync"), "collection") do
        local file = stanza.child(collection, "snapshot")
        if file then
          local snapshot = proto.decode("SyncdSnapshot", decrypt(rig, proto.decode("ExternalBlobReference", file.content)))
          local bytes = spoil(snapshot) or proto.encode("SyncdSnapshot", snapshot)
          file.content = proto.encode("ExternalBlobReference", blob(rig, bytes))
        end
      end
    end)
    for _, damage in ipairs(damages) do
      spoil = damage[4]
      local client = tap.client(rig)
      local errors = tap.event(client, "error")
      assert(client:pair(tap.scanner(rig)))
      assert(client:connect())
      local err = errors:pop(30)
      assert.same({ damage[1], damage[2] }, { damage[1], err and err.code })
      assert.is_truthy(err.message:find("app state regular_high: " .. damage[3], 1, true), err.message)
      assert.equal(0, records(client))
      assert.is_nil(rows.state(client.store, COLLECTION))
      assert(client:logout()) -- an account has four companions at most
    end
  end))

  it("that nobody has asked for is refused", support.async(function()
    local rig <close> = start()
    local one = rig:contact "Ana"
    tap.knows_app_state(one.client)
    delete(rig, one.jid, ids(1))
    until_version(one.client, 1)
    local _, reference = appstate.compact(rig.sandbox, rig.sandbox.accounts.by_name.Ana, COLLECTION)
    assert.equal(1, reference)
    local errors = tap.event(one.client, "error")
    rig:tap(function(direction, node)
      for _, collection in stanza.children(direction == "to-client" and stanza.child(node, "sync"), "collection") do
        if collection.attrs.name == COLLECTION then
          collection.content = { stanza.node("snapshot", nil, proto.encode("ExternalBlobReference", blob(rig, "anything"))) }
        end
      end
    end)
    delete(rig, one.jid, ids(1, 5))
    local err = errors:pop(30)
    assert.same({ "malformed", "app state regular_high: a snapshot came that nobody has asked for" }, { err.code, err.message })
    assert.equal(1, records(one.client))
  end))

  it("whose file the hosts have no more is told, and the other collections are known", support.async(function()
    local rig <close> = start()
    local one = rig:contact "Ana"
    delete(rig, one.jid, ids(3))
    rig:admin("mock-phone/compact-app-state", { jid = one.jid, collection = COLLECTION })
    rig:tap(function(direction, node)
      for _, collection in stanza.children(direction == "to-client" and stanza.child(node, "sync"), "collection") do
        local file = stanza.child(collection, "snapshot")
        if file then
          local reference = proto.decode("ExternalBlobReference", file.content)
          rig.sandbox.media:withdraw(rig.sandbox.media:object(reference.fileEncSha256))
        end
      end
    end)
    local client = tap.client(rig)
    local errors = tap.event(client, "error")
    assert(client:pair(tap.scanner(rig)))
    assert(client:connect())
    assert.equal("media-gone", errors:pop(30).code)
    support.eventually(function() return rows.state(client.store, "critical_block") end, "the other collections")
    assert.is_nil(rows.state(client.store, COLLECTION))
    client:close()
  end))
end)
