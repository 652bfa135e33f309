--- The words `m.kind` can be, each true (docs/kinds.md says what a message of each is): a filter that names another hears nothing.
-- @module moonpost.client.kinds.names
local names = {}

for name in ([[
  text image video gif round_video audio voice document sticker sticker_pack album location live_location contact contacts
  invite newsletter_invite phone_request phone_share buttons list template interactive button product order payment
  poll vote poll_result event response comment reaction edit revoke pin keep expiration member_label deleted_for_me call
  placeholder history history_notice scheduled music question_answer status_notification status_quote status_sticker chat
  unknown undecryptable
]]):gmatch "%S+" do
  names[name] = true
end

return names
