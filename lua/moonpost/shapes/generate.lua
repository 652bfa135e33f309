--- The quick check of a stanza: the declaration of a node as a Lua function, written out and compiled once. It only says whether a node
-- fits; what is wrong with one that does not is said by the slow check of `moonpost.shapes.checker`, which runs for that one alone.
--
-- Of `node("enc", { v = "2", count = maybe(int(1, 5)) }, some_bytes)` it makes, in an open shape,
--
--     return function(node)
--       local attrs, value = node.attrs or nothing
--       value = attrs["count"] if value ~= nil and not test1(value) then return false end
--       value = attrs["v"] if value == nil or value ~= "2" and not test2(value) then return false end
--       local content = node.text or node.content …
--       return true
--     end
-- @module moonpost.shapes.generate
local SLOTS = 100 -- kinds of children counted in locals; Lua has 200

-- A source under construction: its lines, and the values it refers to as `given[n]`.
local Source = {}
Source.__index = Source

function Source:line(text, ...)
  self.lines[#self.lines + 1] = text:format(...)
end

-- A name for a value in the source.
function Source:give(value)
  self.given[#self.given + 1] = value
  return ("given%d"):format(#self.given)
end

local function add_attrs(source, rules, known, closed)
  source:line "local attrs, value = node.attrs or nothing"
  for _, rule in ipairs(rules) do
    local wrong = rule.literal and ("value ~= %q and not %s(value)"):format(rule.literal, source:give(rule.test))
      or ("not %s(value)"):format(source:give(rule.test))
    source:line("value = attrs[%q]", rule.name)
    source:line(rule.optional and "if value ~= nil and (%s) then return false end" or "if value == nil or %s then return false end", wrong)
  end
  if closed then source:line("for name in next, attrs do if not %s[name] then return false end end", source:give(known)) end
end

local function add_bytes(source, from, to)
  source:line "local content = node.text or node.content"
  source:line("if %s then", from == 0 and "content ~= nil" or "true")
  source:line("if type(content) ~= 'string' or #content < %d%s then return false end", from or 0,
    to == math.huge and "" or (" or #content > %d"):format(to))
  source:line "end"
end

local function add_empty(source)
  source:line "local content = node.text or node.content"
  source:line "if content ~= nil and #content > 0 then return false end"
end

local function add_children(source, slots, closed)
  for i in ipairs(slots) do source:line("local count%d = 0", i) end
  source:line "local list = node.content"
  source:line "if type(list) == 'string' then if #list > 0 then return false end list = nil end"
  source:line "if list then for i = 1, #list do local child = list[i] local tag = child.tag"
  local word = "if"
  for i, slot in ipairs(slots) do
    for _, tag in ipairs(slot.tags) do
      source:line("%s tag == %q then", word, tag)
      if slot.max < math.huge then
        source:line("count%d = count%d + 1 if count%d > %d then return false end", i, i, i, slot.max)
      elseif slot.min > 0 then
        source:line("count%d = 1", i)
      end
      if slot.max > 0 then source:line("if not %s(child) then return false end", source:give(slot.quick[tag])) end
      word = "elseif"
    end
  end
  if closed then source:line(#slots > 0 and "else return false" or "do return false end") end
  source:line(#slots > 0 and "end end end" or "end end")
  for i, slot in ipairs(slots) do
    if slot.min > 0 then source:line("if count%d == 0 then return false end", i) end
  end
end

local function add_content(source, parts)
  if parts.slots then
    add_children(source, parts.slots, parts.closed)
  elseif parts.bytes then
    add_bytes(source, parts.bytes[1], parts.bytes[2])
  elseif parts.empty then
    add_empty(source)
  end
end

--- Writes the quick check of a node.
-- @tparam table parts rules of its attributes, known = set of their names, closed_attrs; one of slots (of children, with their quick
-- checks) and closed, bytes = {from, to}, empty; holds = array of fn(node), the rules of the whole
-- @treturn ?func fn(node) -> boolean; nil where a node has too many kinds of children to be written out
return function(parts)
  if parts.slots and #parts.slots > SLOTS then return nil end
  local source = setmetatable({ lines = {}, given = {} }, Source)
  add_attrs(source, parts.rules, parts.known, parts.closed_attrs)
  add_content(source, parts)
  for _, holds in ipairs(parts.holds) do source:line("if not %s(node) then return false end", source:give(holds)) end
  if #source.given > 150 then return nil end -- as upvalues: Lua has 255
  local names = {}
  for i = 1, #source.given do names[i] = "given" .. i end
  local head = ("local nothing%s = ...\nreturn function(node)\n"):format(#names > 0 and ", " .. table.concat(names, ", ") or "")
  return assert(load(head .. table.concat(source.lines, "\n") .. "\nreturn true\nend", "=shape"))({}, table.unpack(source.given))
end
