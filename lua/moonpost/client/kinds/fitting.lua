--- What is refused of a message that could be read: a content that does not fit its stanza, or that lacks what makes it one (fact sheet 09
-- §5.5, §5.6). A stanza that brings a message again may have lost what it said of it: that is no reason.
-- @module moonpost.client.kinds.fitting
local core = require "moonpost.core"
local limits = require "moonpost.client.limits"
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"

local jid = core.wire.jid

local IV, TAG = 12, 16 -- bytes of what is encrypted under a message's secret (05 §9)

-- By the field that holds the content, and for some by its type: what its stanza and its <meta> say.
local stanzas = {
  reactionMessage = { type = "reaction" }, encReactionMessage = { type = "reaction" },
  pollUpdateMessage = { type = "poll", polltype = "vote" },
  pinInChatMessage = { edit = "2" },
  editedMessage = { edit = "1" },
  encEventResponseMessage = { type = "event", event_type = "response" },
  protocolMessage = { MESSAGE_EDIT = { edit = "1" }, GROUP_MEMBER_LABEL_CHANGE = { appdata = "member_tag" } },
  secretEncryptedMessage = {
    MESSAGE_EDIT = { edit = "1" }, EVENT_EDIT = { type = "event", event_type = "edit" }, POLL_EDIT = { type = "poll", polltype = "edit" },
  },
}

local type_field = { protocolMessage = "type", secretEncryptedMessage = "secretEncType" }

local of_stanza = { type = true, edit = true } -- the others are of <meta>

-- Which attribute of the stanza does not fit; nil when all do.
local function misfit(node, name, content, again)
  local wanted = stanzas[name]
  if type_field[name] then wanted = wanted[content[type_field[name]]] end
  if not wanted then return nil end
  local meta = stanza.child(node, "meta")
  for attr, value in pairs(wanted) do
    local said
    if of_stanza[attr] then said = node.attrs[attr] else said = meta and meta.attrs[attr] end
    if said ~= value and not (again and said == nil) then
      if said == nil then return ("the stanza lacks %s=\"%s\""):format(attr, value) end
      return ("the stanza's %s=\"%s\" does not go with it"):format(attr, said)
    end
  end
end

local function points_at(key) return key ~= nil and (key.id or "") ~= "" end

local function sealed(content, key)
  if not points_at(content[key]) then return "it does not say which message it is about" end
  if #(content.encIv or "") ~= IV then return ("its IV has %d bytes"):format(#(content.encIv or "")) end
  if #(content.encPayload or "") < TAG then return "it holds nothing" end
end

local contents = {}

function contents.reactionMessage(content)
  if not points_at(content.key) then return "it does not say which message it is about" end
  if #(content.text or "") > limits.REACTION then return ("its text has %d bytes"):format(#content.text) end
  if not content.senderTimestampMs then return "it has no time" end
end

local pin_seconds = { [86400] = true, [604800] = true, [2592000] = true }
local pin_types = { PIN_FOR_ALL = true, UNPIN_FOR_ALL = true }

function contents.pinInChatMessage(content, message)
  if not points_at(content.key) then return "it does not say which message it is about" end
  if not pin_types[content.type or ""] then return "it neither pins nor unpins" end
  if not content.senderTimestampMs then return "it has no time" end
  local seconds = (message.messageContextInfo or {}).messageAddOnDurationInSecs
  if content.type == "PIN_FOR_ALL" and seconds and not pin_seconds[seconds] then
    return ("nothing is pinned for %d seconds"):format(seconds)
  end
end

local function edit(protocol)
  if protocol.type ~= "MESSAGE_EDIT" then return nil end
  if not points_at(protocol.key) then return "it does not say which message it is about" end
  if not protocol.editedMessage then return "it has no new content" end
  if not protocol.timestampMs then return "it has no time" end
end

contents.protocolMessage = edit

function contents.editedMessage(content)
  local protocol = content.message and content.message.protocolMessage
  if not protocol or protocol.type ~= "MESSAGE_EDIT" then return "it holds no edit" end
  return edit(protocol)
end

function contents.encReactionMessage(content) return sealed(content, "targetMessageKey") end
function contents.encCommentMessage(content) return sealed(content, "targetMessageKey") end
function contents.secretEncryptedMessage(content) return sealed(content, "targetMessageKey") end
function contents.encEventResponseMessage(content) return sealed(content, "eventCreationMessageKey") end

function contents.eventMessage(content)
  if (content.name or "") == "" then return "the event has no name" end
  if not content.startTime then return "the event has no time" end
end

function contents.contactsArrayMessage(content)
  local count = #(content.contacts or {})
  if count == 0 or count > limits.CONTACTS then return ("it has %d contacts"):format(count) end
end

local function newsletter(content)
  local user, server = jid.parse(content.newsletterJid or "")
  if server ~= "newsletter" or user == "" then return "it names no channel" end
  if (content.newsletterName or "") == "" then return "the channel has no name" end
end

contents.newsletterFollowerInviteMessageV2 = newsletter

function contents.newsletterAdminInviteMessage(content)
  return newsletter(content) or not content.inviteExpiration and "it does not say until when" or nil
end

--- Why a message that came is refused.
-- @tparam table node its stanza
-- @tparam table content Message without its wrappers
-- @bool again whether it was brought again
-- @treturn ?string a sentence; nil: it is not
return function(node, content, again)
  local name = messages.content(content)
  local value = name and content[name]
  local wrong = stanzas[name] and misfit(node, name, value, again)
  local check = contents[name]
  return wrong or check and check(value, content) or nil
end
