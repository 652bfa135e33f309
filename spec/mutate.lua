--- Hostile forms of stanzas, for specs: a good one spoiled in one to three places, the same for the same seed.
local mutate = {}

local Random = {}
Random.__index = Random

function Random:below(n)
  self.state = (self.state * 6364136223846793005 + 1442695040888963407)
  return (self.state >> 33) % n
end

function Random:pick(list) return list[self:below(#list) + 1] end

--- A source of numbers of its own, so that a failure can be had again.
function mutate.random(seed) return setmetatable({ state = seed }, Random) end

-- What an attribute, or the text of a node, is not expected to be.
local values = {
  "", "0", "-1", "1", "1e400", "nan", "99999999999999999999999", "9223372036854775807", "0x10", "true", "\0", "\255\254\0\1", "@",
  "@lid", "@g.us", "a@b@c", "100@lid", "100:1@lid", "100:99999@lid", "120363000000000001@g.us", "status@broadcast", "1@broadcast",
  "120363000000000001@newsletter", "s.whatsapp.net", "g.us", "\27[2Jx", "%d%s%n", "(((((((((", ("x"):rep(129), ("é"):rep(3000),
  ("9"):rep(70000),
}

local tags = {
  "participant", "group", "item", "list", "user", "error", "query", "x", "enc", "create", "add", "remove", "offer", "plaintext",
}

local function names_of(t)
  local list = {}
  for name in pairs(t) do list[#list + 1] = name end
  table.sort(list, function(a, b) return tostring(a) < tostring(b) end)
  return list
end

--- The good stanzas of a direction: those the shapes are tried with (spec/shapes).
-- @string direction "to-client" or "to-server"
-- @tparam table names attribute values that stand for others
function mutate.corpus(direction, names)
  local list = {}
  local function rename(node)
    for name, value in pairs(node.attrs) do node.attrs[name] = names[value] or tostring(value) end
    for _, child in ipairs(type(node.content) == "table" and node.content or {}) do rename(child) end
  end
  for _, capability in ipairs {
    "connection", "keys", "devices", "messages", "receipts", "notifications", "presence", "settings", "appstate", "groups", "group_joins",
    "group_notifications", "communities", "status", "newsletters", "calls",
  } do
    for _, case in ipairs(require("spec.shapes." .. capability)) do
      if case[1] == direction then
        list[#list + 1] = mutate.copy(case[3]())
        rename(list[#list])
      end
    end
  end
  return list
end

-- Every node of a tree, the root first.
local function all(node, list)
  list[#list + 1] = node
  for _, child in ipairs(type(node.content) == "table" and node.content or {}) do all(child, list) end
  return list
end

local function copy(node)
  local new = { tag = node.tag, attrs = {}, content = node.content }
  for name, value in pairs(node.attrs) do new.attrs[name] = value end
  if type(node.content) == "table" then
    new.content = {}
    for i, child in ipairs(node.content) do new.content[i] = copy(child) end
  end
  return new
end

mutate.copy = copy

local function some_attr(random, node)
  local names = names_of(node.attrs)
  return #names > 0 and random:pick(names) or nil
end

local function children(node) return type(node.content) == "table" and #node.content > 0 and node.content or nil end

-- By what is done: fn(random, node, nodes).
local ways = {
  function(random, node)
    local name = some_attr(random, node)
    if name then node.attrs[name] = nil end
  end,
  function(random, node)
    local name = some_attr(random, node)
    if name then node.attrs[name] = random:pick(values) end
  end,
  function(random, node)
    local name = some_attr(random, node)
    if name then node.attrs[name] = random:pick(values) end
  end,
  function(random, node, nodes)
    local from = random:pick(nodes)
    local name = some_attr(random, from)
    if name then node.attrs[name] = from.attrs[name] end
  end,
  function(random, node, nodes)
    local from, name = random:pick(nodes), some_attr(random, node)
    local other = some_attr(random, from)
    if name and other then node.attrs[name] = from.attrs[other] end
  end,
  function(random, node)
    local list = children(node)
    if list then table.remove(list, random:below(#list) + 1) end
  end,
  function(random, node)
    local list = children(node)
    if not list then return end
    local one = random:pick(list)
    for _ = 1, random:pick { 1, 2, 300 } do list[#list + 1] = copy(one) end
  end,
  function(random, node) node.content = random:pick(values) end,
  function(_, node) node.content = nil end,
  function(random, node, nodes)
    local one = copy(random:pick(nodes))
    if type(node.content) ~= "table" then node.content = {} end
    table.insert(node.content, random:below(#node.content + 1) + 1, one)
  end,
  function(random, node) node.tag = random:pick(tags) end,
  function(_, node)
    local deep = { tag = node.tag, attrs = {}, content = node.content }
    for _ = 1, 60 do deep = { tag = node.tag, attrs = {}, content = { deep } } end
    node.content = { deep }
  end,
  function(random, node)
    if type(node.content) ~= "string" or #node.content == 0 then return end
    local at = random:below(#node.content) + 1
    node.content = node.content:sub(1, at - 1) .. string.char(random:below(256)) .. node.content:sub(at + 1 + random:below(3))
  end,
}

--- A copy of a stanza, spoiled. Its root keeps its tag where `fixed`.
-- @param random from `mutate.random`
-- @tparam table node
-- @bool fixed
function mutate.stanza(random, node, fixed)
  local new = copy(node)
  for _ = 1, random:below(3) + 1 do
    local nodes = all(new, {})
    random:pick(ways)(random, random:pick(nodes), nodes)
  end
  if fixed then new.tag = node.tag end
  return new
end

--- Bytes with one to four of them changed, cut out, doubled or made a lot.
function mutate.bytes(random, bytes)
  for _ = 1, random:below(4) + 1 do
    local at, way = random:below(#bytes + 1), random:below(5)
    local before, behind = bytes:sub(1, at), bytes:sub(at + 1)
    if way == 0 then bytes = before .. string.char(random:below(256)) .. behind:sub(2)
    elseif way == 1 then bytes = before .. behind:sub(2 + random:below(8))
    elseif way == 2 then bytes = before .. behind:sub(1, random:below(16) + 1) .. behind
    elseif way == 3 then bytes = before .. string.char(random:below(256)):rep(random:below(9)) .. behind
    else bytes = before .. string.char((behind:byte() or 0) ~ (1 << random:below(8))) .. behind:sub(2) end
  end
  return bytes
end

local numbers = { 0, 1, -1, 2147483647, -2147483648, 4294967295, math.maxinteger, math.mininteger, 0 / 0, 1 / 0, -1 / 0, 1e300, 0.5 }

local function tables_in(value, list)
  if type(value) ~= "table" then return list end
  list[#list + 1] = value
  for _, name in ipairs(names_of(value)) do tables_in(value[name], list) end
  return list
end

local function deep_copy(value)
  if type(value) ~= "table" then return value end
  local new = {}
  for name, one in pairs(value) do new[name] = deep_copy(one) end
  return new
end

local function another(random, value)
  if type(value) == "string" then return random:pick(values) end
  if type(value) == "number" then return random:pick(numbers) end
  if type(value) == "boolean" then return not value end
  if #value == 0 then return {} end
  local new = deep_copy(value)
  for _ = 1, random:pick { 1, 2, 2000 } do new[#new + 1] = random:pick(value) end
  return new
end

--- A Message as a table, with one to three of its fields taken away, changed, made extreme or moved; it may be none that can be encoded.
function mutate.message(random, message)
  local new = deep_copy(message)
  for _ = 1, random:below(3) + 1 do
    local all_tables = tables_in(new, {})
    local one, other = random:pick(all_tables), random:pick(all_tables)
    local names = names_of(one)
    local name = #names > 0 and random:pick(names)
    local way = random:below(6)
    if name and way == 0 then
      if type(name) == "number" then table.remove(one, name) else one[name] = nil end
    elseif name and way == 1 then
      local theirs = names_of(other)
      local from = #theirs > 0 and random:pick(theirs)
      if from and type(other[from]) == type(one[name]) then one[name] = deep_copy(other[from]) end
    elseif name then one[name] = another(random, one[name]) end
  end
  return new
end

return mutate
