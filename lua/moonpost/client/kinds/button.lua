--- Answers to menus (fact sheet 05 §11.2): `m.button = {id, text}`; `text` is `m.text` too.
-- @module moonpost.client.kinds.button
local check = require "moonpost.client.kinds.check"
local decode = require "moonpost.client.kinds.json"
local messages = require "moonpost.client.messages"

local read, build = {}, {}

local function answer(m, button) m.kind, m.button, m.text = "button", button, button.text end

function read.buttonsResponseMessage(content, m)
  answer(m, { id = content.selectedButtonId, text = content.selectedDisplayText })
end

function read.templateButtonReplyMessage(content, m)
  answer(m, { id = content.selectedId, text = content.selectedDisplayText, index = content.selectedIndex })
end

function read.listResponseMessage(content, m)
  local reply = content.singleSelectReply
  answer(m, { id = reply and reply.selectedRowId, text = content.title, description = content.description })
end

--- The answer to a native flow: its JSON has the id where it is that of a button or a row.
function read.interactiveResponseMessage(content, m)
  local flow = content.nativeFlowResponseMessage or {}
  local params = decode(flow.paramsJson)
  local id = params and params.id
  answer(m, {
    id = (type(id) == "string" or type(id) == "number") and tostring(id) or nil, text = content.body and content.body.text,
    flow = flow.name, params = params,
  })
end

-- Each by the field of the menu that is answered: fn(button) -> Message.
local answers = {}

function answers.buttonsMessage(button)
  return { buttonsResponseMessage = { selectedButtonId = button.id, selectedDisplayText = button.text, type = "DISPLAY_TEXT" } }
end

function answers.listMessage(button)
  return { listResponseMessage = {
    title = button.text, listType = "SINGLE_SELECT", singleSelectReply = { selectedRowId = button.id }, description = button.description,
  } }
end

function answers.templateMessage(button)
  return { templateButtonReplyMessage = { selectedId = button.id, selectedDisplayText = button.text, selectedIndex = button.index } }
end

function answers.interactiveMessage(button)
  local params = require("cjson.safe").encode { id = button.id }
  return { interactiveResponseMessage = { body = { text = button.text, format = "DEFAULT" }, nativeFlowResponseMessage = {
    name = button.flow or "quick_reply", paramsJson = params, version = 1,
  } } }
end

local fields = { id = "string", text = "string", description = "string", index = "integer", flow = "string" }

--- { button = { id =, text = } }, as an answer to a menu: one of its choices
function build.button(spec, given)
  local what, button = "an answer to a menu", spec.button
  check.fields(what, spec, { button = "table" })
  local copy = {}
  for name in pairs(fields) do copy[name] = button[name] end
  check.fields(what, copy, fields)
  check.text(what, "id", copy.id)
  check.text(what, "text", copy.text)
  local menu = given.quote and messages.content(messages.unwrap(given.quote.message or {}))
  local make = menu and answers[menu]
  if not make then check.wrong("%s: it quotes the menu (buttons, a list, a template or interactive)", what) end
  return make(copy)
end

return { read = read, build = build }
