/* An account's handle, for the files that bind its methods. */
#ifndef MOONPOST_BINDINGS_SIGNAL_H
#define MOONPOST_BINDINGS_SIGNAL_H
#include "bindings.h"
#include "signal/account.h"

/* The open account that is argument 1; raises when it, or its store, is closed. */
mp_account *mpl_check_account(lua_State *L);
/* One that has credentials. */
mp_account *mpl_check_created(lua_State *L);
/* Set a field of the table on top of the stack. */
void mpl_set_bytes(lua_State *L, const char *name, const uint8_t *bytes, size_t length);
void mpl_set_integer(lua_State *L, const char *name, lua_Integer value);

/* signal_prekeys.c */
int mpl_account_new_prekeys(lua_State *L);
int mpl_account_mark_uploaded(lua_State *L);
int mpl_account_prekeys(lua_State *L);
int mpl_account_prekey(lua_State *L);
int mpl_account_drop_prekey(lua_State *L);
int mpl_account_next_signed_prekey(lua_State *L);
int mpl_account_adopt_signed_prekey(lua_State *L);
int mpl_account_drop_next_signed_prekey(lua_State *L);
int mpl_account_has_signed_prekey(lua_State *L);
/* signal_sessions.c */
int mpl_account_has_session(lua_State *L);
int mpl_account_process_bundle(lua_State *L);
int mpl_account_encrypt(lua_State *L);
int mpl_account_decrypt(lua_State *L);
int mpl_account_remote_identity(lua_State *L);
int mpl_account_trust_identity(lua_State *L);
int mpl_account_delete_session(lua_State *L);
int mpl_account_sessions(lua_State *L);
int mpl_account_migrate(lua_State *L);
int mpl_account_base_key(lua_State *L);
int mpl_account_registration_id(lua_State *L);
/* signal_sender_keys.c */
int mpl_account_process_sender_key(lua_State *L);
int mpl_account_decrypt_group(lua_State *L);
int mpl_account_sender_key_distribution(lua_State *L);
int mpl_account_drop_sender_key(lua_State *L);
int mpl_account_encrypt_group(lua_State *L);
int mpl_account_sweep_skipped(lua_State *L);
/* link_code.c */
int mpl_account_link_seal(lua_State *L);

#endif
