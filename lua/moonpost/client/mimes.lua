--- What kind of file something is: by its first bytes, by the ending of its name, and the ending a file of a type has.
-- @module moonpost.client.mimes
local mimes = {}

mimes.OPUS = "audio/ogg; codecs=opus" -- of voice messages, with this one space (fact sheet 05 §4.4)

-- By the ending of a name. Of a type with several endings the first is the one it is given.
local endings = {
  { "jpg", "image/jpeg" }, { "jpeg", "image/jpeg" }, { "png", "image/png" }, { "webp", "image/webp" }, { "gif", "image/gif" },
  { "heic", "image/heic" }, { "avif", "image/avif" }, { "bmp", "image/bmp" }, { "tiff", "image/tiff" }, { "tif", "image/tiff" },
  { "svg", "image/svg+xml" },
  { "mp4", "video/mp4" }, { "m4v", "video/mp4" }, { "3gp", "video/3gpp" }, { "mov", "video/quicktime" }, { "webm", "video/webm" },
  { "mkv", "video/x-matroska" }, { "avi", "video/x-msvideo" },
  { "mp3", "audio/mpeg" }, { "m4a", "audio/mp4" }, { "aac", "audio/aac" }, { "amr", "audio/amr" }, { "ogg", "audio/ogg" },
  { "opus", mimes.OPUS }, { "wav", "audio/wav" }, { "flac", "audio/flac" },
  { "pdf", "application/pdf" }, { "zip", "application/zip" }, { "gz", "application/gzip" }, { "json", "application/json" },
  { "xml", "application/xml" }, { "txt", "text/plain" }, { "log", "text/plain" }, { "md", "text/markdown" }, { "csv", "text/csv" },
  { "html", "text/html" }, { "htm", "text/html" }, { "css", "text/css" }, { "lua", "text/x-lua" }, { "vcf", "text/vcard" },
  { "ics", "text/calendar" }, { "rtf", "application/rtf" }, { "epub", "application/epub+zip" },
  { "apk", "application/vnd.android.package-archive" }, { "was", "application/was" },
  { "doc", "application/msword" }, { "xls", "application/vnd.ms-excel" }, { "ppt", "application/vnd.ms-powerpoint" },
  { "docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document" },
  { "xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" },
  { "pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation" },
  { "odt", "application/vnd.oasis.opendocument.text" }, { "ods", "application/vnd.oasis.opendocument.spreadsheet" },
  { "odp", "application/vnd.oasis.opendocument.presentation" },
}

local by_ending, by_type = {}, {}
for _, row in ipairs(endings) do
  by_ending[row[1]] = row[2]
  local bare = row[2]:match "^[^;]+"
  by_type[bare] = by_type[bare] or row[1]
end

mimes.HEAD = 64 -- bytes of a file that are looked at

-- By the "brand" of a file of the MP4 family; others are videos.
local brands = { M4A = "audio/mp4", M4B = "audio/mp4", qt = "video/quicktime", heic = "image/heic", heix = "image/heic",
  mif1 = "image/heic", avif = "image/avif" }

local function of_brand(brand)
  brand = brand:gsub("%s+$", "")
  return brands[brand] or brand:find "^3g" and "video/3gpp" or "video/mp4"
end

-- What the first bytes say: a pattern, and the type or fn(head) -> type.
local marks = {
  { "^\xff\xd8\xff", "image/jpeg" }, { "^\x89PNG\r\n\x1a\n", "image/png" }, { "^GIF8[79]a", "image/gif" },
  { "^RIFF....WEBP", "image/webp" }, { "^RIFF....WAVE", "audio/wav" }, { "^RIFF....AVI ", "video/x-msvideo" },
  { "^....ftyp", function(head) return of_brand(head:sub(9, 12)) end },
  { "^\x1a\x45\xdf\xa3", function(head) return head:find("webm", 1, true) and "video/webm" or "video/x-matroska" end },
  { "^OggS", function(head) return head:find("OpusHead", 1, true) and mimes.OPUS or "audio/ogg" end },
  { "^ID3", "audio/mpeg" }, { "^\xff[\xe2\xe3\xf2\xf3\xfa\xfb]", "audio/mpeg" }, { "^\xff[\xf0\xf1\xf8\xf9]", "audio/aac" },
  { "^fLaC", "audio/flac" }, { "^#!AMR", "audio/amr" }, { "^%%PDF%-", "application/pdf" },
}

--- The type of a file by its first bytes.
-- @string head its first bytes, mimes.HEAD are enough
-- @treturn ?string nil: they tell nothing
function mimes.of_bytes(head)
  for _, mark in ipairs(marks) do
    if head:find(mark[1]) then
      if type(mark[2]) == "function" then return mark[2](head) end
      return mark[2]
    end
  end
end

--- The type of a file by the ending of its name.
-- @string name
-- @treturn ?string nil: it has none, or one that is not known
function mimes.of_name(name)
  local ending = name:match "%.(%w+)$"
  return ending and by_ending[ending:lower()]
end

--- The ending of a file of a type, without a dot.
-- @tparam ?string mime
-- @treturn ?string nil: the type is not known
function mimes.ending(mime)
  local bare = mime and mime:match "^%s*([^;%s]+)"
  return bare and by_type[bare:lower()]
end

return mimes
