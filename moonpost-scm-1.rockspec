-- `luarocks make` in a checkout builds and installs moonpost: the module for stock lua5.4, and the command `moonpost`. Everything it
-- is built of comes from Debian (scripts/setup build), nothing from other rocks.
rockspec_format = "3.0"
package = "moonpost"
version = "scm-1"
source = { url = "file://." }
description = {
  summary = "WhatsApp bots in Lua, and a sandbox to write them in",
  detailed = "A WhatsApp multi-device client for Lua 5.4: bots are a few lines, and a server with simulated phones lets them be "
    .. "written, tried and tested on one's own machine.",
  license = "GPL-3.0-or-later",
}
supported_platforms = { "linux" }
dependencies = { "lua >= 5.4, < 5.5" }
build = {
  type = "cmake",
  variables = {
    CMAKE_BUILD_TYPE = "Release",
    CMAKE_INSTALL_PREFIX = "$(PREFIX)",
    MOONPOST_TESTS = "OFF",
    MOONPOST_LUA_DIR = "$(LUADIR)",
    MOONPOST_MODULE_DIR = "$(LIBDIR)",
    MOONPOST_COMMAND_DIR = "$(BINDIR)",
  },
}
