--- Commands with files: sending one of each kind, and saving those that came.
-- @module moonpost.cli.chat.file
local dress = require "moonpost.bot.media"
local words = require "moonpost.cli.chat.words"

local wrong, parts = words.wrong, words.parts

local CAPTION = "PATH [| CAPTION]"

-- A kind that has a caption or none.
local function send(kind, takes_caption)
  return function(chat, text)
    local list = parts(text)
    if not list[1] then wrong "the path of a file is missing" end
    if #list > (takes_caption and 2 or 1) then wrong("'%s' is too much", list[#list]) end
    chat:say { [kind] = list[1], caption = list[2] }
  end
end

local videos = { mp4 = true, mov = true, ["3gp"] = true, mkv = true, webm = true }

-- A path in an album: a video by the ending of its name.
local function part(path)
  local ending = path:match "%.(%w+)$"
  return { [ending and videos[ending:lower()] and "video" or "image"] = path }
end

local function album(chat, text)
  local list = parts(text)
  if #list < 2 then wrong "at least two paths are given, with | between them" end
  for i, path in ipairs(list) do list[i] = part(path) end
  chat:say { album = list }
end

local function save(chat, text, m)
  if not m.media then wrong("%s is no file", chat.lines:name(m)) end
  local called, path = pcall(function() return dress(m, chat.client).media:download(text ~= "" and text or nil) end)
  if not called then words.need(nil, path) end
  chat:happened(("saved %s as %s"):format(chat.lines:name(m), path))
end

return {
  { name = "image", usage = CAPTION, about = "a picture", run = send("image", true) },
  { name = "video", usage = CAPTION, about = "a video", run = send("video", true) },
  { name = "gif", usage = CAPTION, about = "a video that plays by itself", run = send("gif", true) },
  { name = "round", usage = "PATH", about = "a video message", run = send "round_video" },
  { name = "audio", usage = "PATH", about = "a sound", run = send "audio" },
  { name = "voice", usage = "PATH", about = "a voice message", run = send "voice" },
  { name = "document", usage = CAPTION, about = "any file", run = send("document", true) },
  { name = "sticker", usage = "PATH", about = "a sticker", run = send "sticker" },
  { name = "album", usage = "PATH | PATH …", about = "pictures and videos together", run = album },
  { name = "save", target = "file", usage = "[PATH]", about = "saves a file that came, here or there", run = save },
}
