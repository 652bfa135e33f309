--- Shapes: what a stanza may look like, as data, and the check of a stanza against it.
--
-- One file per capability says what the official client would send ("to-server", fact sheet 10) and accept ("to-client", sheet 09);
-- the words are those of `moonpost.shapes.terms`. A file returns any of
--
--     to_server = { shape("10 §10.5", node("presence", { … })), … }   -- closed: what is not written here is not sent
--     to_client = { shape("09 §4.4", node("presence", { … })), … }    -- open: a parser ignores what it does not know
--     queries   = { query("10 §6.1", "get", "privacy", { asks = …, answers = …, errors = … }), … }   -- both ways of an IQ
--
-- A new capability adds its file and its name to `capabilities` below; a stanza without a declaration is refused ("no shape for …").
--
-- Where Baileys lawfully sends something the official client does not, one marked line says so and why. It goes around the attribute,
-- the kind of a value or the child in question, and makes it optional:
--
--     from = baileys("names itself; the server ignores it (07 §6.3)", device),       -- an attribute
--     type = either("set", baileys("leaves it out (07 §10.6)", "get")),              -- one more value
--     baileys("pings with a child (01 §7.1)", node "ping"),                          -- a child
--
-- `also("why", …)` does the same for what another sheet than 09 and 10 says is lawful. `shapes.marks` lists all of them.
-- @module moonpost.shapes
local core = require "moonpost.core"
local checker = require "moonpost.shapes.checker"
local printable = require "moonpost.printable"
local terms = require "moonpost.shapes.terms"

local capabilities = {
  "connection", "pairing", "keys", "devices", "messages", "receipts", "notifications", "presence", "settings", "appstate", "groups",
  "group_joins", "group_notifications", "communities", "status", "newsletters", "calls", "pictures",
}

local shapes = { marks = terms.marks }

-- The attribute that tells stanzas of one tag apart.
local key_names = { iq = "xmlns", notification = "type", ack = "class" }

-- direction -> tag -> value of the key attribute ("" for none, and for tags without one) -> array of compiled shapes.
local book = { ["to-server"] = {}, ["to-client"] = {} }

-- xmlns -> array of {request=, result=, errors=} compiled.
local queries = {}

local function file(direction, compiled)
  local tags = book[direction]
  local by_key = tags[compiled.tag] or {}
  tags[compiled.tag] = by_key
  local key = key_names[compiled.tag] and compiled.literals[key_names[compiled.tag]] or ""
  by_key[key] = by_key[key] or {}
  table.insert(by_key[key], compiled)
end

