-- Writes the Lua files of a folder into one C array of bytes and a table {module name, offset, length}, compiled and with their line
-- numbers kept.
-- usage: lua5.4 embed.lua ROOT OUT.c FILE...
local root, out = arg[1], assert(io.open(arg[2], "wb"))
local chunks, rows, offset = {}, {}, 0
for i = 3, #arg do
  local path = arg[i]
  local relative = path:sub(#root + 2)
  local name = relative:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
  local f = assert(io.open(path, "rb"))
  local chunk = string.dump(assert(load(f:read "a", "@" .. relative)), false)
  f:close()
  chunks[#chunks + 1] = chunk
  rows[#rows + 1] = ('  {"%s", %d, %d},\n'):format(name, offset, #chunk)
  offset = offset + #chunk
end
out:write('#include <stddef.h>\n#include "embedded.h"\n\n_Alignas(MP_EMBEDDED_PAGE) const unsigned char mp_embedded_bytes[] = {')
local all = table.concat(chunks)
for pos = 1, #all, 24 do
  out:write("\n", (all:sub(pos, pos + 23):gsub(".", function(c) return c:byte() .. "," end)))
end
out:write("\n};\nconst size_t mp_embedded_length = sizeof mp_embedded_bytes;\n")
out:write("\nconst mp_embedded_file mp_embedded_files[] = {\n", table.concat(rows), "  {NULL, 0, 0},\n};\n")
assert(out:close())
