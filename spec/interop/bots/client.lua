-- Our client as a program that is told what to do: {"call": 1, "name": "send", "args": [...]} a line on standard input; what it
-- hears goes to standard output, one JSON object a line. Arguments: the push name, and "brisk"
-- to come back at once after each of many cuts.
local moonpost = require "moonpost"
local core = require "moonpost.core"
local json = require "cjson.safe"
local host = require "moonpost.bot.host"
local status_of = require "moonpost.client.message_status"
local task = require "moonpost.task"

local function say(event)
  io.stdout:write(assert(json.encode(event)), "\n")
  io.stdout:flush()
end

local client = assert(moonpost.client {
  store = host.store, url = host.url, root = host.root, ca = host.ca, name = arg[1], own = true,
})
if arg[2] == "brisk" then client.connection.pace = { stable = 0.2, first_pause = 0.05, longest_pause = 0.5 } end
local heard = {}

client:on("message", function(m)
  heard[m.id] = m
  local reaction = m.message.reactionMessage
  say {
    kind = reaction and "reaction" or "message", id = m.id, chat = m.chat, sender = m.sender, fromMe = m.from_me, name = m.name,
    text = reaction and reaction.text or m.text,
    phone = m.phone, quoted = m.quoted and { id = m.quoted.id, text = m.quoted.text }, to = m.target and m.target.id,
    redelivered = m.redelivered or false, what = m.kind, of = m.target and m.target.sender, unknown = m.target and m.target.unknown,
    pinned = m.pinned, seconds = m.seconds, kept = m.kept, expiration = m.expiration, expires = m.expires, forwarded = m.forwarded,
    media = m.media and {
      mime = m.media.mime, size = m.media.size, width = m.media.width, height = m.media.height, duration = m.media.duration,
      filename = m.media.filename, animated = m.media.animated, thumbnail = m.media.thumbnail and #m.media.thumbnail,
      waveform = m.media.waveform and #m.media.waveform,
    },
    album = m.album and (m.album.id or m.album), once = m.view_once, quotes = m.quoted and m.quoted.kind,
    poll = m.poll, vote = m.vote, event = m.event, response = m.response,
    place = m.place, number = m.newsletter and m.newsletter.server_id,
  }
end)
client:on("receipt", function(receipt)
  for _, id in ipairs(receipt.ids) do
    say { kind = "receipt", id = id, chat = receipt.chat, sender = receipt.sender, type = receipt.type }
  end
end)
client:on("group", function(change)
  local people = {}
  for i, one in ipairs(change.participants or {}) do people[i] = one.jid end
  say {
    kind = "group", chat = change.chat, action = change.action, by = change.by, me = change.me, fromMe = change.from_me,
    participants = #people > 0 and people or nil, subject = change.subject, description = change.description, setting = change.setting,
    value = change.value, code = change.code, method = change.method,
  }
end)
client:on("chatstate", function(state) say { kind = "typing", chat = state.chat, sender = state.sender, state = state.state } end)
client:on("status", function(change)
  say { kind = "status", id = change.id, chat = change.chat, sender = change.sender, status = change.status }
end)
client:on("presence", function(who) say { kind = "presence", jid = who.jid, available = who.available, last = who.last } end)
client:on("newsletter", function(told)
  say { kind = "counted", chat = told.chat, number = told.server_id, reactions = told.reactions, views = told.views }
end)
local rung = {}
client:on("picture", function(picture) say { kind = "picture", jid = picture.jid, id = picture.id, by = picture.by } end)

client:on("call", function(call)
  rung[call.id] = call
  say { kind = "call", call = call.id, sender = call.sender, video = call.video, state = call.state }
end)
client:on("error", function(err) io.stderr:write(tostring(err), "\n") end)

local calls = {}

function calls.send(jid, text, quoted)
  local quote = quoted ~= json.null and assert(heard[quoted], "nothing heard has the id " .. tostring(quoted)) or nil
  return assert(client:send(jid, text, { quote = quote })).id
end

function calls.react(id, emoji) return assert(client:react(assert(heard[id], "nothing heard has that id"), emoji)).id end

-- Whatever is sent is known by its id, as what is heard is.
function calls.say(jid, spec)
  local sent = assert(client:send(jid, spec))
  heard[sent.id] = { id = sent.id, chat = client.lids:stable(jid), sender = client.lids:stable(client.me.jid), from_me = true }
  return sent.id
end

-- Loads the file of the message that one quotes: the hash of its bytes.
function calls.load_quoted(id)
  local media, hash = assert(heard[id]).quoted.media, core.media.encryptor(nil, "document")
  assert(client.media:download(media.reference, media.type, function(bytes) hash:update(bytes) end))
  local _, told = hash:finish()
  return core.crypto.hex(told.fileSha256)
end

-- Sends the file of a message on, as another kind perhaps.
function calls.pass_on(jid, id, kind) return calls.say(jid, { [kind] = assert(heard[id]).media }) end

-- A method of the client that acts on a message; what it takes besides follows.
function calls.act(method, id, ...) return assert(client[method](client, assert(heard[id], "nothing heard has that id"), ...)).id end

-- Deletes a message that was heard for the own account alone.
function calls.hide(id) return assert(client:delete_for_me(assert(heard[id], "nothing heard has that id"))) end

-- What the archive knows of a message: its text now, who deleted it, the emoji of each person.
function calls.message(chat, id)
  local m = assert(client:message(chat, id), "there is no such message")
  local reactions = {}
  for _, one in ipairs(client.effects:reactions(m)) do reactions[one.sender] = one.emoji end
  return { text = m.text, edited = m.edited ~= nil, revoked = m.revoked, reactions = reactions, status = client:status_of(m) }