local function file_query(query)
  local xmlns = query.request.attrs.xmlns.literal
  local attrs = { from = terms.jid, id = terms.id, type = "result" }
  for name, kind in pairs(query.answer_attrs or {}) do attrs[name] = kind end
  local children = { terms.never "error" }
  table.move(query.answers or {}, 1, #(query.answers or {}), 2, children)
  local one = {
    request = checker.compile(query.request, true, query.sheet),
    result = checker.compile(terms.node("iq", attrs, children), false, query.sheet), errors = query.errors, sheet = query.sheet,
  }
  queries[xmlns] = queries[xmlns] or {}
  table.insert(queries[xmlns], one)
  file("to-server", one.request)
end

for _, name in ipairs(capabilities) do
  local facts = require("moonpost.shapes." .. name)
  for _, decl in ipairs(facts.to_server or {}) do file("to-server", checker.compile(decl, true)) end
  for _, decl in ipairs(facts.to_client or {}) do file("to-client", checker.compile(decl, false)) end
  for _, query in ipairs(facts.queries or {}) do file_query(query) end
end

local SENTENCE_MAX = 1000 -- bytes

-- All that a peer chose and this sentence repeats is made printable here, whoever wrote the sentence.
local function refuse(sentence) return nil, core.error("shape", printable.line(sentence, SENTENCE_MAX)) end

local function shown(value) return printable.line(value, 60) end

local named = { "class", "type", "xmlns" }

-- A stanza in short: `iq type="get" xmlns="encrypt" <count/>`.
local function sketch(node)
  local parts = { shown(node.tag) }
  for _, name in ipairs(named) do
    local value = node.attrs and node.attrs[name]
    if value then parts[#parts + 1] = ('%s="%s"'):format(name, shown(value)) end
  end
  local children = type(node.content) == "table" and node.content or {}
  for i = 1, math.min(#children, 3) do parts[#parts + 1] = ("<%s/>"):format(shown(children[i].tag)) end
  return table.concat(parts, " ")
end

-- Where it stands what there is at all.
local function sheet_of(direction, tag)
  if tag == "iq" then return "08 S-901" end
  return direction == "to-server" and "10 §10" or "09 §1"
end

local function no_shape(direction, node)
  return refuse(("no shape for %s %s (%s): a capability that needs it declares it in moonpost.shapes"):format(
    sketch(node), direction, sheet_of(direction, node.tag)))
end

-- The nodes a declaration names as children.
local function named_children(decl, each)
  for _, child in ipairs(decl.content or {}) do
    local inner = child.occurs or child
    for _, one in ipairs(inner.choices or { inner }) do each((one.occurs or one).tag, child.min or 1) end
  end
end

-- Whether a node has a child of those a shape names, or neither needs any.
local function shares_children(shape, node)
  local given, needed, shared = {}, false, false
  for _, child in ipairs(type(node.content) == "table" and node.content or {}) do given[child.tag] = true end
  named_children(shape.decl, function(tag, min)
    needed = needed or min > 0
    shared = shared or given[tag]
  end)
  return shared or not needed and next(given) == nil
end

local function resembles(shape, node)
  for _, name in ipairs(named) do
    local literal = shape.literals[name]
    if literal and tostring(node.attrs[name]) ~= literal then return false end
  end
  return shares_children(shape, node)
end

local told_by_child = { iq = true, ib = true, notification = true }

local function explain(direction, list, node)
  if not told_by_child[node.tag] then return refuse(checker.explain(list, node)) end
  local close = {}
  for _, shape in ipairs(list) do
    if resembles(shape, node) then close[#close + 1] = shape end
  end
  if #close == 0 then return no_shape(direction, node) end
  return refuse(checker.explain(close, node))
end

-- The 1st code of an <error> and its text must be one of these pairs (10 §0.3): the official client compares both.
local texts = {
  [304] = "already-exists", [400] = "bad-request", [401] = "not-authorized", [403] = "forbidden", [404] = "item-not-found",
  [405] = "not-allowed", [406] = "not-acceptable", [408] = "request-timeout", [409] = "conflict", [410] = "gone",
  [412] = "linked-groups-participants-resource-limit", [416] = "parent-group-suspended", [419] = "resource-limit", [423] = "locked",
  [426] = "upgrade-required", [429] = "rate-overlimit", [452] = "feature-not-available",
  [500] = "internal-server-error",
  [501] = "feature-not-implemented", [503] = "service-unavailable", [530] = "partial-server-error",
}

local function is_told_apart(errors, code)
  if errors == "any" then return true end
  for _, one in ipairs(errors or {}) do
    if one == code or one == "4xx" and code // 100 == 4 or one == "5xx" and code // 100 == 5 then return true end
  end
  return false
end

local function check_error(node, query)
  local child = type(node.content) == "table" and #node.content == 1 and node.content[1]
  if not child or child.tag ~= "error" then return refuse "iq/error: an error answer holds exactly one <error> (10 §0.2)" end
  local code = math.tointeger(tonumber(child.attrs.code))
  if not code or texts[code] ~= child.attrs.text then
    return refuse(("iq/error@text: code %s and text '%s' are no pair the official client knows (10 §0.3, 08 S-900)"):format(
      shown(child.attrs.code), shown(child.attrs.text)))
  end
  if not is_told_apart(query.errors, code) then
    return refuse(("iq/error@code: the official client knows no %d here (%s)"):format(code, query.sheet))
  end
  return true
end

local function query_of(request)
  for _, query in ipairs(queries[request.attrs.xmlns] or {}) do
    if query.request.quick(request) then return query end
  end
end

local function check_answer(node, request)
  if not request then return refuse "iq: an answer to nothing (08 S-122)" end
  local to = request.attrs.to or "s.whatsapp.net"
  if node.attrs.id ~= request.attrs.id then
    return refuse(("iq@id: expected the request's '%s', got '%s' (10 §0.2)"):format(shown(request.attrs.id), shown(node.attrs.id)))
  end
  if node.attrs.from ~= to then
    return refuse(("iq@from: expected the request's address '%s', got '%s' (10 §0.2)"):format(shown(to), shown(node.attrs.from)))
  end
  local query = query_of(request)
  if not query then return true end -- the request was the fault, and was told
  if node.attrs.type == "error" then return check_error(node, query) end
  if query.result.quick(node) then return true end
  return refuse(checker.explain({ query.result }, node))
end

--- Checks a stanza.
-- @string direction "to-server" or "to-client"
-- @tparam table node
-- @tparam ?table request the query a result or error to the client answers
-- @treturn ?boolean true
-- @treturn ?table err `path@attribute: expected …, got … (sheet §)`
function shapes.check(direction, node, request)
  local tag, attrs = node.tag, node.attrs
  if tag == "iq" and direction == "to-client" and (attrs.type == "result" or attrs.type == "error") then
    return check_answer(node, request)
  end
  local by_key = book[direction][tag]
  local list = by_key and by_key[attrs[key_names[tag]] or ""]
  if not list then return no_shape(direction, node) end
  for i = 1, #list do
    if list[i].quick(node) then return true end
  end
  return explain(direction, list, node)
end

return shapes
