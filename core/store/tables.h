/* Every table of the store, and the layout of its keys and values. A row's LMDB key is one byte for the table, then the key.
 *
 * keys environment: always synced, each write a transaction of its own
 *   setting      name                      -> value (text or protobuf), the owner's own format
 *   credential   scope 00 name             -> raw bytes; core/signal/account.c lists the names
 *   keypair      name                      -> private key 32, public key 32 (a sandbox's server keys)
 *   meta         "version"                 -> u32 little-endian: version of this layout
 * traffic environment: one transaction per turn of the loop
 *   session      scope 00 jid              -> libsignal session record
 *   identity     scope 00 jid              -> public identity key 32
 *   prekey       scope 00 id (u32 BE)      -> flags 1 (bit 0: uploaded), private key 32, public key 32
 *   counter      scope 00 name             -> u32 BE
 *   others       the owner's own layout; lua/moonpost/client/rows.lua lists those of the client
 */
#ifndef MOONPOST_STORE_TABLES_H
#define MOONPOST_STORE_TABLES_H

#define MP_STORE_VERSION 1
#define MP_STORE_KEY_MAX 500 /* bytes of a key; LMDB allows 511 with the table's byte */

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
  MP_TABLE_SECRET = 'K',
  MP_TABLE_APPSTATE_KEY = 'L',
  MP_TABLE_RAW = 'M',
  MP_TABLE_CACHE = 'N',
  MP_TABLE_WORLD = 'O',
  MP_TABLE_QUEUE = 'P'
} mp_table;

#endif
