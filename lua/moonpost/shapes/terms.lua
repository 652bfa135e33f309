--- The words shapes are written in. They only build tables; `moonpost.shapes.checker` gives them their meaning.
--
--     node("enc", { v = "2", type = one_of("msg", "pkmsg"), count = maybe(int(1, 5)) }, bytes(1))
--
-- is a node by tag, attributes and content, as `stanza.node` makes it. An attribute is a literal text or a kind (`id`, `int`, `time`,
-- `user`, …); a content is `bytes(n)`, `bytes(from, to)`, `text`, `anything`, or a list of children; left out it is empty. Attributes
-- and children are required once unless `maybe`, `many` (0 or more), `some` (1 or more) or `never` says otherwise.
-- @module moonpost.shapes.terms
local jid = require("moonpost.core").wire.jid

local terms = { marks = {} }

local function kind(expected, test) return { expected = expected, test = test } end

-- A literal text as a kind. What the server is about to send may still hold numbers.
local function as_kind(x)
  if type(x) ~= "string" then return x end
  return { expected = ("'%s'"):format(x), literal = x, fixed = true, test = function(value) return value == x or tostring(value) == x end }
end

local function is_kind(x) return type(x) == "string" or x.test ~= nil end

local function copy(x, fields)
  local result = {}
  for name, value in pairs(x) do result[name] = value end
  for name, value in pairs(fields) do result[name] = value end
  return result
end

--- An attribute or child that may be left out.
function terms.maybe(x)
  if is_kind(x) then return copy(as_kind(x), { optional = true }) end
  return { occurs = x, min = 0, max = 1 }
end

--- A child that may stand any number of times.
function terms.many(x) return { occurs = x, min = 0, max = math.huge } end

--- A child that stands at least once.
function terms.some(x) return { occurs = x, min = 1, max = math.huge } end

--- An attribute that must not be there; with a tag, such a child.
function terms.never(tag)
  if tag then return { occurs = terms.node(tag, {}, terms.anything), min = 0, max = 0 } end
  return { never = true, optional = true, expected = "nothing", test = function() return false end }
end

local function either_kind(list)
  local expected = {}
  for i, x in ipairs(list) do
    list[i] = as_kind(x)
    expected[i] = list[i].expected
  end
  return kind(table.concat(expected, " or "), function(value)
    for i = 1, #list do
      if list[i].test(value) then return true end
    end
    return false
  end)
end

--- One of several kinds of attribute, or of several nodes; of nodes the first that fits.
function terms.either(...)
  local list = { ... }
  if is_kind(list[1]) then return either_kind(list) end
  return { choices = list }
end

