-- Lists every message and enum descriptor of the generated headers in one C file, so that they can be found by name.
-- usage: lua5.4 proto_registry.lua OUT.c HEADER...
local out = assert(io.open(arg[1], "wb"))
out:write '#include "proto/schema.h"\n'
local messages, enums = {}, {}
for i = 2, #arg do
  out:write(('#include "%s"\n'):format(arg[i]:match "[^/]+$"))
  for line in io.lines(arg[i]) do
    local kind, name = line:match "^extern const ProtobufC(%a+)Descriptor +([%w_]+);"
    if kind == "Message" then messages[#messages + 1] = name elseif kind == "Enum" then enums[#enums + 1] = name end
  end
end
local function list(type, name, items)
  out:write(("\nconst ProtobufC%sDescriptor *const %s[] = {\n"):format(type, name))
  for _, item in ipairs(items) do out:write("  &", item, ",\n") end
  out:write "  NULL,\n};\n"
end
list("Message", "mp_schema_messages", messages)
list("Enum", "mp_schema_enums", enums)
assert(out:close())
