# What is made at build time from data in the tree: the token table, the protobuf schema, the embedded Lua files.
set(MP_GENERATED_DIR ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${MP_GENERATED_DIR})
set(MP_GENERATED_FILES)

# Token table: core/wire/tokens.tsv -> tokens.c
if(EXISTS ${CMAKE_SOURCE_DIR}/core/wire/tokens.tsv)
  set(MP_TOKEN_SOURCES ${MP_GENERATED_DIR}/tokens.c)
  add_custom_command(OUTPUT ${MP_TOKEN_SOURCES}
    COMMAND ${LUA_EXE} ${CMAKE_SOURCE_DIR}/cmake/tokens.lua ${CMAKE_SOURCE_DIR}/core/wire/tokens.tsv ${MP_TOKEN_SOURCES}
    DEPENDS cmake/tokens.lua core/wire/tokens.tsv VERBATIM)
  list(APPEND MP_GENERATED_FILES ${MP_TOKEN_SOURCES})
endif()

# Protobuf schema: core/proto/schema/*.proto -> *.pb-c.c
file(GLOB PROTO_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/core/proto/schema/*.proto)
set(MP_PROTO_SOURCES)
foreach(proto ${PROTO_FILES})
  get_filename_component(name ${proto} NAME_WE)
  list(APPEND MP_PROTO_SOURCES ${MP_GENERATED_DIR}/${name}.pb-c.c)
  list(APPEND MP_PROTO_HEADERS ${MP_GENERATED_DIR}/${name}.pb-c.h)
endforeach()
if(PROTO_FILES)
  add_custom_command(OUTPUT ${MP_PROTO_SOURCES} ${MP_PROTO_HEADERS}
    COMMAND ${PROTOC_C} --c_out=${MP_GENERATED_DIR} -I ${CMAKE_SOURCE_DIR}/core/proto/schema ${PROTO_FILES}
    DEPENDS ${PROTO_FILES} VERBATIM)
  add_custom_command(OUTPUT ${MP_GENERATED_DIR}/registry.c
    COMMAND ${LUA_EXE} ${CMAKE_SOURCE_DIR}/cmake/proto_registry.lua ${MP_GENERATED_DIR}/registry.c ${MP_PROTO_HEADERS}
    DEPENDS cmake/proto_registry.lua ${MP_PROTO_HEADERS} VERBATIM)
  list(APPEND MP_PROTO_SOURCES ${MP_GENERATED_DIR}/registry.c)
  list(APPEND MP_GENERATED_FILES ${MP_PROTO_SOURCES})
endif()

# Every Lua file of lua/, as one C table: the executable runs from any folder alone.
file(GLOB_RECURSE LUA_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/lua/*.lua)
set(MP_EMBEDDED_LUA ${MP_GENERATED_DIR}/embedded_lua.c)
add_custom_command(OUTPUT ${MP_EMBEDDED_LUA}
  COMMAND ${LUA_EXE} ${CMAKE_SOURCE_DIR}/cmake/embed.lua ${CMAKE_SOURCE_DIR}/lua ${MP_EMBEDDED_LUA} ${LUA_FILES}
  DEPENDS cmake/embed.lua ${LUA_FILES} VERBATIM)

add_custom_target(mp_generated DEPENDS ${MP_GENERATED_FILES})
