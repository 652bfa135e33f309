--- The message each file came with, by its `m.media`: the phone is asked for a file by it when the hosts have it no more.
-- @module moonpost.client.kinds.owners
return setmetatable({}, { __mode = "k" })
