-- docs/messages.md is the table of what is proven and by what: what it names is there, and nothing in it is left open.
local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

-- The rows of its tables: arrays of cells, without heads and rules.
local function rows()
  local list, inside = {}, false
  for line in read("docs/messages.md"):gmatch "[^\n]*" do
    local rule = line:match "^|%-"
    if rule then
      inside = true
    elseif not line:match "^|" then
      inside = false
    elseif inside then
      local row = {}
      for cell in line:sub(2):gmatch "%s*(.-)%s*|" do row[#row + 1] = cell end
      list[#list + 1] = row
    end
  end
  return list
end

local function is_there(path)
  local file = io.open(path)
  return file and file:close() or false
end

describe("the table of messages", function()
  it("names specs and scenarios that are there", function()
    local named = 0
    for _, row in ipairs(rows()) do
      for word in table.concat(row, " "):gmatch "`([%w_-]+)`" do
        local path = word:match "_spec$" and ("spec/%s.lua"):format(word)
          or word:match "^%d+%-" and ("spec/interop/scenarios/%s.mjs"):format(word)
        if path then
          named = named + 1
          assert.is_true(is_there(path), path)
        end
      end
    end
    assert.is_true(named > 100)
  end)

  it("has a proof or a reason in each cell", function()
    for _, row in ipairs(rows()) do
      assert.equal(6, #row, row[1])
      local left_out = false
      for i = 2, 5 do
        local cell = row[i]
        assert.is_true(cell == "—" or cell:match(i < 4 and "`[%w_]+_spec`" or "`%d+%-[%w-]+`") ~= nil, ("%s: '%s'"):format(row[1], cell))
        left_out = left_out or cell == "—"
      end
      assert.is_true(not left_out or row[6] ~= "", row[1] .. ": no word why something takes no part")
    end
  end)
end)

describe("interop's scenarios", function()
  it("have a number each", function()
    local pipe, seen = assert(io.popen "ls spec/interop/scenarios"), {}
    for name in pipe:lines() do
      local number = name:match "^(%d+)%-[%w-]+%.mjs$"
      assert.is_truthy(number, name)
      assert.is_nil(seen[number], name)
      seen[number] = name
    end
    pipe:close()
    assert.is_truthy(next(seen))
  end)
end)

describe("the table of kinds that are heard", function()
  it("has each kind a filter can name, and no other", function()
    local heard = read("docs/kinds.md"):match "\n## Kinds that are heard\n(.-)\n## "
    local told = { unknown = true, undecryptable = true } -- told of elsewhere: they are what is not read
    for cell in heard:gmatch "\n| ([%l_, ]+) |" do
      for kind in cell:gmatch "[%l_]+" do told[kind] = kind ~= "kind" and kind ~= "field" or nil end
    end
    assert.same(require "moonpost.client.kinds.names", told)
  end)
end)
