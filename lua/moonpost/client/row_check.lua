--- Whether the client's rows can be read (moonpost.client.rows): for `moonpost store check`. What is of no kind known here is left
-- to the version that wrote it.
-- @module moonpost.client.row_check
local archive_rows = require "moonpost.client.archive_rows"
local core = require "moonpost.core"
local marks = require "moonpost.client.marks"
local rows = require "moonpost.client.rows"
local stored = require "moonpost.client.stored"
local proto = core.proto

local function decodes(type)
  return function(_, value)
    local row, err = proto.decode(type, value)
    return not row and "it cannot be decoded: " .. err.message or nil
  end
end

local function of_length(...)
  local lengths = { ... }
  return function(_, value)
    for _, length in ipairs(lengths) do
      if #value == length then return nil end
    end
    return "it is too long or too short"
  end
end

local function journal(key, value)
  local sequence, err = stored.journal(key, value)
  return not sequence and err.message or nil
end

local function outbox(key, value)
  if key:sub(1, 1) ~= "o" then return key:sub(1, 1) == "i" and of_length(8)(key, value) or nil end
  local row, err = stored.outbox(value)
  return not row and err.message or nil
end

local function timed(_, value) return #value < 8 and "it ends without its time" or nil end

local function delivered(_, value) return #value < 20 and "it ends before its times" or nil end

local function read_mark(_, value)
  local read, _, _, _, rest = pcall(string.unpack, rows.MARK, value)
  return not (read and rest) and "it does not say what was read" or nil
end

local function missing(key, value) return timed(key, value) or decodes "StoreMissing"(key, value:sub(1, -9)) end

local function message(key, value)
  if key:sub(1, 1) == "t" then return of_length(20)(key, value) end
  if key:sub(1, 1) == "a" then return not archive_rows.read_addon(value) and "it is no add-on of a message" or nil end
  local row, err = archive_rows.read(value)
  return not row and err.message or nil
end

-- A row of moonpost.client.ring, and, in a list of its own, where it stands.
local function recent(key, value)
  local list, what = key:sub(2, 2), { s = decodes "StoreSent", k = of_length(4) }
  if list == "n" then return of_length(8)(key, value) end
  local read, _, _, inner = pcall(string.unpack, rows.RECENT, value)
  if list ~= "q" or not read then return "it is no row of what is recent" end
  local check = what[key:sub(1, 1)]
  return check and check(key, inner)
end

local function told(_, value) return not marks.read(value) and "it does not say who was told a sender key" or nil end

local settings = {
  me = decodes "StoreMe", ["banned-until"] = function(_, value) return not value:find "^%d+$" and "it is no time" or nil end,
}
local dedupe = {
  r = of_length(40), u = missing, p = timed, q = timed, s = timed, t = timed, k = timed, d = delivered, m = read_mark, n = of_length(16),
}

local function appstate(key, value)
  local check = key:sub(1, 1) == "c" and decodes "StoreCollection" or key:sub(1, 1) == "r" and decodes "StoreRecord"
  return check and check(key, value) or nil
end

local function history(key, value)
  local check = key:sub(1, 1) == "j" and (#key ~= 9 and of_length() or decodes "StoreHistory")
  return check and check(key, value) or nil
end

-- By table: fn(key without its scope, value) -> nil, or what is wrong.
local tables = {
  setting = function(key, value) return settings[key] and settings[key](key, value) end,
  dedupe = function(key, value)
    local check = dedupe[key:sub(1, 1)]
    return check and check(key, value)
  end,
  journal = journal, outbox = outbox, secret = of_length(40), ["device-list"] = decodes "StoreDevices", group = decodes "StoreGroup",
  message = message,
  lid = function(_, value) return not value:find "^%d+$" and "it is no number" or nil end,
  ["appstate-key"] = decodes "Message.AppStateSyncKeyData", recent = recent, told = told, appstate = appstate,
  token = decodes "StoreToken", history = history,
}

--- What is wrong with a row; nil when nothing is.
-- @string table_name
-- @string key with its account's scope
-- @string value
return function(table_name, key, value)
  local check = tables[table_name]
  local own = key:match "^[^%z]*%z(.*)$"
  if not check then return nil end
  if not own then return "its key names no account" end
  return check(own, value)
end