-- A line that stands here though the official client would not write it so.
local function mark(who)
  return function(reason, x)
    assert(type(reason) == "string" and reason ~= "", "a marked line says why")
    local line = debug.getinfo(2, "Sl")
    terms.marks[#terms.marks + 1] = { who = who, reason = reason, where = ("%s:%d"):format(line.short_src, line.currentline) }
    return terms.maybe(x)
  end
end

--- Something Baileys lawfully sends and the official client does not: an attribute or child it adds, or a kind of value inside
-- `either`. It is never required.
terms.baileys = mark "baileys"

--- Something another sheet than 09 and 10 says is lawful.
terms.also = mark "also"

--- A node.
-- @string tag
-- @tparam ?table attrs name -> literal or kind
-- @tparam ?table content what `bytes` and its like return, or an array of nodes; nil: empty
-- @param ... rules of the whole node
function terms.node(tag, attrs, content, ...)
  local kinds = {}
  for name, x in pairs(attrs or {}) do kinds[name] = as_kind(x) end
  return { tag = tag, attrs = kinds, content = content, rules = { ... } }
end

--- Adds where a node's facts stand: "10 §10.5, 08 S-620". It holds for its children too.
function terms.shape(sheet, x) return copy(x, { sheet = sheet }) end

--- A node whose reader refuses attributes and children it does not know, whatever the direction.
function terms.closed(x) return copy(x, { closed = true }) end

--- A node of which only a part is known: more attributes and children are fine, whatever the direction.
function terms.open(x) return copy(x, { closed = false }) end

--- A rule over a whole node whose attributes and children are right: what must hold, fn(node) that tells whether it does, and the
-- sheet it stands in when that is not the node's.
function terms.rule(sentence, fn, sheet) return { sentence = sentence, holds = fn, sheet = sheet } end

--- A query: what the client asks, what it reads in the answer, and which errors it tells apart.
-- @string sheet
-- @param type "get" or "set"
-- @string xmlns
-- @tparam table parts asks = children of the request; target = kind of the request's attribute of this name, if it may have one;
--   to = its address where that is not the server;
--   answers = children of the result (nil: whatever is there is not read); answer_attrs = further attributes of the result;
--   errors = array of codes and "4xx", "5xx", or "any"; none without it
function terms.query(sheet, type, xmlns, parts)
  return {
    sheet = sheet, answers = parts.answers, answer_attrs = parts.answer_attrs, errors = parts.errors,
    request = terms.node("iq", {
      id = terms.id, to = parts.to or "s.whatsapp.net", type = type, xmlns = xmlns, target = parts.target and terms.maybe(parts.target),
    }, parts.asks),
  }
end

-- Contents.

--- Bytes: exactly n of them, or from..to.
function terms.bytes(from, to, ...)
  assert(select("#", ...) == 0)
  return { bytes = { from, to or from } }
end

--- At least one byte.
terms.some_bytes = { bytes = { 1, math.huge } }

--- Bytes, perhaps none.
terms.text_bytes = { bytes = { 0, math.huge } }

--- Content and attributes nobody looks into.
terms.anything = { anything = true }

-- Attributes.

--- Any text.
terms.text = kind("a text", function(value) return type(value) ~= "table" end)

--- An id: a text that is not empty.
terms.id = kind("an id", function(value) return value ~= "" end)

--- An id the server makes: of another form than those of clients, which have a dot (01 §6.1).
terms.server_id = kind("an id of the server's own, without a dot", function(value)
  return value ~= "" and not tostring(value):find(".", 1, true)
end)

local function is_int(value) return math.type(value) == "integer" or type(value) == "string" and value:find "^%d+$" ~= nil end

--- A decimal number from..to.
function terms.int(from, to)
  local expected = to and ("a number from %d to %d"):format(from, to) or ("a number from %d"):format(from)
  return kind(expected, function(value)
    if not is_int(value) then return false end
    local number = math.tointeger(tonumber(value))
    return number ~= nil and number >= from and (not to or number <= to)
  end)
end

--- Any decimal number.
terms.number = kind("a number", is_int)

--- Unix seconds.
terms.time = copy(terms.int(1000000000, 9999999999), { expected = "unix seconds" })

--- How often a queued stanza was sent: never an index over the queue (08 S-601).
terms.offline = terms.maybe(terms.int(0, 12))

--- A kind of its own: what it expects in words, and fn(value) -> boolean.
terms.kind = kind

--- One of these texts.
function terms.one_of(...)
  local list, known = { ... }, {}
  for _, value in ipairs(list) do known[value] = true end
  local head = table.concat(list, ", ", 1, #list - 1)
  return {
    expected = head .. " or " .. list[#list], fixed = true,
    test = function(value) return known[value] or known[tostring(value)] or false end,
  }
end

local REMEMBERED = 2000 -- JIDs of a kind whose verdict is kept: most stanzas name the same few

local function jid_kind(expected, test)
  local verdicts, count = {}, 0
  return kind(expected, function(value)
    local verdict = verdicts[value]
    if verdict ~= nil then return verdict end
    if type(value) ~= "string" then return false end
    local user, server, device = jid.parse(value)
    verdict = user ~= nil and test(user, server, device)
    if count >= REMEMBERED then verdicts, count = {}, 0 end
    verdicts[value], count = verdict, count + 1
    return verdict
  end)
end

local function is_pn(user, server) return server == "s.whatsapp.net" and user ~= "" end
local function is_lid(user, server) return server == "lid" and user ~= "" end
local function is_person(user, server) return user ~= "" and (server == "s.whatsapp.net" or server == "lid") end
local function bare(test) return function(user, server, device) return device == 0 and test(user, server) end end

terms.server = as_kind "s.whatsapp.net"
terms.pn_user = jid_kind("a phone number's JID without device", bare(is_pn))
terms.lid_user = jid_kind("a LID without device", bare(is_lid))
terms.user = jid_kind("a person's JID without device", bare(is_person))
terms.pn_device = jid_kind("a phone number's JID", is_pn)
terms.lid_device = jid_kind("a LID", is_lid)
terms.device = jid_kind("a person's JID", is_person)
terms.group = jid_kind("a group's JID", function(user, server) return server == "g.us" and user ~= "" end)
terms.chat = jid_kind("a chat's JID", function(user) return user ~= "" end)
terms.jid = jid_kind("a JID", function() return true end)

return terms
