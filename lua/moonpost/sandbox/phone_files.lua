--- The files of a simulated phone (fact sheets 05 §13, §14.5, §17, 08 S-836): it encrypts what it sends, opens what it gets, and keeps
-- both, so that it can put a file on the media host again for a companion that has come too late.
-- @module moonpost.sandbox.phone_files
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"

local media, proto = core.media, core.proto

local SLICE = 64 * 1024
local KEPT_MAX = 1000            -- files of a phone, as many as messages
local BYTES_MAX = 4 * 1024 ^ 3   -- and their bytes
local OPEN_MAX = 256 * 1024 ^ 2  -- of a file that is read in one piece

local phone_files = {}

-- Bytes of a source, piece by piece: fn() -> bytes | nil.
local function pieces_of(source)
  if type(source) == "function" then return source end
  if type(source) == "string" then source = { file = source } end
  if source.bytes then
    local at = 1
    return function()
      local piece = source.bytes:sub(at, at + SLICE - 1)
      at = at + SLICE
      return piece ~= "" and piece or nil
    end
  end
  local file, why = io.open(source.file, "rb")
  if not file then return nil, core.error("file", tostring(why)) end
  return function()
    local piece = file:read(SLICE)
    if not piece then file:close() end
    return piece
  end
end

-- Encrypts a source into the host's store: the object, its key, what is told of it.
local function encrypt(sandbox, source, kind)
  local next_piece, err = pieces_of(source)
  if not next_piece then return nil, err end
  local key, writer = core.crypto.random(32), sandbox.media:begin("", 0)
  local encryptor = assert(media.encryptor(key, kind))
  local ok = true
  for piece in next_piece do
    if ok then ok, err = writer:write(assert(encryptor:update(piece))) end
  end
  local last, told = encryptor:finish()
  if ok then ok, err = writer:write(last) end
  if not ok then
    writer:discard()
    return nil, err
  end
  local object
  object, err = sandbox.media:finish(told.fileEncSha256, writer)
  if not object then return nil, err end
  return object, key, told
end

--- A phone puts a file on the media host.
-- @param source { bytes = }, { file = path }, a path, or fn() -> bytes | nil
-- @string kind "image", "video", "audio", "document", "md-msg-hist", "md-app-state", …
-- @treturn ?table url, directPath, mediaKey, mediaKeyTimestamp, fileSha256, fileEncSha256, fileLength, streamingSidecar
-- @treturn ?table err
function phone_files.upload(sandbox, source, kind)
  local object, key, told = encrypt(sandbox, source, kind)
  if not object then return nil, key end
  local path = sandbox.media:link(object, kind)
  return {
    url = ("https://%s%s&mms3=true"):format(sandbox.media_address, path), directPath = path, mediaKey = key,
    mediaKeyTimestamp = sandbox.time(), fileSha256 = told.fileSha256, fileEncSha256 = told.fileEncSha256, fileLength = told.fileLength,
    streamingSidecar = told.streamingSidecar,
  }
end

-- Lets go of the oldest files, while there are too many.
local function make_room(self)
  while self.files.count > KEPT_MAX or self.files.bytes > BYTES_MAX do
    local id = self.files.order[self.files.first]
    self.files.order[self.files.first] = nil
    self.files.first = self.files.first + 1
    if id then phone_files.forget(self, id) end
  end
end

--- A phone keeps the file of a message, if it has one that is on the host. Nothing is copied: the host keeps the bytes for it.
-- @tparam table self phone
-- @string id of the message
-- @tparam table file as of phone_kinds.file; of a peer message's, { type, reference }
function phone_files.keep(self, id, file)
  self.files = self.files or { by_id = {}, order = {}, first = 1, last = 0, count = 0, bytes = 0 }
  local store = self.sandbox.media
  local object = store:object(file.reference.fileEncSha256 or "") or store:object(file.reference.fileSha256 or "")
  if self.files.by_id[id] then return end
  local one = { file = file, object = object }
  self.files.by_id[id] = one
  self.files.last = self.files.last + 1
  self.files.order[self.files.last] = id
  self.files.count = self.files.count + 1
  if object then
    store:hold(object)
    self.files.bytes = self.files.bytes + object.size
  end
  make_room(self)
end

-- What a phone knows of the file of a message.
local function known(self, id) return self.files and self.files.by_id[id] end

--- A phone loses the file of a message, but not the message.
-- @treturn boolean whether it had it
function phone_files.lose(self, id)
  local one = known(self, id)
  if not one or not one.object then return false end
  self.files.bytes = self.files.bytes - one.object.size
  self.sandbox.media:let_go(one.object)
  one.object = nil
  return true
