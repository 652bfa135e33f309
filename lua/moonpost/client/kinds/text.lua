--- Texts: plain, or with something around them (fact sheet 05 §4.1, §15.7). Formatting is the writer's own characters (§15.9).
-- @module moonpost.client.kinds.text
local check = require "moonpost.client.kinds.check"

local read, build = {}, {}

function read.conversation(content, m) m.kind, m.text = "text", content end

-- The large picture of a preview: a file of its own, under the text's key (§15.3).
local function picture_of(content)
  if not content.thumbnailDirectPath then return nil end
  return { kind = "image", type = "thumbnail-link", mime = "image/jpeg", width = content.thumbnailWidth, height = content.thumbnailHeight,
    reference = {
      directPath = content.thumbnailDirectPath, mediaKey = content.mediaKey, mediaKeyTimestamp = content.mediaKeyTimestamp,
      fileSha256 = content.thumbnailSha256, fileEncSha256 = content.thumbnailEncSha256,
    } }
end

-- The preview of a link as its sender says it: nobody has looked whether the page is like that.
local function preview_of(content)
  if not (content.matchedText or ""):find "%S" then return nil end
  return {
    url = content.matchedText, title = content.title, description = content.description, thumbnail = content.jpegThumbnail,
    picture = picture_of(content),
  }
end

function read.extendedTextMessage(content, m) m.kind, m.text, m.preview = "text", content.text, preview_of(content) end

local function code_of(metadata)
  local parts = {}
  for _, block in ipairs(metadata and metadata.codeBlocks or {}) do parts[#parts + 1] = block.codeContent end
  return #parts > 0 and table.concat(parts) or nil
end

local function table_of(metadata)
  local rows = {}
  for _, row in ipairs(metadata and metadata.rows or {}) do rows[#rows + 1] = table.concat(row.items or {}, " | ") end
  return #rows > 0 and table.concat(rows, "\n") or nil
end

--- What an assistant answers: pieces, of which the words are the text (§4.14).
function read.richResponseMessage(content, m)
  local parts = {}
  for _, one in ipairs(content.submessages or {}) do
    parts[#parts + 1] = one.messageText or code_of(one.codeMetadata) or table_of(one.tableMetadata)
  end
  m.kind, m.text = "text", #parts > 0 and table.concat(parts, "\n") or nil
end

local preview_fields = { url = "string", title = "string", description = "string", thumbnail = "string", picture = "any" }

-- The first link of a text, without the punctuation of the sentence it ends.
local function first_link(text)
  local link = text:match "https?://[^%s<>\"]+"
  return link and link:match "^(.*[^.,;:!?')%]])"
end

-- The preview to send: given, or what the user's function makes of the first link; nil: none.
local function wanted_preview(spec, files)
  local what, given = "a text", spec.preview
  if type(given) == "function" then
    local link, fn = first_link(spec.text), given
    if link and files then given = files:once(fn, link) else given = link and fn(link) end
    if not given then return nil end
    check.value(what, "preview", given, "table")
    given.url = given.url or link
  end
  if not given then return nil end
  check.fields("a preview", given, preview_fields)
  local url = given.url or first_link(spec.text)
  if not url then check.wrong("a preview needs a link in the text") end
  if not spec.text:find(url, 1, true) then check.wrong("a preview: its 'url' is not in the text") end
  check.text("a preview", "title", given.title)
  return given, url
end

-- A preview's large picture, uploaded as a file of its own (§15.3).
local function add_picture(content, picture, files)
  if not files then check.wrong "a preview: a picture is sent with a message of its own" end
  local file = files:add("a preview", "picture", "preview", picture)
  local reference = file.reference
  content.thumbnailDirectPath, content.mediaKey, content.mediaKeyTimestamp = reference.directPath, reference.mediaKey,
    reference.mediaKeyTimestamp
  content.thumbnailSha256, content.thumbnailEncSha256 = reference.fileSha256, reference.fileEncSha256
  content.thumbnailWidth, content.thumbnailHeight = file.width, file.height
  content.jpegThumbnail = content.jpegThumbnail or file.thumbnail
end

--- { text = "hello", preview = { url =, title =, description =, thumbnail = JPEG bytes, picture = SOURCE } or fn(url) -> such a table, or
-- nil }
function build.text(spec, given)
  check.fields("a text", spec, { text = "string", preview = "table|function" })
  local text = check.text("a text", "text", spec.text)
  local preview, url = wanted_preview(spec, given.files)
  if not preview then return { conversation = text } end
  local content = {
    text = text, matchedText = url, title = preview.title, description = preview.description, jpegThumbnail = preview.thumbnail,
    previewType = "NONE",
  }
  if preview.picture ~= nil then add_picture(content, preview.picture, given.files) end
  return { extendedTextMessage = content }
end

return { read = read, build = build }
