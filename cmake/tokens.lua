-- Writes the token table as C: usage lua5.4 tokens.lua tokens.tsv OUT.c
local pages = { single = 0, double0 = 1, double1 = 2, double2 = 3, double3 = 4 }
local out = assert(io.open(arg[2], "wb"))
local rows = {}
for line in io.lines(arg[1]) do
  local page, index, flag, token = line:match "^(%w+)\t(%d+)\t([J-])\t(.+)$"
  if page then
    local code = pages[page] * 256 + tonumber(index)
    rows[#rows + 1] = ('  {%d, %d, %s, "%s"},'):format(code, #token, flag == "J" and "true" or "false", token:gsub('[\\"]', "\\%0"))
  end
end
out:write('#include "wire/tokens.h"\n\nconst mp_token mp_tokens[] = {\n', table.concat(rows, "\n"), "\n};\n")
out:write("const size_t mp_token_count = sizeof mp_tokens / sizeof *mp_tokens;\n")
assert(out:close())
