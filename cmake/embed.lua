-- Writes the Lua files of a folder into one C table {module name, chunk, length}, compiled and with their line numbers kept.
-- usage: lua5.4 embed.lua ROOT OUT.c FILE...
local root, out = arg[1], assert(io.open(arg[2], "wb"))
out:write('#include <stddef.h>\n#include "embedded.h"\n\n')
local rows = {}
for i = 3, #arg do
  local path = arg[i]
  local relative = path:sub(#root + 2)
  local name = relative:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local f = assert(io.open(path, "rb"))
  local chunk = string.dump(assert(load(f:read "a", "@" .. relative)), false)
  f:close()
  out:write(("static const unsigned char chunk_%d[] = {"):format(i))
  for pos = 1, #chunk, 24 do
    out:write("\n", (chunk:sub(pos, pos + 23):gsub(".", function(c) return c:byte() .. "," end)))
  end
  out:write("\n};\n")
  rows[#rows + 1] = ('  {"%s", chunk_%d, sizeof chunk_%d},\n'):format(name, i, i)
end
out:write("\nconst mp_embedded_file mp_embedded_files[] = {\n", table.concat(rows), "  {NULL, NULL, 0},\n};\n")
assert(out:close())
