--- The compiled schema against the table of facts beside this file: every field and every enum value, both ways.
local proto = require("moonpost.core").proto

local FIELDS, VALUES = 3013, 1450

-- The table as {messages = {name = {field...}}, enums = {name = {VALUE = number}}, fields =, values = counts}.
local function read_facts()
  local facts = { messages = {}, enums = {}, fields = 0, values = 0 }
  local message, enum
  for line in io.lines "spec/data/schema.tsv" do
    local kind, name = line:match "^(%l+)\t([%w_.]+)$"
    if kind == "message" then
      message, enum = {}, nil
      facts.messages[name] = message
    elseif kind == "enum" then
      message, enum = nil, {}
      facts.enums[name] = enum
    elseif message then
      local field, number, label, type, note = line:match "^(%S+)\t(%d+)\t(%l+)\t(%S+)\t?(.*)$"
      message[#message + 1] = { name = field, number = math.tointeger(number), label = label, type = type, note = note }
      facts.fields = facts.fields + 1
    elseif enum then
      local value, number = line:match "^(%S+)\t(%-?%d+)$"
      enum[value] = math.tointeger(number)
      facts.values = facts.values + 1
    end
  end
  return facts
end

local facts = read_facts()

local function by_number(fields)
  local found = {}
  for _, field in ipairs(fields) do found[field.number] = field end
  return found
end

-- A map is a repeated message of key and value, nested in the message that has it.
local function entry_name(owner, field)
  local name = field:gsub("^%l", string.upper):gsub("_(%l)", string.upper)
  return owner .. "." .. name .. "Entry"
end

-- The full name of a type: searched outwards from the message that names it.
local function resolve(owner, name)
  local scope = owner
  while scope do
    local full = scope .. "." .. name
    if facts.messages[full] or facts.enums[full] then return full end
    scope = scope:match "^(.*)%.[^.]*$"
  end
  return name
end

local function type_of(field) return field.of or field.type end

local function check_map(owner, fact, ours)
  local key, value = fact.type:match "^map<(%w+),(%w+)>$"
  local entry = entry_name(owner, fact.name)
  assert.equal("repeated message " .. entry, ours.label .. " " .. ours.type .. " " .. ours.of)
  local fields = proto.fields(entry)
  assert.equal(2, #fields)
  assert.equal("key 1 " .. key, ("%s %d %s"):format(fields[1].name, fields[1].number, type_of(fields[1])))
  assert.equal("value 2 " .. value, ("%s %d %s"):format(fields[2].name, fields[2].number, type_of(fields[2])))
end

local function check_field(owner, fact, ours)
  local where = owner .. "." .. fact.name
  assert.is_not_nil(ours, where .. " is missing")
  assert.equal(fact.name, ours.name, where)
  if fact.type:find "^map<" then return check_map(owner, fact, ours) end
  assert.equal(fact.label, ours.label, where)
  -- one message of the official client has no known field: its owner nests it here
  local full = ours.of and resolve(owner, fact.type) or fact.type
  if type_of(ours) ~= owner .. "." .. fact.type then assert.equal(full, type_of(ours), where) end
  assert.equal(fact.note == "packed", ours.packed, where)
  assert.equal(fact.note:find "^oneof" ~= nil, ours.oneof ~= nil, where)
end

describe("the protobuf schema", function()
  it("is checked against a table of 3,013 fields and 1,450 enum values", function()
    assert.same({ FIELDS, VALUES }, { facts.fields, facts.values })
  end)

  it("has every field of the table, with its number, label, type, packing and oneof", function()
    local checked = 0
    for name, fields in pairs(facts.messages) do
      local ours = by_number(proto.fields(name))
      for _, fact in ipairs(fields) do
        check_field(name, fact, ours[fact.number])
        checked = checked + 1
      end
      assert.equal(#fields, #proto.fields(name), name)
    end
    assert.equal(FIELDS, checked)
  end)

  it("puts the fields of one oneof together, and only those", function()
    for name, fields in pairs(facts.messages) do
      local ours, group_of, oneof_of = by_number(proto.fields(name)), {}, {}
      for _, fact in ipairs(fields) do
        local oneof = fact.note:match "^oneof (.+)$"
        local group = ours[fact.number].oneof
        if oneof then
          assert.equal(group_of[oneof] or group, group, name .. "." .. fact.name)
          assert.equal(oneof_of[group] or oneof, oneof, name .. "." .. fact.name)
          group_of[oneof], oneof_of[group] = group, oneof
        end
      end
    end
  end)

  it("has every enum of the table, with every value", function()
    for name, values in pairs(facts.enums) do assert.same(values, proto.enum(name), name) end
  end)

  it("has no message beyond the table but our own rows, map entries, an empty message and a scope of enums", function()
    local beyond = {}
    for _, name in ipairs(proto.messages()) do
      if not facts.messages[name] and not name:find "^Store" then beyond[#beyond + 1] = name:match "[^.]+$" end
    end
    table.sort(beyond)
    assert.same({ "FieldEntry", "MusicUserIdMapEntry", "QP", "SideBySideSurveyCardImpressionEventData", "SubfieldEntry" }, beyond)
  end)

  it("has no enum beyond the table", function()
    for _, name in ipairs(proto.enums()) do assert.is_not_nil(facts.enums[name], name) end
  end)

  it("says which message or enum it does not have", function()
    assert.error_matches(function() proto.fields "Massage" end, "the schema has no message 'Massage'")
    assert.error_matches(function() proto.enum "Massage" end, "the schema has no enum 'Massage'")
  end)
end)
