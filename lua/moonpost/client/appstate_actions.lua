--- What the own devices tell each other through the app state (fact sheet 06 §8, §9; data/appstate-actions.tsv), a line each: the
-- action's name is the first part of a record's index.
--
--     collection, version   where it stands, and of which version of the action what this device writes is
--     field                 of SyncActionValue
--     heard                 fn(client, parts, action, about): a record was set, inside the transaction of its patch; parts: what follows
--                           the name in the index; about = { time (Unix seconds), index (bytes), news (false: what was so before this
--                           device was there), own (this device has set it) }
--
-- Records of other actions are kept and not heard yet.
-- @module moonpost.client.appstate_actions
return {
  deleteMessageForMe = {
    collection = "regular_high", version = 3, field = "deleteMessageForMeAction", heard = require("moonpost.client.hidden").heard,
  },
}
