-- Prints the past it is given, one JSON object a line: {kind = "page", …}; of its first chat with more on the phone also seven older
-- messages.
local json = require "cjson.safe"
local moonpost = require "moonpost"
local bot = moonpost.bot { store = "history-state", name = arg[1] }

local function print_page(page)
  local messages = {}
  for i, m in ipairs(page.messages) do
    messages[i] = { id = m.id, text = m.kind == "text" and not m.edited and m.text or nil, from_me = m.from_me, time = m.time }
  end
  io.stdout:write(json.encode {
    kind = "page", type = page.type, chat = page.chat, name = page.name, progress = page.progress, done = page.done, messages = messages,
    more = page.more,
  }, "\n")
  io.stdout:flush()
end

local asked
bot:on("history", function(page)
  print_page(page)
  if asked or not page.more or page.type ~= "recent" then return end
  asked = true
  print_page(bot:history(page.chat, { before = page.messages[#page.messages], count = 7 }))
end)
bot:run()
