--- Marks of who was told our sender key (moonpost.client.told): 9 bytes for a device, the start of a hash of its account's bare JID and
-- its number, in order in a string of them. A row: version (a byte), epoch of the store (u32), mode ("l" or "p"), generation of the key
-- (8 random bytes), marks.
-- @module moonpost.client.marks
local core = require "moonpost.core"
local crypto, jid = core.crypto, core.wire.jid

local VERSION = 1
local HEAD = ">BI4c1c8"
local MARK = 9

local marks = { GENERATION = 8, HEAD_SIZE = HEAD:packsize() }

--- What the marks of an account's devices begin with.
-- @string bare JID, stable
function marks.prefix(bare) return crypto.sha256(bare):sub(1, MARK - 1) end

--- The mark of a device.
-- @string device JID, stable
function marks.of(device) return marks.prefix(jid.bare(device)) .. string.char(select(3, jid.parse(device))) end

--- The marks in a string of them, as a set.
function marks.set(joined)
  local set = {}
  for at = 1, #joined, MARK do set[joined:sub(at, at + MARK - 1)] = true end
  return set
end

--- A set of marks as a string of them.
function marks.join(set)
  local list = {}
  for mark in pairs(set) do list[#list + 1] = mark end
  table.sort(list)
  return table.concat(list)
end

--- Reads a row.
-- @treturn ?table {epoch, mode, generation, marks}; nil when it is none
function marks.read(value)
  if not value or #value < marks.HEAD_SIZE or (#value - marks.HEAD_SIZE) % MARK ~= 0 or value:byte(1) ~= VERSION then return nil end
  local _, epoch, mode, generation = HEAD:unpack(value)
  return { epoch = epoch, mode = mode, generation = generation, marks = value:sub(marks.HEAD_SIZE + 1) }
end

--- Writes one.
function marks.write(row) return HEAD:pack(VERSION, row.epoch, row.mode, row.generation) .. row.marks end

--- What the outbox notes of a stanza encrypted with the key, or that tells it.
-- @string generation
-- @tparam table devices array of those it tells the key, stable
function marks.note(generation, devices)
  local list = {}
  for i, device in ipairs(devices) do list[i] = marks.of(device) end
  return generation .. table.concat(list)
end

return marks
