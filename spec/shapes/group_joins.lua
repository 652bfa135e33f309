local node = require("moonpost.stanza").node
local samples = require "spec.shapes.group_samples"

local GROUP, ANA, BEN = samples.GROUP, samples.ANA, samples.BEN
local ask, answer, person = samples.ask, samples.answer, samples.person

local function bare(tag) return function() return node(tag) end end
local function by_code() return node("invite", { code = "AbCdEfGhIjKlMnOpQrStUv" }) end
local function people(tag) return function() return node(tag, nil, node("participant", { jid = BEN.lid })) end end

local code, another = ask("get", GROUP, bare "invite"), ask("set", GROUP, bare "invite")
local look, join = ask("get", "g.us", by_code), ask("set", "g.us", by_code)
local accept = ask("set", GROUP, function() return node("accept", { code = "abcd", expiration = "1700000000", admin = ANA.lid }) end)
local revoke = ask("set", GROUP, people "revoke")
local requests = ask("get", GROUP, bare "membership_approval_requests")
local cancel = ask("set", GROUP, people "cancel_membership_requests")

local function decide(tag)
  return ask("set", GROUP, function() return node("membership_requests_action", nil, people(tag)()) end)
end

local function waiting() return node("membership_approval_request", { jid = GROUP }) end
local function joined() return node("group", { jid = GROUP }) end

return {
  { "to-server", "the question for the link", code, { { "invite@code=x", "iq/invite@code: not an attribute of this stanza" } } },
  { "to-client", "the link", answer(GROUP, by_code), {
    { "invite@code!", "iq/invite@code: missing, expected an id (07 §1.8, 08 S-709)" },
  }, request = code },
  { "to-server", "another link", another, { { "@to=g.us", "iq/invite@code: missing, expected an id" } } },
  { "to-client", "the new link", answer(GROUP, by_code), { { "invite!", "iq/invite: missing (10 §3.5, 08 S-709)" } }, request = another },
  { "to-server", "the question where a link leads", look, { { "invite@code=", "iq/invite@code: expected an id, got ''" } } },
  { "to-client", "where a link leads", answer("g.us", samples.group), {
    { "group@size!", "iq/group@size: missing, expected a number from 0 to 19999 (10 §3.2, 07 §1.8, 08 S-709)" },
  }, request = look },
  { "to-server", "coming in by link", join, { { "invite+group", "iq/invite: expected no content, got <group>" } } },
  { "to-client", "that one is in", answer("g.us", joined), {
    { "group@jid!", "iq/group@jid: missing, expected a group's JID (10 §3.5, 07 §1.8, 08 S-709)" },
  }, request = join },
  { "to-client", "that an admin has to say yes", answer("g.us", waiting), {
    { "membership_approval_request!", "iq/group|membership_approval_request: missing" },
  }, request = join },
  { "to-server", "an invitation taken up", accept, {
    { "accept@expiration=soon", "iq/accept@expiration: expected a number, got 'soon'" },
  } },
  { "to-client", "that it was good", answer(GROUP, joined), { { "group@jid=1", "iq/group@jid: expected a group's JID, got '1'" } },
    request = accept },
  { "to-server", "an invitation taken back", revoke, { { "revoke/participant!", "iq/revoke/participant: missing (10 §3.5, 07 §1.9" } } },
  { "to-client", "that it is taken back", answer(GROUP, function() return node("revoke", nil, person("lid", BEN)) end), {
    { "revoke/participant@error=409", "iq/revoke/participant@error: expected '404', got '409' (10 §3.5, 07 §1.9, 08 S-709)" },
  }, request = revoke },
  { "to-server", "the question who wants to come in", requests, {
    { "membership_approval_requests+participant", "iq/membership_approval_requests: expected no content, got <participant>" },
  } },
  { "to-client", "who wants to come in", answer(GROUP, function()
    return node("membership_approval_requests", nil, node("membership_approval_request", {
      jid = BEN.lid, phone_number = BEN.pn, request_time = 1700000000, request_method = "invite_link",
    }))
  end, { addressing_mode = "lid" }), {
    { "membership_approval_requests/membership_approval_request@request_method!",
      "iq/membership_approval_requests/membership_approval_request@request_method: missing" },
    { "membership_approval_requests/membership_approval_request@request_method=friend",
      "iq/membership_approval_requests/membership_approval_request@request_method: expected" },
  }, request = requests },
  { "to-server", "somebody let in", decide "approve", {
    { "membership_requests_action!", 'no shape for iq type="set" xmlns="w:g2" to-server' },
  } },
  { "to-client", "who was let in", answer(GROUP, function()
    return node("membership_requests_action", nil, node("approve", nil, {
      person("lid", BEN), node("participant", { jid = "300@lid", error = 404 }),
    }))
  end), {
    { "membership_requests_action/approve/participant[2]@error=410",
      "iq/membership_requests_action/approve/participant[2]@error: expected" },
  }, request = decide "approve" },
  { "to-server", "somebody kept out", decide "reject", {
    { "membership_requests_action/reject/participant!", "iq/membership_requests_action/reject/participant: missing" },
  } },
  { "to-server", "one's own wish taken back", cancel, {
    { "cancel_membership_requests/participant@jid=x", "iq/cancel_membership_requests/participant@jid: expected" },
  } },
  { "to-client", "that it is", answer(GROUP, people "cancel_membership_requests"), {
    { "cancel_membership_requests/participant@error=400", "iq/cancel_membership_requests/participant@error: expected 401 or 404" },
  }, request = cancel },
  { "to-server", "having seen that one was added", ask("set", GROUP, bare "ack"), { { "ack@id=1", "iq/ack@id: not an attribute" } } },
}
