-- The scripts as a user types them: what they are asked and how they are used wrongly is answered before they install or build anything.
local function run(command)
  local pipe = assert(io.popen(command .. " 2>&1 </dev/null"))
  local text = pipe:read "a"
  local _, _, code = pipe:close()
  return text, code
end

describe("scripts/", function()
  for _, name in ipairs { "bench", "build", "demo", "format", "setup", "soak", "test" } do
    it(name .. " --help tells what it does and takes, and does nothing", function()
      local text, code = run(("scripts/%s --help"):format(name))
      assert.equal(0, code, text)
      assert.matches("^%u[^\n]+%S\n.*usage: scripts/" .. name .. "[^\n]*\n", text)
      assert.not_matches("setup:", text)
    end)
  end

  local wrong = {
    { "bench echo tea", "there is no row or option 'tea'" },
    { "bench --rounds", "--rounds expects a number from 1 to 99, got ''" },
    { "build release debug", "expected 'release', 'asan' or 'fuzz', got 'debug'" },
    { "demo echo", "expected no arguments, got 'echo'" },
    { "format --check core", "expected '--check' or nothing, got '--check core'" },
    { "setup build all", "expected 'build', 'test' or nothing, got 'build all'" },
    { "soak --bogus", "there is no option '--bogus'" },
    { "soak --kills", "--kills expects a whole number, got ''" },
    { "soak --kills 0", "--kills expects at least 1" },
    { "soak --seed tea", "--seed expects a whole number, got 'tea'" },
    { "test lint bogus", "there is no step 'bogus'" },
  }
  for _, row in ipairs(wrong) do
    it(("%s is answered by one line and exit code 2"):format(row[1]), function()
      local text, code = run("scripts/" .. row[1])
      local name = row[1]:match "^%l+"
      assert.same({ ("scripts/%s: %s; see scripts/%s --help\n"):format(name, row[2], name), 2 }, { text, code })
    end)
  end
end)
