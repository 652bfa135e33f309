--- Cards that invite: into a group (fact sheet 05 §4.9), to follow or to run a channel (§4.13).
-- @module moonpost.client.kinds.invite
local check = require "moonpost.client.kinds.check"
local core = require "moonpost.core"
local moment = require "moonpost.client.kinds.moment"

local jid = core.wire.jid

local read, build = {}, {}

function read.groupInviteMessage(content, m)
  m.kind, m.text = "invite", content.caption
  m.invite = {
    group = content.groupJid, code = content.inviteCode, expires = moment.read(content.inviteExpiration), subject = content.groupName,
  }
end

local function newsletter(admin)
  return function(content, m)
    m.kind, m.text = "newsletter_invite", content.caption
    m.invite = {
      newsletter = content.newsletterJid, name = content.newsletterName, expires = moment.read(content.inviteExpiration), admin = admin,
    }
  end
end

read.newsletterAdminInviteMessage, read.newsletterFollowerInviteMessageV2 = newsletter(true), newsletter(false)

local fields = { group = "string", code = "string", expires = "integer", subject = "string", thumbnail = "string" }

--- { invite = { group = JID, code =, expires = Unix seconds, subject = }, text = "…" }: for somebody who could not be added
function build.invite(spec)
  local what, invite = "an invite", spec.invite
  check.fields(what, spec, { invite = "table", text = "string" })
  check.fields(what, invite, fields)
  local user, server = jid.parse(check.text(what, "group", invite.group))
  if not user or user == "" or server ~= "g.us" then check.wrong("%s: '%s' is no group's JID", what, invite.group) end
  return { groupInviteMessage = {
    groupJid = invite.group, inviteCode = check.text(what, "code", invite.code),
    inviteExpiration = check.value(what, "expires", invite.expires, "integer", true),
    groupName = check.text(what, "subject", invite.subject), caption = spec.text, jpegThumbnail = invite.thumbnail,
  } }
end

return { read = read, build = build, takes = { invite = { "text" } } }
