--- Small edits of a node by a path, to spoil a good stanza in one place.
--
--     edit(message, "participants/to[3]/enc@type=x")   sets an attribute
--     edit(message, "participants/to/enc@type!")       takes it away
--     edit(message, "participants!")                   takes a child away
--     edit(message, "participants/to+foo")             adds an empty child
--     edit(message, "participants/to[2]*")             puts a second one beside it
--     edit(message, "device-identity#0")               makes the content so many bytes
local function find(node, path)
  local parent, index
  for step in path:gmatch "[^/]+" do
    local tag, number = step:match "^(.-)%[(%d+)%]$"
    tag, number = tag or step, tonumber(number or 1)
    parent, index = node, nil
    for i, child in ipairs(node.content) do
      if child.tag == tag then number = number - 1 end
      if child.tag == tag and number == 0 then index = i break end
    end
    node = assert(parent.content[assert(index, "no " .. step)])
  end
  return node, parent, index
end

return function(root, what)
  local path, sign, rest = what:match "^([%w%-/%[%]:_]*)([@!+*#])(.*)$"
  local node, parent, index = find(root, path)
  if sign == "@" then
    local name, value = rest:match "^(.-)=(.*)$"
    node.attrs[name or rest:match "^(.-)!$"] = value
  elseif sign == "!" then
    table.remove(parent.content, index)
  elseif sign == "+" then
    node.content = node.content or {}
    table.insert(node.content, { tag = rest, attrs = {} })
  elseif sign == "*" then
    table.insert(parent.content, index, node)
  else
    node.content = ("x"):rep(tonumber(rest))
  end
  return root
end
