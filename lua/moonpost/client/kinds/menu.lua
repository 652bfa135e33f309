--- Menus of businesses (fact sheet 05 §11): buttons, lists, templates and native flows, in one readable form:
--
--     m.menu = { title, text, footer, button = the label that opens a list, choices = { {id, text, description, section, url, phone,
--       code, flow} }, cards = { menus of a carousel } }
--
-- The text is `m.text` as well. They are heard only: ordinary accounts cannot send menus that phones show (§11.4).
-- @module moonpost.client.kinds.menu
local decode = require "moonpost.client.kinds.json"
local limits = require "moonpost.client.limits"

local read = {}

local function show(m, kind, menu)
  m.kind, m.text, m.menu = kind, menu.text, menu
end

local function add(menu, choice)
  if #menu.choices < limits.CHOICES then menu.choices[#menu.choices + 1] = choice end
end

function read.buttonsMessage(content, m)
  local menu = { title = content.text, text = content.contentText, footer = content.footerText, choices = {} }
  for _, one in ipairs(content.buttons or {}) do
    add(menu, { id = one.buttonId, text = one.buttonText and one.buttonText.displayText })
  end
  show(m, "buttons", menu)
end

function read.listMessage(content, m)
  local menu = {
    title = content.title, text = content.description, footer = content.footerText, button = content.buttonText, choices = {},
  }
  for _, section in ipairs(content.sections or {}) do
    for _, row in ipairs(section.rows or {}) do
      add(menu, { id = row.rowId, text = row.title, description = row.description, section = section.title })
    end
  end
  for _, section in ipairs(content.productListInfo and content.productListInfo.productSections or {}) do
    for _, product in ipairs(section.products or {}) do add(menu, { id = product.productId, section = section.title }) end
  end
  show(m, "list", menu)
end

local function add_template_button(menu, one)
  local reply, url, call = one.quickReplyButton, one.urlButton, one.callButton
  if reply then add(menu, { id = reply.id, text = reply.displayText })
  elseif url then add(menu, { text = url.displayText, url = url.url })
  elseif call then add(menu, { text = call.displayText, phone = call.phoneNumber }) end
end

local function template_menu(template)
  local menu = {
    title = template.hydratedTitleText, text = template.hydratedContentText, footer = template.hydratedFooterText, choices = {},
  }
  for _, one in ipairs(template.hydratedButtons or {}) do add_template_button(menu, one) end
  return menu
end

-- A native flow's button: what it does stands in JSON.
local function add_flow_button(menu, one, budget)
  local params = decode(one.buttonParamsJson, budget) or {}
  local function text(name) return type(params[name]) == "string" and params[name] or nil end
  local function rows(value) return ipairs(type(value) == "table" and value or {}) end
  if one.name ~= "single_select" then
    return add(menu, { id = text "id", text = text "display_text", url = text "url", phone = text "phone_number", code = text "copy_code",
      flow = one.name })
  end
  menu.button = menu.button or text "title"
  for _, section in rows(params.sections) do
    for _, row in rows(type(section) == "table" and section.rows) do
      if type(row) == "table" then
        local function said(name) return type(row[name]) == "string" and row[name] or nil end
        add(menu, { id = said "id", text = said "title", description = said "description", flow = one.name,
          section = type(section.title) == "string" and section.title or nil })
      end
    end
  end
end

local function interactive_menu(content, depth, budget)
  local menu = {
    title = content.header and content.header.title, text = content.body and content.body.text,
    footer = content.footer and content.footer.text, choices = {},
  }
  for _, one in ipairs(content.nativeFlowMessage and content.nativeFlowMessage.buttons or {}) do
    if #menu.choices == limits.CHOICES then break end
    add_flow_button(menu, one, budget)
  end
  local cards = depth == 0 and content.carouselMessage and content.carouselMessage.cards
  for i, card in ipairs(cards or {}) do
    if i > limits.CHOICES then break end
    menu.cards = menu.cards or {}
    menu.cards[i] = interactive_menu(card, depth + 1, budget)
  end
  return menu
end

function read.interactiveMessage(content, m) show(m, "interactive", interactive_menu(content, 0, { spent = 0 })) end

function read.templateMessage(content, m)
  local template = content.hydratedTemplate or content.hydratedFourRowTemplate
  if template then return show(m, "template", template_menu(template)) end
  local interactive = content.interactiveMessageTemplate
  show(m, "template", interactive and interactive_menu(interactive, 0, { spent = 0 }) or { choices = {} })
end

--- A text of a business out of a catalogue of such, which only its phone knows; sometimes with what it comes to.
function read.highlyStructuredMessage(content, m)
  local hydrated = content.hydratedHsm and content.hydratedHsm.hydratedTemplate
  show(m, "template", hydrated and template_menu(hydrated) or { choices = {} })
end

return { read = read }
