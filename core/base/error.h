/* Errors are values: a code and one sentence that says what was wrong and where. */
#ifndef MOONPOST_BASE_ERROR_H
#define MOONPOST_BASE_ERROR_H

enum {
  MP_OK = 0,
  MP_EINVAL = -1,         /* "invalid": an argument of ours was wrong */
  MP_EMALFORMED = -2,     /* "malformed": bytes from outside break their format */
  MP_ETRUNCATED = -3,     /* "truncated": bytes from outside end too early */
  MP_ELIMIT = -4,         /* "limit": a named limit (base/limits.h) was passed */
  MP_ENOMEM = -5,         /* "memory" */
  MP_ECRYPTO = -6,        /* "crypto": a MAC, signature or key did not verify */
  MP_ENOTFOUND = -7,      /* "not-found" */
  MP_ESTORE = -8,         /* "store": LMDB or the file system said no */
  MP_EBUSY = -9,          /* "busy": in use by somebody else */
  MP_ENET = -10,          /* "network" */
  MP_ECLOSED = -11,       /* "closed": used after it was closed */
  MP_EDUPLICATE = -12,    /* "duplicate": this ciphertext was decrypted before */
  MP_ENOSESSION = -13,    /* "no-session" */
  MP_EUNTRUSTED = -14,    /* "untrusted" */
  MP_EINVALIDKEYID = -15, /* "invalid-key-id": a prekey id we do not have */
  MP_EVERSION = -16,      /* "version": a format newer than we know */
  MP_EFULL = -17,         /* "full": no room on the disk or in the map */
  MP_EKEY = -18,          /* "key": a sealed store's key is missing or wrong */
  MP_EPADDING = -19,      /* "padding": what was decrypted is no padded message */
  MP_EDAMAGED = -20,      /* "damaged": a page of the store leads nowhere; what was asked of it is not to blame */
  MP_ESTALLED = -21,      /* "stalled": not a byte came or went for a time */
  MP_ETLS = -22,          /* "tls": a certificate is not to be trusted, or TLS fails */
  /* Of a file that came (05 §13.3): why it is not what it was said to be. */
  MP_EMEDIA_MAC = -23,       /* "media-mac": another key or type than it was encrypted with, or changed on the way */
  MP_EMEDIA_ENC_HASH = -24,  /* "media-enc-hash": other bytes than those whose hash was told */
  MP_EMEDIA_HASH = -25,      /* "media-hash": decrypted, another file than was told */
  MP_EMEDIA_LENGTH = -26,    /* "media-length": longer or shorter than it was said to be */
  MP_EMEDIA_TRUNCATED = -27, /* "media-truncated": it ends too early */
  MP_EMEDIA_PADDING = -28,   /* "media-padding": decrypted, its last block is none */
  MP_EMEDIA_SIDECAR = -29,   /* "media-sidecar": a piece does not fit the file's sidecar */
  MP_ELAST = MP_EMEDIA_SIDECAR
};

typedef struct {
  int code;
  char message[320];
} mp_error;

/* Fills `e` (may be NULL) with a printf-style sentence; returns `code`, so callers write `return mp_fail(...)`. */
int mp_fail(mp_error *e, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The code's name as Lua sees it in err.code: "malformed", "limit", … Never NULL. */
const char *mp_error_name(int code);

#endif
