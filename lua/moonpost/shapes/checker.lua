--- Turns the declarations of `moonpost.shapes.terms` into functions, once.
--
-- A check is fn(node, out, path) and appends to `out` a sentence for each fault: that runs only after a refusal, to say what was wrong
-- and where. Without `out` it only returns whether there is a fault. What runs on each stanza is the quick check beside it, fn(node),
-- which `moonpost.shapes.generate` writes.
-- @module moonpost.shapes.checker
local generate = require "moonpost.shapes.generate"
local printable = require "moonpost.printable"

local checker = {}

local ENOUGH = 10 -- faults of one node's children: a hostile stanza may have many thousands

local nothing = {}

local function fault(out, where, what, sheet)
  if out then out[#out + 1] = ("%s: %s%s"):format(where, what, sheet and (" (%s)"):format(sheet) or "") end
  return false
end

local SHOWN = 60 -- bytes of a name or value of a peer in a sentence

local function shown(value) return printable.line(value, SHOWN) end

local function quoted(value) return ("'%s'"):format(shown(value)) end

local function attr_rules(attrs)
  local rules, known = {}, {}
  for name, kind in pairs(attrs) do
    rules[#rules + 1] = {
      name = name, test = kind.test, literal = kind.literal, expected = kind.expected, optional = kind.optional, never = kind.never,
    }
    known[name] = true
  end
  table.sort(rules, function(a, b) return a.name < b.name end)
  return rules, known
end

local function attr_fault(rule, value, out, path, sheet)
  if not out then return false end
  local where = ("%s@%s"):format(path, rule.name)
  if value == nil then return fault(out, where, ("missing, expected %s"):format(rule.expected), sheet) end
  if rule.never then return fault(out, where, ("must not be here, got %s"):format(quoted(value)), sheet) end
  return fault(out, where, ("expected %s, got %s"):format(rule.expected, quoted(value)), sheet)
end

local function unknown_attrs(given, known, out, path, sheet)
  if not out then return false end
  local names = {}
  for name in pairs(given) do
    if not known[name] then names[#names + 1] = name end
  end
  table.sort(names)
  for i = 1, math.min(#names, ENOUGH) do
    fault(out, ("%s@%s"):format(path, shown(names[i])), "not an attribute of this stanza", sheet)
  end
  return false
end

local function check_attrs(rules, known, closed, sheet)
  return function(node, out, path)
    local given, all_good = node.attrs or nothing, true
    for i = 1, #rules do
      local rule = rules[i]
      local value = given[rule.name]
      local good = rule.optional
      if value ~= nil then good = value == rule.literal or rule.test(value) end
      if not good then
        all_good = attr_fault(rule, value, out, path, sheet)
        if not out then return false end
      end
    end
    if closed then
      for name in next, given do
        if not known[name] then return unknown_attrs(given, known, out, path, sheet) end
      end
    end
    return all_good
  end
end

local function check_bytes(range, sheet)
  local from, to = range[1], range[2]
  local expected = from == to and ("%d bytes"):format(from) or to == math.huge and ("at least %d bytes"):format(from)
    or ("%d to %d bytes"):format(from or 0, to)
  return function(node, out, path)
    local content = node.text or node.content
    if content == nil and from == 0 then return true end
    local size = type(content) == "string" and #content
    if size and size >= from and size <= to then return true end
    return fault(out, path, ("expected %s, got %s"):format(expected, size or content and "children" or "none"), sheet)
  end
end

local function check_empty(sheet)
  return function(node, out, path)
    local content = node.text or node.content
    if content == nil or #content == 0 then return true end
    local what = type(content) == "table" and ("<%s>"):format(shown(content[1].tag)) or ("%d bytes"):format(#content)
    return fault(out, path, ("expected no content, got %s"):format(what), sheet)
  end
end

-- How many of a shape's required attributes with fixed values a node has as they should be.
local function likeness(shape, node)
  local count = 0
  for name, kind in pairs(shape.decl.attrs) do
    local value = node.attrs[name]
    if kind.fixed and not kind.optional and value ~= nil and kind.test(value) then count = count + 1 end
  end
  return count
end

-- In how many attributes and kinds of children of the node at `path` the faults lie.
local function places(faults, path)
  local seen, count = {}, 0
  for _, sentence in ipairs(faults) do
    local place = sentence:sub(#path + 1):match "^[@/]?[^/@:%[]*"
    if not seen[place] then count = count + 1 end
    seen[place] = true
  end
  return count
end

-- The faults of the alternative that was most likely meant: faults in few places, many fixed values right, then few faults.
local function likeliest(alternatives, node, path)
  local best, least
  for i = 1, #alternatives do
    local out = {}
    alternatives[i].check(node, out, path)
    local score = 2 * places(out, path) - likeness(alternatives[i], node)
    if not best or score < least or score == least and #out < #best then best, least = out, score end
  end
  return best
end

-- Whether a node fits one of several declarations.
local function any_quick(alternatives)
  if #alternatives == 1 then return alternatives[1].quick end
  return function(node)
    for i = 1, #alternatives do
      if alternatives[i].quick(node) then return true end
    end
    return false
  end
end

--- One of several checks of nodes: the first that fits; of none the likeliest speaks.
-- @tparam table alternatives array of what `compile` returns
function checker.any(alternatives)
  if #alternatives == 1 then return alternatives[1].check end
  return function(node, out, path)
    for i = 1, #alternatives do
      if alternatives[i].check(node) then return true end
    end
    if not out then return false end
    for _, sentence in ipairs(likeliest(alternatives, node, path)) do out[#out + 1] = sentence end
    return false
  end
end

-- A slot is a place among the children: the nodes that may stand there, by tag, and how many.
local function new_slot(decl, closed, sheet)
  local slot = { min = 1, max = 1, by_tag = {}, quick = {}, tags = {} }
  if decl.occurs then
    sheet, slot.min, slot.max = decl.sheet or sheet, decl.min, decl.max
    decl = decl.occurs
  end
  for _, choice in ipairs(decl.choices or { decl }) do
    local one = choice.occurs or choice -- a marked choice
    local tag = one.tag
    if not slot.by_tag[tag] then
      slot.by_tag[tag] = {}
      slot.tags[#slot.tags + 1] = tag
    end
    table.insert(slot.by_tag[tag], checker.compile(one, closed, decl.sheet or sheet))
  end
  for tag, alternatives in pairs(slot.by_tag) do
    slot.by_tag[tag], slot.quick[tag] = checker.any(alternatives), any_quick(alternatives)
  end
  slot.name = table.concat(slot.tags, "|")
  return slot
end

local function new_slots(content, closed, sheet)
  local slots, by_tag = {}, {}
  for i, decl in ipairs(content) do
    slots[i] = new_slot(decl, closed, sheet)
    for _, tag in ipairs(slots[i].tags) do
      assert(not by_tag[tag], ("two lines for <%s>: say either(…)"):format(tag))
      by_tag[tag] = slots[i]
    end
  end
  return slots, by_tag
end

-- `path/to`, or `path/to[3]` where several have this tag.
local function child_path(path, list, index)
  local tag, number, all = list[index].tag, 0, 0
  for i = 1, #list do
    if list[i].tag == tag then
      all = all + 1
      if i <= index then number = all end
    end
  end
  return all > 1 and ("%s/%s[%d]"):format(path, shown(tag), number) or ("%s/%s"):format(path, shown(tag))
end

local function check_child(slot, list, index, count, out, path, sheet)
  local child = list[index]
  if count > slot.max then
    local what = slot.max == 0 and "must not be here" or ("more than %d"):format(slot.max)
    return fault(out, out and ("%s/%s"):format(path, child.tag), what, sheet)
  end
  local check = slot.by_tag[child.tag]
  if check(child) then return true end
  return out and check(child, out, child_path(path, list, index)) or false
end

local function check_counts(slots, counts, out, path, sheet)
  local good = true
  for i = 1, #slots do
    local slot = slots[i]
    if slot.min > 0 and not counts[slot] then
      good = fault(out, ("%s/%s"):format(path or "", slot.name), "missing", sheet)
      if not out then return false end
    end
  end
  return good
end

local function check_children(slots, by_tag, closed, sheet)
  return function(node, out, path)
    local list, counts, good = node.content or nothing, {}, true
    if type(list) == "string" then
      if #list > 0 then return fault(out, path, ("expected children, got %d bytes"):format(#list), sheet) end
      list = nothing
    end
    for i = 1, #list do
      local slot = by_tag[list[i].tag]
      if slot then
        local count = (counts[slot] or 0) + 1
        counts[slot] = count
        good = check_child(slot, list, i, count, out, path, sheet) and good
      elseif closed then
        good = fault(out, out and child_path(path, list, i), "not a child of this stanza", sheet)
      end
      if not good and (not out or #out >= ENOUGH) then return false end
    end
    return check_counts(slots, counts, out, path, sheet) and good
  end
end

-- The check of a node's content, if it has one, and what the quick check needs of it.
local function check_content(content, closed, sheet, quick)
  if content == nil then
    quick.empty = closed
    return closed and check_empty(sheet) or nil
  end
  if content.anything then return nil end
  quick.bytes = content.bytes
  if content.bytes then return check_bytes(content.bytes, sheet) end
  local slots, by_tag = new_slots(content, closed, sheet)
  quick.slots, quick.closed = slots, closed
  return check_children(slots, by_tag, closed, sheet)
end

local function check_rules(rules, sheet)
  return function(node, out, path)
    for i = 1, #rules do
      if not rules[i].holds(node) then return fault(out, path, rules[i].sentence, rules[i].sheet or sheet) end
    end
    return true
  end
end

local function literals_of(decl)
  local literals = {}
  for name, kind in pairs(decl.attrs) do
    if kind.literal and not kind.optional then literals[name] = kind.literal end
  end
  return literals
end

--- Compiles the declaration of a node.
-- @tparam table decl
-- @bool closed whether unknown attributes and children are faults
-- @tparam ?string sheet where its facts stand, when it does not say so itself
-- @treturn table tag, check, quick, literals (name -> value), decl
function checker.compile(decl, closed, sheet)
  if decl.closed ~= nil then closed = decl.closed end
  sheet = decl.sheet or sheet
  local content = decl.content
  local closed_attrs = closed and not (content and content.anything)
  local quick = { closed_attrs = closed_attrs, holds = {} }
  quick.rules, quick.known = attr_rules(decl.attrs)
  local parts = { check_attrs(quick.rules, quick.known, closed_attrs, sheet), check_content(content, closed, sheet, quick) }
  local rules = #decl.rules > 0 and check_rules(decl.rules, sheet)
  for i, rule in ipairs(decl.rules) do quick.holds[i] = rule.holds end
  local function check(node, out, path)
    local good = true
    for i = 1, #parts do
      good = parts[i](node, out, path) and good
      if not good and not out then return false end
    end
    return good and (not rules or rules(node, out, path)) -- a rule may rely on the rest
  end
  return { tag = decl.tag, check = check, quick = generate(quick) or check, literals = literals_of(decl), decl = decl, sheet = sheet }
end

--- What is wrong with a node, as one sentence: the first fault of the likeliest alternative.
function checker.explain(alternatives, node)
  local faults = likeliest(alternatives, node, node.tag)
  return #faults > 1 and ("%s; %d more"):format(faults[1], #faults - 1) or faults[1]
end

return checker
