-- QR codes, read back by another program (zbarimg): the picture, and the terminal's on light and on dark.
local core = require "moonpost.core"
local qr = core.qr
local support = require "spec.support"

local function base64_key(byte) return core.crypto.base64(byte:rep(32)) end

-- As long as a real one (fact sheet 02 §2.3).
local TEXT = table.concat({
  "https://wa.me/settings/linked_devices#2@" .. core.crypto.base64(("r"):rep(48)), base64_key "n", base64_key "i", base64_key "a", "1",
}, ",")

--- What zbarimg reads in a picture.
local function read_back(path)
  local pipe = assert(io.popen(("zbarimg -q --nodbus --raw -Sdisable -Sqrcode.enable '%s' 2>&1"):format(path)))
  local text = pipe:read "a"
  pipe:close()
  return (text:gsub("\n$", ""))
end

local function write_file(path, bytes)
  local file <close> = assert(io.open(path, "wb"))
  assert(file:write(bytes))
end

-- The pixels of a character cell: which halves are painted in the foreground's colour.
local blocks = { [" "] = { false, false }, ["▀"] = { true, false }, ["▄"] = { false, true }, ["█"] = { true, true } }

--- Draws what a terminal shows: every cell two pixels high, colours as the escape sequences say, the theme's where they say nothing.
local function draw(text, theme)
  local rows = {}
  for line in text:gmatch "([^\n]*)\n" do
    local fore, back, at, upper, lower = theme.fore, theme.back, 1, {}, {}
    while at <= #line do
      local codes = line:match("^\27%[([%d;]*)m", at)
      if codes then
        for code in codes:gmatch "%d+" do
          if code == "0" then fore, back = theme.fore, theme.back end
          if code == "30" then fore = 0 end
          if code == "107" then back = 255 end
        end
        at = at + #codes + 3
      else
        local cell = line:match("^" .. utf8.charpattern, at)
        local halves = assert(blocks[cell], "an unexpected character")
        upper[#upper + 1] = halves[1] and fore or back
        lower[#lower + 1] = halves[2] and fore or back
        at = at + #cell
      end
    end
    for _ = 1, 8 do upper[#upper + 1] = back end -- the terminal beside the picture
    for _ = 1, 8 do lower[#lower + 1] = back end
    rows[#rows + 1], rows[#rows + 2] = upper, lower
  end
  return rows
end

--- Writes rows of grey values as a PGM, 6 pixels each.
local function write_picture(path, rows, theme)
  local margin, width, out = 8, #rows[1], {}
  local blank = {}
  for i = 1, width do blank[i] = theme.back end
  for _ = 1, margin do table.insert(rows, 1, blank) end
  for _ = 1, margin do rows[#rows + 1] = blank end
  for _, row in ipairs(rows) do
    local line = {}
    for i, grey in ipairs(row) do line[i] = string.char(grey):rep(6) end
    out[#out + 1] = table.concat(line):rep(6)
  end
  write_file(path, ("P5\n%d %d\n255\n"):format(width * 6, #rows * 6) .. table.concat(out))
end

local themes = { light = { fore = 0, back = 255 }, dark = { fore = 220, back = 10 } }

describe("a QR", function()
  it("is read back from its picture", function()
    local path = support.tmpdir() .. "/qr.png"
    assert.is_true(qr.png(TEXT, path))
    assert.equal(TEXT, read_back(path))
  end)

  it("can be read by its owner alone, also where another file was before", function()
    local path = support.tmpdir() .. "/qr.png"
    write_file(path, ("x"):rep(100000))
    assert(os.execute(("chmod 666 '%s'"):format(path)))
    for _ = 1, 2 do
      assert.is_true(qr.png(TEXT, path))
      local pipe = assert(io.popen(("stat -c %%a '%s'"):format(path)))
      assert.equal("600", pipe:read "l")
      pipe:close()
      assert.equal(TEXT, read_back(path))
      os.remove(path)
    end
  end)

  for name, theme in pairs(themes) do
    it("is read back from a terminal with a " .. name .. " background", function()
      local path = support.tmpdir() .. "/terminal.pgm"
      write_picture(path, draw(assert(qr.terminal(TEXT)), theme), theme)
      assert.equal(TEXT, read_back(path))
    end)
  end

  it("fits a terminal: lines of one width, two modules a character, with its quiet zone", function()
    local size = qr.encode(TEXT).size
    local count = 0
    for line in qr.terminal(TEXT):gmatch "([^\n]*)\n" do
      count = count + 1
      assert.equal(size + 8, utf8.len((line:gsub("\27%[[%d;]*m", ""))))
    end
    assert.equal((size + 8 + 1) // 2, count)
  end)

  it("is given as rows of modules, which read back too", function()
    local code = assert(qr.encode(TEXT))
    assert.equal(code.size, #code.rows)
    local rows = {}
    for y, row in ipairs(code.rows) do
      assert.matches("^[01]+$", row)
      assert.equal(code.size, #row)
      local line = {}
      for _ = 1, 4 do line[#line + 1] = 255 end
      for module in row:gmatch "." do line[#line + 1] = module == "1" and 0 or 255 end
      for _ = 1, 4 do line[#line + 1] = 255 end
      rows[y] = line
    end
    local path = support.tmpdir() .. "/rows.pgm"
    write_picture(path, rows, themes.light)
    assert.equal(TEXT, read_back(path))
  end)

  it("holds up to 2,953 bytes", function()
    assert.equal(177, qr.encode(("x"):rep(2953)).size)
    for _, make in ipairs { qr.encode, qr.terminal, function(text) return qr.png(text, "/nowhere/x.png") end } do
      for _, text in ipairs { "", ("x"):rep(2954), ("x"):rep(100000) } do
        local code, err = make(text)
        assert.is_nil(code)
        assert.equal("limit", err.code)
        assert.equal(("a QR holds 1 to 2953 bytes, not %d"):format(#text), tostring(err))
      end
    end
  end)

  it("is not written where nobody may write", function()
    local ok, err = qr.png(TEXT, "/nowhere/at/all.png")
    assert.is_nil(ok)
    assert.equal("store", err.code)
    assert.matches("^cannot write /nowhere/at/all.png: ", tostring(err))
  end)

  it("has its functions name the argument that is wrong", function()
    assert.error_matches(function() qr.encode() end, "bad argument #1 to 'encode' %(string expected, got no value%)")
    assert.error_matches(function() qr.terminal {} end, "bad argument #1 to 'terminal' %(string expected, got table%)")
    assert.error_matches(function() qr.png(TEXT) end, "bad argument #2 to 'png' %(string expected, got no value%)")
  end)
end)
