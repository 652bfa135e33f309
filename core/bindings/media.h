/* What the binding files of core/media share. */
#ifndef MOONPOST_BINDINGS_MEDIA_H
#define MOONPOST_BINDINGS_MEDIA_H
#include "bindings.h"
#include "media/media.h"

const mp_media_type *mpl_check_media_type(lua_State *L, int arg); /* raises */
/* The field `name` of a table as somebody else may have told it, NULL or not `told` when it is not there; it stays on the stack.
 * MP_EMALFORMED unless it is bytes of that size, or a number of bytes. */
int mpl_told_bytes(lua_State *L, int table, const char *name, size_t size, const uint8_t **out, mp_error *e);
int mpl_told_size(lua_State *L, int table, const char *name, bool *told, uint64_t *out, mp_error *e);

void mpl_new_media_range(lua_State *L);
int mpl_media_range(lua_State *L);
void mpl_new_media_spool(lua_State *L);
int mpl_media_spool(lua_State *L);
void mpl_open_media_tools(lua_State *L); /* adds its functions to the table on top of the stack */

#endif
