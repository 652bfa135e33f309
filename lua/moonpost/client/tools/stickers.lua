--- What a sticker says of the pack it is from (fact sheet 05 §15.6).
-- @module moonpost.client.tools.stickers
local core = require "moonpost.core"
local json = require "moonpost.client.kinds.json"

local stickers = {}

local EMOJIS = 16 -- of a sticker that is read; apps allow three

-- "no-tools" where the library is missing, whatever was asked.
local function missing()
  local ok, err = core.media.sticker_library()
  if not ok then return core.error("no-tools", "packs of stickers need libwebpmux: " .. err.message) end
end

local function text(value) return type(value) == "string" and value ~= "" and value or nil end

--- See moonpost.client.media_tools, as for the one below.
function stickers.read(webp)
  local err = missing()
  if err then return nil, err end
  local said
  said, err = core.media.sticker_read(webp)
  if not said then return nil, err end
  local found = json(said)
  if not found then return nil, core.error("malformed", "what the sticker says of its pack is no JSON") end
  local emojis = {}
  for i, emoji in ipairs(type(found.emojis) == "table" and found.emojis or {}) do
    if i > EMOJIS then break end
    emojis[#emojis + 1] = text(emoji)
  end
  return {
    id = text(found["sticker-pack-id"]), name = text(found["sticker-pack-name"]), publisher = text(found["sticker-pack-publisher"]),
    emojis = emojis,
  }
end

-- Stickers of one name and publisher are of one pack.
local function id_of(pack)
  return core.crypto.hex(core.crypto.sha256((pack.name or "") .. "\0" .. (pack.publisher or ""))):sub(1, 32)
end

function stickers.write(webp, pack)
  local err = missing()
  if err then return nil, err end
  local encode = require("cjson.safe").encode
  -- An empty list would become an object.
  local emojis = pack.emojis and #pack.emojis > 0 and pack.emojis or nil
  return core.media.sticker_write(webp, assert(encode {
    ["sticker-pack-id"] = pack.id or id_of(pack), ["sticker-pack-name"] = pack.name or "",
    ["sticker-pack-publisher"] = pack.publisher or "", emojis = emojis,
  }))
end

return stickers
