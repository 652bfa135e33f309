/* Every table of the store, and the layout of its keys and values. A row's LMDB key is one byte for the table, then the key.
 * Numbers are big-endian, so that they sort; text is UTF-8; 00 is a zero byte. `scope` tells the accounts of one store apart: in
 * a client's it is the account's name ("" for the default one), in a sandbox's world "phone " and the number.
 *
 * keys environment: always synced, each write a transaction of its own
 *   setting      scope 00 "me"                 -> StoreMe (core/proto/schema/store.proto); others: lua/moonpost/client/rows.lua
 *   credential   scope 00 "credentials"        -> registration id (u32 LE), signed prekey id (u32 LE), identity, noise and signed
 *                                                 prekey (private key 32, public key 32 each), signature 64, ADV secret 32,
 *                                                 store secret 32
 *                scope 00 "signed-prekey" id (u32)
 *                                              -> private key 32, public key 32, signature 64, when it was replaced (u64; 0: it
 *                                                 is to replace the present one)
 *   keypair      name                          -> private key 32, public key 32 (a sandbox's server keys)
 *   meta         "version"                     -> u32 little-endian: version of this layout
 *                "kind"                        -> whose it is: "client" or "world"
 *                "seal"                        -> how the values of all other tables are sealed (core/store/seal.h); none: not
 *                "boot"                        -> boot id of the machine: used under it with durability "process"
 *                "copy"                        -> time (u64): a backup nobody has opened yet
 *                "epoch"                       -> u32 LE: how often it may have gone back in time
 * traffic environment: one transaction per turn of the loop
 *   session      scope 00 jid                  -> libsignal's session record, bounded (core/signal/trim.h)
 *   identity     scope 00 jid                  -> public identity key 32
 *   prekey       scope 00 id (u32)             -> flags 1 (bit 0: uploaded), private key 32, public key 32
 *   counter      scope 00 "prekey"             -> u32: id of the next prekey
 *                "layout"                      -> u32: 2, in a store that has come from version 1 (core/store/scopes.h)
 *   stale        scope 00 jid                  -> nothing: this session may have gone back in time, and encrypts no more
 *   sender-key   scope 00 group 00 device 00 "c" key id (u32)
 *                                              -> a chain: order among the device's (u32), iteration (u32), chain key 32, public
 *                                                 signing key 32, private one 32 (zero but in the own chain, whose device is "")
 *                scope 00 group 00 device 00 "s" key id (u32) iteration (u32)
 *                                              -> a key that was passed over: seed 32, time (u64)
 *                scope 00 00 jid 00 "r" keys passed over before (u64)
 *                                              -> a run of those of an account's devices: key id, from, up to, how many
 *                                                 (u32 each), group 00 device 00, length of this padding (1: 0 to 1 bytes
 *                                                 before), time (u64)
 *   skipped      scope 00 jid 00 ratchet key 33 counter (u32)
 *                                              -> a skipped key of a session in libsignal's form (core/signal/aside.h), time
 *                                                 (u64)
 *   device-list, lid, journal, outbox, dedupe, message, appstate, appstate-key, raw, recent, group, told, token, history
 *                scope 00 key                     the client's: lua/moonpost/client/rows.lua
 *   world, queue                                  a sandbox's: "a" number -> account (JSON), "k" device 00 index -> one-time key;
 *                                                 "r" device 00 sequence (u64) -> time, id 00 hash of a stanza;
 *                                                 "m" number 00 sequence (u64) -> number 00 message id; device 00 sequence
 *                                                 (u64) -> attempts (u16), stanza
 */
#ifndef MOONPOST_STORE_TABLES_H
#define MOONPOST_STORE_TABLES_H

#include <stdbool.h>

#define MP_STORE_VERSION 3   /* 1: a client's rows had no scope; 2: sent messages and secrets had rows of their own */
#define MP_STORE_KEY_MAX 500 /* bytes of a key; LMDB allows 511 with the table's byte */
#define MP_SCOPE_MAX 120     /* bytes */

typedef enum {
  /* keys environment */
  MP_TABLE_SETTING = 'a',
  MP_TABLE_CREDENTIAL = 'b',
  MP_TABLE_KEYPAIR = 'c',
  MP_TABLE_META = 'd',
  /* traffic environment: 'A' and up */
  MP_TABLE_SESSION = 'A',
  MP_TABLE_IDENTITY = 'B',
  MP_TABLE_PREKEY = 'C',
  MP_TABLE_COUNTER = 'D',
  MP_TABLE_SENDER_KEY = 'E',
  MP_TABLE_DEVICE_LIST = 'F',
  MP_TABLE_LID = 'G',
  MP_TABLE_JOURNAL = 'H',
  MP_TABLE_OUTBOX = 'I',
  MP_TABLE_DEDUPE = 'J',
  MP_TABLE_SECRET = 'K', /* of version 2: lua/moonpost/client/archive_upgrade.lua empties it */
  MP_TABLE_APPSTATE_KEY = 'L',
  MP_TABLE_RAW = 'M',
  MP_TABLE_STALE = 'N',
  MP_TABLE_RECENT = 'Q',
  MP_TABLE_SKIPPED = 'R',
  MP_TABLE_GROUP = 'T',
  MP_TABLE_TOLD = 'S',
  MP_TABLE_TOKEN = 'X',
  MP_TABLE_MESSAGE = 'U',
  MP_TABLE_APPSTATE = 'V',
  MP_TABLE_HISTORY = 'W',
  MP_TABLE_WORLD = 'O',
  MP_TABLE_QUEUE = 'P'
} mp_table;

/* Whether keys of a table that Lua may name are under a scope: all but a sandbox's own are. */
static inline bool mp_table_has_scope(mp_table table) {
  return table != MP_TABLE_WORLD && table != MP_TABLE_QUEUE;
}

#endif