end

function calls.expire(chat, seconds) return assert(client:set_expiration(chat, seconds)) and true end

function calls.vote(id, choices) return assert(client:vote(heard[id], choices)).id end
function calls.votes(id) return { table.unpack((assert(client:votes(heard[id])))) } end
function calls.respond(id, answer, guests) return assert(client:respond(heard[id], answer, { guests = guests })).id end
function calls.responses(id) return { table.unpack((assert(client:responses(heard[id])))) } end

-- A method of client.groups; nothing else than what came of it.
function calls.groups(method, ...)
  local value = assert(client.groups[method](client.groups, ...))
  return value
end

-- A method of client.newsletters; of messages their texts.
function calls.newsletters(method, ...)
  local value = assert(client.newsletters[method](client.newsletters, ...))
  if method ~= "messages" and method ~= "updates" then return value end
  for i, m in ipairs(value) do
    value[i] = { id = m.id, text = m.text, number = m.newsletter.server_id, reactions = m.newsletter.reactions }
  end
  return value
end

-- Posts a status for these people.
function calls.post(spec, to) return assert(client:send("status@broadcast", spec, { to = to })).id end

-- Whether there is a privacy token of somebody.
function calls.token(lid)
  local bytes = client.store:get("token", lid)
  return bytes ~= nil and (assert(core.proto.decode("StoreToken", bytes)).token ~= nil)
end

-- What is known of a group, without asking.
function calls.known(group) return client.groups:known(group) end

function calls.typing(jid, on) return assert(client:typing(jid, on)) end
function calls.recording(jid, on) return assert(client:recording(jid, on)) end
function calls.watch(jid) return assert(client:watch(jid)) end
-- The file of a message that was heard.
function calls.file(id)
  local media, pieces = heard[id].media, {}
  assert(client.media:download(media.reference, media.type, function(piece) pieces[#pieces + 1] = piece end))
  return core.crypto.base64(table.concat(pieces))
end

-- Sends bytes as a kind of file.
function calls.post_file(jid, kind, bytes)
  return assert(client:send(jid, { [kind] = { bytes = assert(core.crypto.unbase64(bytes)) } })).id
end

-- Somebody's picture: its id, and the bytes it is made of.
function calls.picture(of, full)
  local picture, err = client.pictures:get(of, { full = full })
  if not picture then return { none = err.code } end
  return { id = picture.id, jpeg = core.crypto.base64(assert(client.pictures:bytes(picture))) }
end

function calls.set_picture(jpeg, of)
  return assert(client.pictures:set({ bytes = assert(core.crypto.unbase64(jpeg)) }, type(of) == "string" and of or nil))
end

function calls.remove_picture(of) return assert(client.pictures:remove(type(of) == "string" and of or nil)) end

-- The picture of a newsletter; with one given it is set before.
function calls.newsletter_picture(jid, jpeg)
  if type(jpeg) == "string" then
    assert(client.newsletters:update(jid, { picture = { bytes = assert(core.crypto.unbase64(jpeg)) } }))
  end
  local image = assert(client.newsletters:get(jid)).image
  return image and core.crypto.base64(assert(client.pictures:bytes(image))) or ""
end

-- Sends a file as a kind; `more`: other fields of that kind.
function calls.send_file(jid, kind, path, more)
  local spec = type(more) == "table" and more or {}
  spec[kind] = path
  return assert(client:send(jid, spec)).id
end

-- Loads the file of a message that was heard: what it is said to be, and what it is.
function calls.load(id, first, last)
  local m, pieces = assert(heard[id], "nothing heard has that id"), {}
  local ok, err = client.media:download(m.media.reference, m.media.type, function(piece) pieces[#pieces + 1] = piece end, {
    message = { chat = m.chat, id = m.id, sender = m.sender, from_me = m.from_me }, first = math.tointeger(first),
    last = math.tointeger(last),
  })
  if not ok then return { failed = err.code } end
  local bytes = table.concat(pieces)
  return { kind = m.media.kind, size = #bytes, sha256 = core.crypto.hex(core.crypto.sha256(bytes)), filename = m.media.filename }
end

function calls.reject(call) return assert(client:reject(rung[call])) end

-- Marks messages that were heard as read, or as played.
function calls.mark(ids, what)
  local list = {}
  for i, id in ipairs(ids) do list[i] = assert(heard[id], "nothing heard has the id " .. id) end
  return assert(client:mark_read(list, what))
end

-- What has become of an own message.
function calls.status(chat, id) return status_of(client, assert(client.archive:get(client.lids:stable(chat), id))) end

local function perform(line)
  local request = assert(json.decode(line))
  local ok, value = pcall(calls[request.name], table.unpack(request.args))
  say { kind = "answer", call = request.call, value = ok and value or nil, error = not ok and tostring(value) or nil }
end

task.run(function()
  local stopping, lines = task.queue(), task.queue()
  local signal = core.net.signal("TERM", function() stopping:close() end)
  local input = core.net.lines(function(line)
    if line then lines:push(line) end
  end)
  task.spawn(function()
    for line in function() return lines:pop() end do task.spawn(perform, line) end
  end)
  local way = host.phone and { phone = host.phone, code = host.show_code } or { qr = host.show_qr }
  if not client:linked() then assert(client:pair(way)) end
  assert(client:connect())
  say { kind = "online", jid = client.me.jid:gsub(":%d+@", "@"), lid = client.me.lid:gsub(":%d+@", "@") }
  stopping:pop()
  input:stop()
  signal:stop()
  lines:close()
  client:close()
end)
