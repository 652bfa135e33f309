--- App state: fetching and uploading collections.
-- @module moonpost.shapes.appstate
local t = require "moonpost.shapes.terms"

local int, many, maybe, node, one_of, query, some, some_bytes = t.int, t.many, t.maybe, t.node, t.one_of, t.query, t.some, t.some_bytes
local text = t.text

local name = one_of("critical_block", "critical_unblock_low", "regular_low", "regular_high", "regular")
local bool = one_of("true", "false")
local patch = node("patch", {}, some_bytes)

local answers = { t.either(
  node("collection", { name = name, version = int(0), type = t.maybe "result", has_more_patches = maybe "true" }, {
    maybe(node("snapshot", {}, some_bytes)), maybe(node("patches", {}, { many(patch) })),
  }),
  node("collection", { name = name, version = maybe(int(0)), type = "error", has_more_patches = maybe(bool) }, {
    node("error", { code = int(400, 599), text = text }), maybe(node("patches", {}, { many(patch) })),
  })
) }

return {
  queries = {
    query("10 §9, 06 §5, 08 S-321, S-323", "set", "w:sync:app:state", {
      asks = { node("sync", {}, { some(node("collection", {
        name = name, version = int(0), return_snapshot = maybe(bool),
      }, { maybe(patch) })) }) },
      answers = { node("sync", {}, { some(answers[1]) }) }, errors = "any",
    }),
  },
}
