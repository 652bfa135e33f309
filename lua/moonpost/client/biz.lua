--- What the stanza of a native flow says besides: phones show none whose stanza lacks it (fact sheet 05 §11.4, 03 §14.7). Whether they show
-- one of an ordinary account at all is up to them.
-- @module moonpost.client.biz
local messages = require "moonpost.client.messages"
local stanza = require "moonpost.stanza"

local PRIVACY_SECONDS = 77980457 -- how long ago the account's privacy mode was set, as other clients say it

-- Flows that are about money, by their first button.
local payments = {
  review_and_pay = "order_details", review_order = "order_status", order_status = "order_status", payment_info = "payment_info",
  payment_status = "payment_status", payment_method = "payment_method", payment_reminder = "payment_reminder",
}

local mixed = {
  stanza.node("interactive", { type = "native_flow", v = "1" }, stanza.node("native_flow", { v = "9", name = "mixed" })),
  stanza.node("quality_control", { source_type = "third_party" }),
}

--- The children a message's stanza has on account of a native flow.
-- @tparam table message Message
-- @bool group whether it goes to a group
-- @int now Unix seconds
-- @treturn table array of nodes, empty for every other message
return function(message, group, now)
  local content = messages.unwrap(message).interactiveMessage
  if not content then return {} end
  local buttons = content.nativeFlowMessage and content.nativeFlowMessage.buttons
  local flow = payments[buttons and buttons[1] and buttons[1].name or ""]
  local biz = stanza.node("biz", {
    actual_actors = "2", host_storage = "2", privacy_mode_ts = math.floor(now) - PRIVACY_SECONDS, native_flow_name = flow,
  }, not flow and mixed or nil)
  return group and { biz } or { stanza.node("bot", { biz_bot = "1" }), biz }
end
