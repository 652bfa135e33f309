--- Media retry: the own phone is asked to upload a file again that the hosts have no more (fact sheet 05 §14.5, 04 §12.6).
--
--     <receipt id to="own account" type="server-error" [category="peer"]>
--       <encrypt><enc_p/><enc_iv/></encrypt> [<rmr jid from_me [participant]/>]
--     </receipt>
--     <notification id type="mediaretry" from="own account"><encrypt>…</encrypt> or <error code/> [<rmr/>]</notification>
--
-- A question is known by the message's id, and asked once however many wait for its answer. Answers nobody waits for are passed over.
-- @module moonpost.client.media_retry
local attributes = require "moonpost.client.attrs"
local core = require "moonpost.core"
local stanza = require "moonpost.stanza"
local task = require "moonpost.task"
local urls = require "moonpost.client.media_url"

local jid, media, net, proto = core.wire.jid, core.media, core.net, core.proto

local ANSWER_SECONDS = 45 -- the phone may answer much later, or never
local ONLINE_SECONDS = 60

local NOT_ON_PHONE = 2 -- the code of an error, and the result NOT_FOUND

local Retry = {}
Retry.__index = Retry

local function gone() return nil, core.error("media-gone", "the media hosts have the file no more, and the phone has not got it either") end

local function phone(text, ...) return nil, core.error("media-phone", text:format(...)) end

-- What asks for a file, sealed with the file's own key.
local function question(self, reference, message)
  local sealed, iv = media.retry_seal(reference.mediaKey, message.id, assert(proto.encode("ServerErrorReceipt", { stanzaId = message.id })))
  local content = { stanza.node("encrypt", nil, { stanza.node("enc_p", nil, sealed), stanza.node("enc_iv", nil, iv) }) }
  if not message.peer then
    local _, server = jid.parse(message.chat)
    content[2] = stanza.node("rmr", {
      jid = message.chat, from_me = message.from_me and "true" or "false",
      participant = (server == "g.us" or server == "broadcast") and message.sender or nil,
    })
  end
  return stanza.node("receipt", {
    id = message.id, to = jid.bare(self.client.me.jid), type = "server-error", category = message.peer and "peer" or nil,
  }, content)
end

local results = {
  GENERAL_ERROR = function() return phone "the phone could not upload the file again" end,
  NOT_FOUND = gone,
  DECRYPTION_ERROR = function() return phone "the phone could not read what it was asked" end,
}

-- What a sealed answer says.
local function read_sealed(node, asked)
  local sealed, iv = stanza.bytes(node, "enc_p"), stanza.bytes(node, "enc_iv")
  local opened = sealed and iv and media.retry_open(asked.key, asked.id, iv, sealed)
  local answer = opened and proto.decode("MediaRetryNotification", opened)
  if not answer then return phone "the phone's answer cannot be opened" end
  if answer.stanzaId and answer.stanzaId ~= asked.id then return phone "the phone's answer is about another message" end
  local result = answer.result or "GENERAL_ERROR"
  if result ~= "SUCCESS" then return (results[result] or results.GENERAL_ERROR)() end
  if not urls.is_path(answer.directPath) then return phone "the phone's answer names no place" end
  return answer.directPath
end

local function read(node, asked)
  local sealed, wrong = stanza.child(node, "encrypt"), stanza.child(node, "error")
  if sealed then return read_sealed(sealed, asked) end
  if wrong and tonumber(wrong.attrs.code) == NOT_ON_PHONE then return gone() end
  return phone("the phone could not upload the file again (error %s)", wrong and tostring(wrong.attrs.code) or "unknown")
end

--- A notification `mediaretry`; inside its transaction.
function Retry:notification(node)
  local lids, asked = self.client.lids, self.asked[node.attrs.id]
  local from = attributes.bare(node, "from")
  if not asked or lids:stable(from) ~= lids:stable(jid.bare(self.client.me.jid)) then
    return self.client.log:debug("an answer to a media retry of message %s is passed over: nobody waits for it", node.attrs.id)
  end
  local path, err = read(node, asked)
  self.client.store:after_commit(function() asked.done(path, err) end)
end

-- Asks, and waits. The first to ask sends; who comes meanwhile waits with it, and goes on when its task is cancelled.
local function wait(self, asked, seconds)
  local timer, mine
  local guard <close> = setmetatable({}, { __close = function()
    if timer then timer:stop() end
    if mine then asked.waiting[mine] = nil end
    if next(asked.waiting) == nil and self.asked[asked.id] == asked then self.asked[asked.id] = nil end
  end })
  local path, err = task.await(function(resume)
    mine = resume
    asked.waiting[resume] = true
    timer = net.timer(seconds, function() resume(phone("the phone has not answered within %g s", seconds)) end)
  end)
  return guard and path, err
end

--- Asks the phone to upload a file again. In a task.
-- @tparam table reference its mediaKey; gets its new directPath, and loses its url: that is of the old one
-- @tparam table message { chat =, id =, sender =, from_me = }, or { id =, peer = true } for a blob of the phone's own
-- @treturn ?string directPath
-- @treturn ?table err code "media-gone", "media-phone", "closed"
function Retry:ask(reference, message)
  if not self.asked[message.id] then
    local online, err = self.client.connection:wait_online(ONLINE_SECONDS)
    if not online then return nil, err end
  end
  local asked = self.asked[message.id] -- another may have asked meanwhile
  if not asked then
    asked = { id = message.id, key = reference.mediaKey, waiting = {} }
    function asked.done(path, why)
      self.asked[asked.id] = nil
      for resume in pairs(asked.waiting) do resume(path, why) end
    end
    local sent, err = self.client.connection:send(question(self, reference, message))
    if not sent then return nil, err end
    self.asked[message.id] = asked
  end
  local path, err = wait(self, asked, self.seconds)
  if not path then return nil, err end
  reference.directPath, reference.url = path, nil
  return path
end

--- The client is closed: nobody waits any more.
-- @tparam table err
function Retry:stop(err)
  local list = {}
  for _, asked in pairs(self.asked) do list[#list + 1] = asked end
  for _, asked in ipairs(list) do asked.done(nil, err) end
end

return function(client) return setmetatable({ client = client, asked = {}, seconds = ANSWER_SECONDS }, Retry) end
