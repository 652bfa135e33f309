--- The client's rows in the store: their keys, and their values as protobuf (core/proto/schema/store.proto). All are under the
-- scope of its account, which its handle of the store adds.
--   setting       "me"                              -> StoreMe
--                 "chain"                           -> CertChain the server showed last
--                 "routing"                         -> routing info for the next connection
--                 "nct-salt"                        -> what tokens of first contacts are made with
--                 "companion-nonce"                 -> what the account's media hosts may want to see
--                 "banned-until"                    -> when a ban ends, Unix seconds as text
--                 "read-receipts"                   -> "all" or "none": whether others may know what this account has read
--   lid           "p" PN user / "l" LID user        -> the other user part
--   device-list   bare JID                          -> StoreDevices
--   journal       sequence (u64 BE)                 -> StoreJournal
--   outbox        "o" sequence (u64 BE)             -> StoreOutbox, in the order of sending
--                 "i" id [00 device JID]            -> the sequence of its row
--   dedupe        "r" chat 00 author 00 id          -> SHA-256 of the ciphertext, time: received
--                 "u" chat 00 author 00 id          -> StoreMissing, time: came, and not read yet
--                 "p" id of a request to the phone  -> the key of the message it asks for, time
--                 "n" newsletter 00 id              -> the number of a post, time
--                 "q" id of a request to the phone  -> its Message, time
--                 "s" id                            -> chat, time: sent and acknowledged
--                 "t" device 00 id                  -> how often a device has asked for a message of ours, and the base key of the
--                                                      session it was brought with; time
--                 "d" id 00 bare JID               -> when this account has received, read and played a message of ours (Unix
--                                                      seconds, u32 BE each, 0 for not yet), the numbers of its devices (a byte
--                                                      each) that have confirmed it; time
--                 "m" "r" or "p" chat 00 author 00 id -> chat, author, id (u16 BE length before each), time: read or played here, and
--                                                      the server has not taken the receipt yet
--   told          group JID                         -> who was told our sender key there: moonpost.client.told
--   message       "m" ..., "a" ...                  -> moonpost.client.archive: messages, and what was said to them
--                 "t" chat                          -> moonpost.client.timers: after how long its messages disappear
--   recent        kind ...                          -> moonpost.client.ring: "k" one-time keys of retry receipts
--   appstate      "c" ..., "r" ...                  -> moonpost.client.appstate_rows: collections, and their records
--   appstate-key  key id                            -> Message.AppStateSyncKeyData
--   group         JID                               -> StoreGroup: moonpost.client.groups
--   token         bare JID                          -> StoreToken
--   history       "j" sequence (u64 BE)             -> StoreHistory: a chunk of history that is to be read
--                 "n" bare JID                      -> the push name the phone knows
--   raw           sequence (u64 BE)                 -> a stanza or Message not understood yet
-- Times are Unix seconds, u64 BE, at the end of the value: moonpost.client.sweep takes old rows away by them.
-- @module moonpost.client.rows
local core = require "moonpost.core"
local proto = core.proto

local KEY_MAX = 400 -- bytes of a message's key; the store takes 500, its prefix included

local SLICE = 20 -- rows read at once; one may be as large as a stanza

local rows = {
  SECRET_BYTES = 32,  -- of a messageSecret; what a sender gives instead is not kept
  RECENT = ">s4I8s4", -- a row of moonpost.client.ring: name, time, value
  MARK = ">s2s2s2I8", -- a read mark: chat, author, id, time
}

local function must(value, err)
  if value == nil then error(err, 0) end
  return value
end

--- Reads a row of a type; nil when there is none.
function rows.get(store, table_name, key, type)
  local bytes = store:get(table_name, key)
  return bytes and must(proto.decode(type, bytes))
end

--- Writes a row of a type; how many bytes it takes.
function rows.put(store, table_name, key, type, row)
  local bytes = must(proto.encode(type, row))
  store:put(table_name, key, bytes)
  return #bytes
end

--- Calls fn(key, value) for each row whose key begins with a prefix, in order; fn may delete it. A few are held at a time.
function rows.each(store, table_name, prefix, fn)
  local found, after
  repeat
    found = store:range(table_name, prefix, SLICE, after)
    for _, pair in ipairs(found) do
      after = pair[1]
      fn(pair[1], pair[2])
    end
  until #found < SLICE
end

--- A sequence key: 8 bytes, in order.
function rows.sequence(n) return (">I8"):pack(n) end

--- The last sequence number of the keys with a prefix, 0 when there are none.
function rows.last_sequence(store, table_name, prefix)
  local key = store:last(table_name, prefix or "")
  return key and (">I8"):unpack(key, #(prefix or "") + 1) or 0
end

--- A key; one that is longer than any honest one is hashed.
function rows.short(key) return #key <= KEY_MAX and key or core.crypto.sha256(key) end

--- The key of a message among those of all chats.
-- @string chat bare JID, stable
-- @string author bare JID, stable
-- @string id
function rows.message_key(chat, author, id)
  return rows.short(chat .. "\0" .. author .. "\0" .. id)
end

--- A time as rows end with it.
function rows.time(seconds) return (">I8"):pack(math.floor(seconds)) end

return rows
