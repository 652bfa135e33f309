-- Deep equality for fuzz targets; says where two values differ. NaN equals itself here.
local function compare(a, b, path)
  if type(a) ~= type(b) then error(("%s: %s beside %s"):format(path, type(a), type(b))) end
  if type(a) ~= "table" then
    if a ~= b and (a == a or b == b) then error(("%s: %q beside %q"):format(path, tostring(a), tostring(b))) end
    if math.type(a) ~= math.type(b) then error(("%s: %s beside %s"):format(path, math.type(a), math.type(b))) end
    return
  end
  for key, value in pairs(a) do compare(value, b[key], path .. "." .. tostring(key)) end
  for key in pairs(b) do
    if a[key] == nil then error(("%s.%s is new"):format(path, tostring(key))) end
  end
end

return function(a, b) compare(a, b, "top") end
