--- Stanzas: build and read nodes `{tag=, attrs=, content=}`.
-- Content is bytes (a string) or an array of nodes; `text` instead of `content` is written as a string that may become a token.
-- @module moonpost.stanza
local printable = require "moonpost.printable"

local stanza = {}

--- Makes a node.
-- @string tag
-- @tparam ?table attrs name -> string, integer or boolean; JID attributes hold canonical JIDs
-- @tparam ?string|table content bytes, one node, or an array of nodes
-- @treturn table node
function stanza.node(tag, attrs, content)
  if type(content) == "table" and content.tag then content = { content } end
  return { tag = tag, attrs = attrs or {}, content = content }
end

--- The first child with this tag (any tag when nil), or nil.
function stanza.child(node, tag)
  local content = node.content
  if type(content) ~= "table" then return nil end
  for i = 1, #content do
    if tag == nil or content[i].tag == tag then return content[i] end
  end
end

local function next_child(content, index)
  local child = content[index + 1]
  if child then return index + 1, child end
end

-- The iteration over one tag, a function for each tag our code asks for: no table has to be made to hold tag and children.
local next_of = setmetatable({}, { __index = function(functions, tag)
  functions[tag] = function(content, index)
    for i = index + 1, #content do
      local child = content[i]
      if child.tag == tag then return i, child end
    end
  end
  return functions[tag]
end })

local nothing = {}

--- Iterates over the children with this tag (all when nil): `for i, child in stanza.children(node, "item")`.
function stanza.children(node, tag)
  local content = node and node.content
  return tag == nil and next_child or next_of[tag], type(content) == "table" and content or nothing, 0
end

--- Follows a path of tags, first child each: `stanza.path(iq, "list", "user")`; nil when a step is missing.
function stanza.path(node, ...)
  for i = 1, select("#", ...) do
    node = node and stanza.child(node, (select(i, ...)))
  end
  return node
end

--- The bytes of the descendant a path of tags leads to, or nil.
function stanza.bytes(node, ...)
  local found = stanza.path(node, ...)
  return found and type(found.content) == "string" and found.content or nil
end

local entities = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

local function escape(value, max) return (printable.line(value, max):gsub('[&<>"]', entities)) end

local function append(out, text)
  out[#out + 1] = text
  out.size = out.size + #text
end

-- Attributes that give access to whoever has them.
local secret = { auth = true, token = true }

local function write_attribute(out, name, value)
  value = secret[name] and ("(%d bytes)"):format(#tostring(value)) or escape(value, out.max)
  append(out, (' %s="%s"'):format(escape(name, out.max), value))
end

local function write(node, out, depth)
  if out.size >= out.max then return end
  local indent, tag = ("  "):rep(depth), escape(node.tag, out.max)
  local names = {}
  for name in pairs(node.attrs or nothing) do names[#names + 1] = name end
  table.sort(names)
  append(out, indent .. "<" .. tag)
  for _, name in ipairs(names) do
    if out.size >= out.max then return end
    write_attribute(out, name, node.attrs[name])
  end
  local content = node.text or node.content
  if content == nil then
    append(out, "/>\n")
  elseif type(content) == "string" then
    local shown = node.text and escape(content, out.max) or ("<!-- %d bytes -->"):format(#content)
    append(out, (">%s</%s>\n"):format(shown, tag))
  else
    append(out, ">\n")
    for i = 1, #content do write(content[i], out, depth + 1) end
    append(out, indent .. "</" .. tag .. ">\n")
  end
end

local WHOLE = 1 << 30 -- more than any stanza has

--- A node as readable XML; bytes are shown by their length only, and so are attributes that give access: keys and contents never
-- reach a log. What a peer chose is shown by `moonpost.printable`.
-- @tparam ?int max bytes of the answer at most; what is cut ends in "…"
-- @treturn string
function stanza.xml(node, max)
  local out = { size = 0, max = max or WHOLE }
  write(node, out, 0)
  local text = table.concat(out)
  return max and printable.text(text, max) or text
end

return stanza
