-- What the samples of groups are made of: a group of each mode, the requests about it, the answers, what its members are told.
local node = require("moonpost.stanza").node

local samples = { GROUP = "120363000000000001@g.us", COMMUNITY = "120363000000000009@g.us" }

local ANA = { lid = "100@lid", pn = "15550001111@s.whatsapp.net" }
local BEN = { lid = "200@lid", pn = "15550002222@s.whatsapp.net" }
samples.ANA, samples.BEN = ANA, BEN

--- A query: fn() -> node.
function samples.ask(type, to, content)
  return function() return node("iq", { id = "1.2-3", to = to, type = type, xmlns = "w:g2" }, content()) end
end

--- Its answer.
function samples.answer(from, content, attrs)
  return function()
    local all = { id = "1.2-3", from = from, type = "result" }
    for name, value in pairs(attrs or {}) do all[name] = value end
    return node("iq", all, content and content() or nil)
  end
end

--- Somebody, as a group of this mode shows him.
function samples.person(mode, one, attrs)
  local all = mode == "pn" and { jid = one.pn, lid = one.lid } or { jid = one.lid, phone_number = one.pn }
  for name, value in pairs(attrs or {}) do all[name] = value end
  return node("participant", all)
end

--- A group with all it may have.
function samples.group(mode)
  mode = mode or "lid"
  local ana = ANA[mode]
  return node("group", {
    id = "120363000000000001", subject = "Tea", creation = 1700000000, creator = ana, creator_pn = ANA.pn, s_t = 1700000000, s_o = ana,
    s_o_pn = ANA.pn, size = 2, addressing_mode = mode, a_v_id = "1", p_v_id = "2",
  }, {
    samples.person(mode, ANA, { type = "superadmin" }), samples.person(mode, BEN),
    node("description", { id = "D1", t = 1700000000, participant = ana, participant_pn = ANA.pn }, node("body", nil, "Green or black")),
    node "locked", node "announcement", node("ephemeral", { expiration = 86400 }), node("member_add_mode", nil, "admin_add"),
    node("membership_approval_mode", nil, node("group_join", { state = "on" })),
  })
end

--- What a member is told.
function samples.told(mode, content)
  return function()
    return node("notification", {
      type = "w:gp2", id = "1700000000-1", from = samples.GROUP, to = BEN[mode]:gsub("@", ":1@"), t = 1700000000, participant = ANA[mode],
      participant_pn = ANA.pn, notify = "Ana", addressing_mode = mode,
    }, content(mode))
  end
end

return samples
