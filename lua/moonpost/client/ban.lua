--- A ban for a time (fact sheet 01 §7.3, §9: 402) outlives the process that was told of it: who is banned does not knock before it is
-- over, however often a supervisor starts the program again.
-- @module moonpost.client.ban
local core = require "moonpost.core"

local ban = {}

local ROW = "banned-until" -- Unix seconds, as text

--- Takes note of how a session ended, if that was a ban whose time is known.
-- @param client
-- @tparam table err as moonpost.client.endings make it
function ban.note(client, err)
  if not err.seconds then return end
  client.store:put("setting", ROW, ("%d"):format(math.floor(core.net.time()) + err.seconds))
end

--- The ban that is not over yet.
-- @param client
-- @treturn ?table err final, code "banned"; nil when there is none
function ban.of(client)
  local ends = math.tointeger(tonumber(client.store:get("setting", ROW) or ""))
  if not ends then return nil end
  if core.net.time() >= ends then
    client.store:delete("setting", ROW)
    return nil
  end
  local err = core.error("banned", ("the account is banned until %s (402): it stays away until then"):format(
    os.date("!%Y-%m-%d %H:%M UTC", ends)))
  err.final = true
  return err
end

return ban
