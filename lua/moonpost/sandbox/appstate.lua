--- App state (fact sheet 08 §11): every account's collections stand at version 0, empty. Push names reach companions by the
-- phone's history (S-305) and by `notify`.
-- @module moonpost.sandbox.appstate
local stanza = require "moonpost.stanza"
local iq = require "moonpost.sandbox.iq"

local appstate = {}

--- A fetch or an upload; an upload is refused as a conflict with what is there (S-321, S-323).
function appstate.query(conn, node)
  local collections = {}
  for _, collection in stanza.children(stanza.child(node, "sync"), "collection") do
    local attrs = { name = collection.attrs.name, version = "0" }
    local uploads = stanza.child(collection, "patch")
    if uploads then attrs.type = "error" end
    local conflict = uploads and stanza.node("error", { code = "409", text = "conflict" }) or nil
    collections[#collections + 1] = stanza.node("collection", attrs, conflict)
  end
  if #collections == 0 then return iq.error(conn, node, 400) end
  iq.result(conn, node, stanza.node("sync", nil, collections))
end

return appstate