end

--- A phone forgets the message too.
function phone_files.forget(self, id)
  local one = known(self, id)
  if not one then return false end
  phone_files.lose(self, id)
  self.files.by_id[id] = nil
  self.files.count = self.files.count - 1
  return true
end

-- The object of a reference: by its link, as anybody finds it, else the one that is kept.
local function find(self, reference, kept)
  local name, query = (reference.directPath or ""):match "^/v/[^/]+/([^/&?]+)%.enc%??(.*)$"
  local object, status, why
  if name then
    object, status, why = self.sandbox.media:find(name, { oh = query:match "oh=([^&]+)", oe = query:match "oe=([^&]+)" })
  end
  object = object or kept
  if object then return object end
  return nil, core.error("media-gone", ("the media host answers %d: %s"):format(status or 404, why or "no link"))
end

-- All of an object through a decryptor.
local function decrypt(decryptor, reader, size)
  local pieces, offset = {}, 0
  while offset < size do
    local bytes, err = reader:read(offset, SLICE)
    if not bytes then return nil, err end
    offset = offset + #bytes
    pieces[#pieces + 1], err = decryptor:update(bytes)
    if err then return nil, err end
  end
  local last, err = decryptor:finish()
  if not last then return nil, err end
  return table.concat(pieces) .. last
end

--- The bytes of a message's file, checked as by any client.
-- @tparam table self phone
-- @string id of the message
-- @tparam table file as of phone_kinds.file
-- @treturn ?string
-- @treturn ?table err
function phone_files.bytes(self, id, file)
  local one = known(self, id)
  local object, err = find(self, file.reference, one and one.object)
  if not object then return nil, err end
  if object.size > OPEN_MAX then return nil, core.error("limit", "the file is too large to be opened in one piece") end
  local reader
  reader, err = self.sandbox.media:open(object)
  if not reader then return nil, err end
  local reference = {}
  for _, name in ipairs { "mediaKey", "fileSha256", "fileEncSha256", "fileLength" } do reference[name] = file.reference[name] end
  reference.type, reference.strict = file.type, true
  local bytes
  local decryptor
  decryptor, err = media.decryptor(reference)
  if decryptor then bytes, err = decrypt(decryptor, reader, object.size) end
  reader:close()
  return bytes, err
end

-- What a companion asks for, opened: the key of the file, and whether the request is sound.
local function open_request(node, one)
  local encrypt_node = stanza.child(node, "encrypt")
  if not encrypt_node then return true end
  local plaintext = media.retry_open(one.file.reference.mediaKey, node.attrs.id, stanza.bytes(encrypt_node, "enc_iv") or "",
    stanza.bytes(encrypt_node, "enc_p") or "")
  local receipt = plaintext and proto.decode("ServerErrorReceipt", plaintext)
  return receipt ~= nil and (receipt.stanzaId or node.attrs.id) == node.attrs.id
end

local function sealed(key, id, result, path)
  local bytes = assert(proto.encode("MediaRetryNotification", { stanzaId = id, result = result, directPath = path }))
  local enc_p, enc_iv = assert(media.retry_seal(key, id, bytes))
  return stanza.node("encrypt", nil, { stanza.node("enc_p", nil, enc_p), stanza.node("enc_iv", nil, enc_iv) })
end

-- What a phone says to a request: where the file is now, or why it is nowhere.
local function answer_of(self, node)
  local one = known(self, node.attrs.id)
  if not one or not one.file.reference.mediaKey then return stanza.node("error", { code = "2" }) end
  local key, id = one.file.reference.mediaKey, node.attrs.id
  if not open_request(node, one) then return sealed(key, id, "DECRYPTION_ERROR") end
  if not one.object then return sealed(key, id, "NOT_FOUND") end
  local path = self.sandbox.media:link(one.object, one.file.type, true)
  one.file.reference.directPath = path
  return sealed(key, id, "SUCCESS", path)
end

--- A companion asks its phone for a file that is gone from the host.
-- @tparam table self phone
-- @tparam table device the companion
-- @tparam table node its receipt
function phone_files.retry(self, device, node)
  local asked = stanza.child(node, "rmr")
  local rmr = asked and stanza.node("rmr", {
    jid = asked.attrs.jid, from_me = asked.attrs.from_me, participant = asked.attrs.participant,
  })
  local answer = answer_of(self, node)
  device.queue:push(stanza.node("notification", {
    type = "mediaretry", id = node.attrs.id, from = self.account:jid(), t = self.sandbox.time(),
    participant = asked and asked.attrs.participant,
  }, rmr and { rmr, answer } or answer))
end

return phone_files
