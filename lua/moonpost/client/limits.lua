--- Every limit of what the client sends and keeps, in one place.
-- @module moonpost.client.limits
local core = require "moonpost.core"

local TAG = 16 -- bytes Noise adds to a stanza

local limits = {
  TEXT = 65536,                       -- characters of a text: the official composers stop there (fact sheet 05 §2)
  MESSAGE = 1024 * 1024,              -- bytes of an encoded Message; media travels elsewhere
  STANZA = core.wire.FRAME_MAX - 64,  -- bytes of a stanza in the outbox (fact sheet 08: own frames below 2^24 - 64)
  SEALED = core.wire.FRAME_MAX - TAG, -- bytes of a stanza that fits into one frame
  RAW_ROWS = 10000,                   -- stanzas not understood yet that are kept; the oldest go first
  RAW_BYTES = 64 * 1024 * 1024,       -- bytes of them
  JOURNAL_BYTES = 256 * 1024 * 1024,  -- bytes of messages whose handlers have not ended; more wait at the server
  ARCHIVE_SECONDS = 30 * 24 * 3600,      -- how long messages are kept to be referred to: quoted, edited, reacted to
  ARCHIVE_LONG_SECONDS = 90 * 24 * 3600, -- how long polls and events are
  ARCHIVE_ROWS = 200000,              -- messages, reactions, votes … that are kept at most; the oldest go first
  ARCHIVE_BYTES = 256 * 1024 * 1024,  -- bytes of them
  SENT_SECONDS = 3 * 24 * 3600,       -- age of a message until which it is brought again to a device that could not read it (03 §18.3)
  RECEIPT = 1024,                     -- messages, or readers, of one receipt that are listened to: 256 and a group's members are usual
  STATUS_SECONDS = 30 * 24 * 3600,    -- age of what is known of who has received and read a message of ours
  MARKS_SECONDS = 15 * 24 * 3600,     -- age of read marks the server has not taken
  ANSWERED = 128 * 1024,              -- bytes of a poll, event, … whose votes and responses are read: each reads it again
  WAITING_ANSWER = 4096,              -- bytes of a vote or response that is kept until what it answers comes
  EDIT_SECONDS = 20 * 60,             -- age of a message until which its author may edit it (05 §7.2)
  RETRY_KEYS = 1024,                  -- one-time keys given in retry receipts; the oldest are dropped
  RETRY_KEYS_EACH = 256,              -- of them for one device; then its messages share one
  PATCH = 1024 * 1024,                -- bytes of a patch of the app state: official ones have 100,000 at most (06 §7.4)
  MUTATIONS = 2000,                   -- changes of one, as official ones have at most
  APPSTATE_FILE = 16 * 1024 * 1024,   -- bytes of a snapshot, or of a patch that is kept as a file
  RECORDS = 20000,                    -- records of one
  WRAPPERS = 8,                       -- around a message; more are not opened (fact sheet 04 §4)
  MENTIONS = 1024,                    -- people a message mentions, as handlers are told
  REACTION = 128,                     -- bytes of a reaction: emoji with all their joints have some 35
  THUMBNAIL = 65536,                  -- bytes of a small picture inside a message: it goes to each device anew
  WAVEFORM = 256,                     -- bytes of a voice message's waveform: apps show 64
  MEDIA_BYTES = 64 << 20,             -- bytes of a file that is loaded into memory, unless told otherwise
  ALBUM = 100,                        -- pictures and videos of an album that is sent
  CONTACTS = 256,                     -- cards of one message
  CARDS = 65536,                      -- bytes of the cards of a message that are read
  CARD_PHONES = 64,                   -- numbers of a card
  CHOICES = 256,                      -- choices of a menu, as handlers are told
  JSON = 65536,                       -- bytes of the JSON inside a message that are read
  HISTORY_JOBS = 1000,                -- chunks of history that wait to be read
  HISTORY_BYTES = 256 * 1024 * 1024,  -- bytes of one, as it is downloaded
  HISTORY_SECONDS = 14 * 24 * 3600,   -- age of one until which it is tried again
  HISTORY_NAMES = 20000,              -- push names that are kept
  HISTORY_PAGE = 100,                 -- messages of a page of history
  HISTORY_ASKED = 500,                -- messages of a chat that are asked for at once
  WAITING = 10000,                    -- messages that wait for their handlers, until nothing is read from the connection
  WAITING_LOW = 5000,                 -- messages that wait for their handlers, below which it is read again
  WAITING_MOST = 20000,               -- messages that wait for their handlers, until more wait at the server
  CHAT_WAITING = 2000,                -- messages of one chat that wait; more wait at the server, and other chats go on
  GROUP_MEMBERS = 19999,              -- members of a group: the official client reads no more (10 §3.1)
  GROUP_CHANGES = 32,                 -- changes one notification of a group tells of: the server sends one, or a few
  GROUP_NAME = 4096,                  -- bytes of a group's subject, and of other short texts of one
  GROUP_TEXT = 65536,                 -- bytes of a group's description
  DEVICES = 100,                      -- of an account: their numbers are below (02 §8)
  BLAMED = 3,                         -- runs that may end in the handler of a message before it is set aside
  MEDIA_FILE = 2 * 1024 * 1024 * 1024, -- bytes of a file, whatever the service and its sender say (05 §14.7)
  UPLOADS = 4,                        -- that an account has under way at a time; more wait
  DOWNLOADS = 4,                      -- the same the other way
  REPLY_SECONDS = 600,                -- seconds a handler's send may wait for the server before it is dropped
  LATE_SECONDS = 24 * 3600,           -- age of a message from which a bot does not answer it any more
  SEND_SECONDS = 24 * 3600,           -- seconds any other send may wait
}

--- The error of something too large; code "limit".
-- @string what
-- @int size
-- @int limit
-- @string unit "bytes" or "characters"
function limits.exceeded(what, size, limit, unit)
  return core.error("limit", ("%s of %d %s is too large: at most %d %s can be sent"):format(what, size, unit, limit, unit))
end

--- Raises the error of a group that is too large; code "limit".
-- @int count its members
function limits.too_many_members(count)
  error(core.error("limit", ("a group of %d members or more is not read: at most %d are"):format(count, limits.GROUP_MEMBERS)), 0)
end

return limits
