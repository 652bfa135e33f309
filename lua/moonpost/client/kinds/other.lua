--- Kinds that are only named, with their words where they have some (fact sheet 05 §4.14).
-- @module moonpost.client.kinds.other
local key = require "moonpost.client.kinds.key"

local read = {}

-- A reader that tells the kind, the text from one field and the target from another.
local function named(kind, text, target)
  return function(content, m, client)
    m.kind, m.text = kind, text and content[text]
    if target then m.target = key.read(content[target], m, client) end
  end
end

read.placeholderMessage = named "placeholder" -- the phone holds the content and shows it to no linked device
read.chat = named("chat", "displayName")
read.statusNotificationMessage = named("status_notification", nil, "originalMessageKey")
read.statusQuestionAnswerMessage = named("question_answer", "text", "key")
read.questionResponseMessage = named("question_answer", "text", "key")
read.statusQuotedMessage = named("status_quote", "text", "originalStatusId")
read.statusStickerInteractionMessage = named("status_sticker", nil, "key")
read.musicMessage = named "music"
read.messageHistoryBundle = named "history"
read.messageHistoryNotice = named "history_notice"
read.conditionalRevealMessage = named "scheduled" -- a message its server reveals later

return { read = read }
