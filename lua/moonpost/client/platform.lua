--- What kind of program a device says it is when it is linked: the phone shows it in its list of linked devices
-- (fact sheet 01 §3.3, 02 §1.1, §2.3, §3.2).
-- @module moonpost.client.platform
local platform = {}

--- What a device is called when nobody says otherwise.
platform.NAME = "moonpost"

--- The kind it is when nobody says otherwise.
platform.DEFAULT = "chrome"

-- By the option's value: DeviceProps.platformType, the character of QRs and codes, and how a code's request names the browser. The
-- kinds of apps on phones are left out: the service wants them attested.
local kinds = {
  chrome = { type = "CHROME", code = "1", browser = "Chrome" }, edge = { type = "EDGE", code = "2", browser = "Edge" },
  firefox = { type = "FIREFOX", code = "3", browser = "Firefox" }, ie = { type = "IE", code = "4", browser = "IE" },
  opera = { type = "OPERA", code = "5", browser = "Opera" }, safari = { type = "SAFARI", code = "6", browser = "Safari" },
  desktop = { type = "DESKTOP", code = "7", browser = "Chrome" },
}

-- The systems the service takes in a code's request, and by which part of a device's name each is meant.
local systems = {
  { "windows", "Windows" }, { "mac", "Mac OS" }, { "android", "Android" }, { "iphone", "iOS" }, { "ipad", "iOS" }, { "^ios", "iOS" },
}

--- The names of the kinds there are, in order.
function platform.names()
  local names = {}
  for name in pairs(kinds) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- A kind's facts; nil when there is none of this name.
-- @string name
-- @treturn ?table {type=, code=, browser=}
function platform.kind(name) return kinds[name] end

--- "Browser (System)", as a code's request names the device: a system that is none is refused there (02 §3.2).
-- @string name of the kind
-- @string device the device's name
function platform.display(name, device)
  local found = "Linux"
  for _, system in ipairs(systems) do
    if device:lower():find(system[1]) then
      found = system[2]
      break
    end
  end
  return ("%s (%s)"):format(kinds[name].browser, found)
end

return platform
