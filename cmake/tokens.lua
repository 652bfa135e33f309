-- Writes the token table as C: usage lua5.4 tokens.lua tokens.tsv OUT.c
-- The decoder finds a token by its place: the rows must be in order and every page full (fact sheet 01 §4.2).
local pages = { single = 0, double0 = 1, double1 = 2, double2 = 3, double3 = 4 }
local COUNT = 235 + 4 * 256 -- single 0 is unused
local out = assert(io.open(arg[2], "wb"))
local rows, seen = {}, {}
for line in io.lines(arg[1]) do
  local page, index, flag, token = line:match "^(%w+)\t(%d+)\t([J-])\t(.+)$"
  if page then
    local code = pages[page] * 256 + tonumber(index)
    assert(code == (#rows < 235 and #rows + 1 or #rows + 21), "out of order: " .. line)
    assert(not seen[token], "twice: " .. line)
    seen[token] = true
    rows[#rows + 1] = ('  {%d, %d, %s, "%s"},'):format(code, #token, flag == "J" and "true" or "false", token:gsub('[\\"]', "\\%0"))
  end
end
assert(#rows == COUNT, ("%d tokens, not %d"):format(#rows, COUNT))
out:write('#include "wire/tokens.h"\n\nconst mp_token mp_tokens[] = {\n', table.concat(rows, "\n"), "\n};\n")
out:write("const size_t mp_token_count = sizeof mp_tokens / sizeof *mp_tokens;\n")
assert(out:close())
