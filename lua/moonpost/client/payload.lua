--- ClientPayload: what a client says of itself in the handshake (fact sheet 01 §3).
-- @module moonpost.client.payload
local core = require "moonpost.core"
local platform = require "moonpost.client.platform"

local payload = {}

--- The web client version we log in as; months later the service answers 405 and a newer one must be given by option.
payload.VERSION = { 2, 3000, 1045368834 }

local function user_agent(version)
  return {
    platform = "WEB", appVersion = { primary = version[1], secondary = version[2], tertiary = version[3] },
    mcc = "000", mnc = "000", osVersion = "0.1", manufacturer = "", device = "Desktop", osBuildNumber = "0.1",
    releaseChannel = "RELEASE", localeLanguageIso6391 = "en", localeCountryIso31661Alpha2 = "US",
  }
end

local function common(version)
  return {
    userAgent = user_agent(version), webInfo = { webSubPlatform = "WEB_BROWSER" }, connectType = "WIFI_UNKNOWN",
    connectReason = "USER_ACTIVATED",
  }
end

-- The official browser client asks for no full history and names no limit of days: these belong together (01 §3.3).
local history = {
  storageQuotaMb = 10240, inlineInitialPayloadInE2EeMsg = true, supportCallLogHistory = true,
  supportBotUserAgentChatHistory = true, supportCagReactionsAndPolls = true, supportBizHostedMsg = true,
  supportRecentSyncChunkMessageCountTuning = true, supportHostedGroupMsg = true, supportFbidBotChatHistory = true,
  supportMessageAssociation = true, supportGroupHistory = true, thumbnailSyncDaysLimit = 60, supportManusHistory = true,
  supportHatchHistory = true,
}

local function device_props(device)
  return assert(core.proto.encode("DeviceProps", {
    os = device.name, version = { primary = 0, secondary = 1, tertiary = 0 }, platformType = platform.kind(device.platform).type,
    requireFullSync = false, historySyncConfig = history,
  }))
end

--- Payload of a device that wants to be linked.
-- @param account core.signal account
-- @tparam table version {2, 3000, n}
-- @tparam ?string name push name
-- @tparam table device {name=, platform=}: what the phone's list of linked devices shows
-- @treturn string bytes
function payload.registration(account, version, name, device)
  local public = account:public()
  local fields = common(version)
  fields.passive, fields.pull = false, false
  fields.pushName = name
  fields.devicePairingData = {
    buildHash = core.crypto.md5(table.concat(version, ".")),
    deviceProps = device_props(device),
    eRegid = (">I4"):pack(public.registration_id), eKeytype = "\5", eIdent = public.identity,
    eSkeyId = (">I3"):pack(public.signed_prekey.id), eSkeyVal = public.signed_prekey.public,
    eSkeySig = public.signed_prekey.signature,
  }
  return assert(core.proto.encode("ClientPayload", fields))
end

--- Payload of a linked device.
-- @tparam table me {jid=, device=, loginCounter=}: how often the server took a login
-- @tparam table version {2, 3000, n}
-- @treturn string bytes
function payload.login(me, version)
  local fields = common(version)
  fields.username = math.tointeger(tonumber((core.wire.jid.parse(me.jid))))
  fields.device = me.device
  fields.passive, fields.pull = true, true
  fields.lc = me.loginCounter or 0
  fields.lidDbMigrated = true
  return assert(core.proto.encode("ClientPayload", fields))
end

return payload
