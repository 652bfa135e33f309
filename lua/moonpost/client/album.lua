--- Albums (fact sheet 05 §8.4): a head that says how many pictures and videos there are, then each as a message of its own that points at
-- the head. All files are uploaded before the head is sent.
-- @module moonpost.client.album
local check = require "moonpost.client.kinds.check"
local core = require "moonpost.core"
local compose = require "moonpost.client.compose"
local key = require "moonpost.client.kinds.key"
local limits = require "moonpost.client.limits"

local WHAT = "an album"

-- How many pictures and videos there are.
local function count(list)
  local counts = { image = 0, video = 0 }
  for i, one in ipairs(list) do
    check.value(WHAT, ("album[%d]"):format(i), one, "table", true)
    local kind = one.image ~= nil and "image" or one.video ~= nil and "video"
    if not kind then check.wrong("%s: 'album[%d]' is neither a picture nor a video: { image = … } or { video = … }", WHAT, i) end
    if one.view_once or one.quote then check.wrong("%s: 'album[%d]' is neither to be seen once nor quotes anything by itself", WHAT, i) end
    counts[kind] = counts[kind] + 1
  end
  return counts
end

local function check_spec(spec)
  check.fields(WHAT, spec, { album = "table", quote = "table" })
  local list = spec.album
  local length = #list
  for name in pairs(list) do
    if math.type(name) ~= "integer" or name < 1 or name > length then check.wrong("%s: 'album' is an array of specs", WHAT) end
  end
  if length < 2 or length > limits.ALBUM then check.wrong("%s has 2 to %d pictures and videos, not %d", WHAT, limits.ALBUM, length) end
  return list, count(list)
end

-- A handler's send of which one message is a part.
local function part_of(options, number)
  local cause = options.cause
  return { cause = cause and { cause[1], cause[2], number }, said_by = options.said_by }
end

local function part(content, head, client)
  return { associatedChildMessage = { message = content }, messageContextInfo = {
    messageAssociation = { associationType = "MEDIA_ALBUM", parentMessageKey = key.write(head, client) },
  } }
end

-- Every part, made and uploaded; nil and an error when one cannot be.
local function draft_all(sender, aim, list, options, name, level)
  local inner, drafts = { to = aim.to, room = aim.room, chat = aim.chat }, {}
  for i, one in ipairs(list) do
    local draft, err = sender:draft(inner, one, part_of(options, i), name, level + 1)
    if not draft then return nil, err end
    drafts[i] = draft
  end
  return drafts
end

--- Sends an album; see client:send.
-- @param sender moonpost.client.send
-- @tparam table aim whom to (moonpost.client.compose)
-- @tparam table spec { album = { spec, … }, quote = m }
-- @treturn ?table {id=, time=} of the head; parts = { {id=, time=}, … }
-- @treturn ?table err
return function(sender, aim, spec, options, name, level)
  local client = sender.client
  if aim.room == "newsletter" or aim.room == "status" then
    return nil, core.error("unsupported", "an album goes to a person or a group: post its pictures one by one")
  end
  local list, counts = compose.said(name, level, check_spec, spec)
  local drafts, err = draft_all(sender, aim, list, options, name, level + 1)
  if not drafts then return nil, err end
  local counted = { expectedImageCount = counts.image, expectedVideoCount = counts.video }
  local head, sent
  head, err = sender:draft(aim, { message = { albumMessage = counted }, quote = spec.quote }, options, name, level + 1)
  if not head then return nil, err end
  sent, err = head.result, head.err
  if not head.before then sent, err = sender:launch(aim, head, options, name, level + 1) end
  if not sent then return nil, err end
  local whole = { id = sent.id, time = sent.time, parts = {} }
  local target = { chat = aim.chat, id = sent.id, sender = client.lids:stable(client.me.jid), from_me = true }
  for i, draft in ipairs(drafts) do
    if not draft.before then
      draft.result, draft.err = sender:launch(aim, { message = part(draft.message, target, client) }, part_of(options, i), name, level + 1)
    end
    if not draft.result then return nil, draft.err end
    whole.parts[i] = draft.result
  end
  return whole
end
