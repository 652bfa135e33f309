local node = require("moonpost.stanza").node

local function usync()
  return node("iq", { id = "1.2-3", to = "s.whatsapp.net", type = "get", xmlns = "usync" }, node("usync", {
    sid = "1.2-2", mode = "query", last = "true", index = "0", context = "message",
  }, {
    node("query", nil, { node("devices", { version = "2" }), node "lid" }),
    node("list", nil, { node("user", { jid = "15550001111@s.whatsapp.net" }), node("user", { jid = "200@lid" }) }),
  }))
end

local function found()
  return node("iq", { id = "1.2-3", from = "s.whatsapp.net", type = "result" }, node("usync", { sid = "1.2-2" }, node("list", nil, {
    node("user", { jid = "15550001111@s.whatsapp.net" }, {
      node("devices", nil, {
        node("device-list", { hash = "2:AbCdEf01" }, { node("device", { id = 0 }), node("device", { id = 7, ["key-index"] = 1 }) }),
        node("key-index-list", { ts = "1700000000" }, "signed"),
      }),
      node("lid", { val = "100@lid" }),
    }),
  })))
end

local function changed(change, bytes)
  return function()
    return node("notification", {
      type = "devices", id = "1700000000-1", from = "15550001111@s.whatsapp.net", lid = "100@lid", t = "1700000000",
    }, node(change, { device_hash = "2:AbCdEf01", device_lid_hash = "2:AbCdEf02" }, {
      node("device", { jid = "15550001111:7@s.whatsapp.net", lid = "100:7@lid", ["key-index"] = 1 }),
      node("key-index-list", { ts = "1700000000" }, bytes),
    }))
  end
end

local function own()
  return node("notification", { type = "account_sync", id = "1700000000-1", from = "15550001111@s.whatsapp.net", t = "1700000000" },
    node("devices", { dhash = "2:AbCdEf01" }, {
      node("device", { jid = "15550001111@s.whatsapp.net" }), node("device", { jid = "15550001111:7@s.whatsapp.net", ["key-index"] = 1 }),
      node("key-index-list", { ts = "1700000000" }, "signed"),
    }))
end

return {
  { "to-server", "a question for devices", usync, {
    { "usync@context=curiosity",
      "iq/usync@context: expected message, interactive, background or notification, got 'curiosity' (10 §5.1, 08 S-230)" },
    { "usync@index=1", "iq/usync@index: expected '0', got '1' (10 §5.1, 08 S-230)" },
    { "usync@sid!", "iq/usync@sid: missing, expected an id (10 §5.1, 08 S-230)" },
    { "usync/list/user[1]@jid=15550001111:7@s.whatsapp.net",
      "iq/usync/list/user[1]@jid: expected a person's JID without device, got '15550001111:7@s.whatsapp.net' (10 §5.1, 08 S-230)" },
    { "usync/query/devices@version=1", "iq/usync/query/devices@version: expected '2', got '1' (10 §5.1, 08 S-230)" },
    { "usync/query+horoscope", "iq/usync/query/horoscope: not a child of this stanza (10 §5.1, 08 S-230)" },
  } },
  { "to-client", "devices", found, {
    { "usync/list/user/devices/device-list/device[2]@key-index=0",
      "iq/usync/list/user/devices/device-list/device[2]@key-index: expected a number from 1, got '0' (10 §5.1, 08 S-230)" },
    { "usync/list/user/devices/device-list/device[2]@id=100",
      "iq/usync/list/user/devices/device-list/device[2]@id: expected a number from 1 to 99, got '100' (10 §5.1, 08 S-230)" },
    { "usync/list/user/devices/key-index-list!",
      "iq/usync/list/user/devices: companions need a signed <key-index-list> (02 §8.1, 08 S-231)" },
    { "usync/list/user/devices/key-index-list#0",
      "iq/usync/list/user/devices/key-index-list: expected at least 1 bytes, got 0 (10 §5.1, 08 S-230)" },
    { "usync/list/user/lid@val=100:7@lid",
      "iq/usync/list/user/lid@val: expected a LID without device, got '100:7@lid' (10 §5.1, 08 S-230)" },
    { "usync/list!", "iq/usync/list: missing (10 §5.1, 08 S-230)" },
  }, request = usync },

  { "to-client", "a device that came", changed("add", "signed"), {
    { "add/key-index-list#0", "notification/add/key-index-list: expected at least 1 bytes, got 0 (09 §2.7, 02 §8.2, 08 S-243)" },
    { "add@device_hash=abc",
      "notification/add@device_hash: expected a device hash, '2:' and base64, got 'abc' (09 §2.7, 02 §8.2, 08 S-243)" },
    { "add/device@lid=100:8@lid", "notification/add/device: jid and lid must be one device's (09 §2.7, 02 §8.2, 08 S-243)" },
    { "add/device!", "notification/add/device: missing (09 §2.7, 02 §8.2, 08 S-243)" },
    { "@from=15550001111:7@s.whatsapp.net",
      "notification@from: expected a person's JID without device, got '15550001111:7@s.whatsapp.net' (09 §2.7, 02 §8.2, 08 S-243)" },
  } },
  { "to-client", "a device that went", changed("remove"), {
    { "remove/key-index-list#5", "notification/remove/key-index-list: expected no content, got 5 bytes (09 §2.7, 02 §8.2, 08 S-243)" },
    { "remove/key-index-list!", "notification/remove/key-index-list: missing (09 §2.7, 02 §8.2, 08 S-243)" },
  } },
  { "to-client", "the own devices", own, {
    { "devices@dhash!", "notification/devices@dhash: missing, expected a device hash, '2:' and base64 (09 §2.1, 02 §8.3, 08 S-244)" },
    { "devices/device[2]@jid=g.us",
      "notification/devices/device[2]@jid: expected a person's JID, got 'g.us' (09 §2.1, 02 §8.3, 08 S-244)" },
  } },
}
