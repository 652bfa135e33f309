/* Kinds of files and their keys (fact sheet 05 §13.1, §13.2). */
#include <string.h>

#include "crypto/hash.h"
#include "media/media.h"

/* Baileys has no path for the thumbnails and the history: nobody uploads those but a phone. */
const mp_media_type mp_media_types[] = {
    {"image", "image", "WhatsApp Image Keys", "/mms/image", false},
    {"sticker", "image", "WhatsApp Image Keys", "/mms/image", false},
    {"video", "video", "WhatsApp Video Keys", "/mms/video", true},
    {"gif", "video", "WhatsApp Video Keys", "/mms/video", true},
    {"ptv", "video", "WhatsApp Video Keys", "/mms/video", true},
    {"audio", "audio", "WhatsApp Audio Keys", "/mms/audio", true},
    {"ptt", "audio", "WhatsApp Audio Keys", "/mms/audio", true},
    {"document", "document", "WhatsApp Document Keys", "/mms/document", false},
    {"md-msg-hist", "md-msg-hist", "WhatsApp History Keys", "/mms/md-msg-hist", false},
    {"md-app-state", "md-app-state", "WhatsApp App State Keys", "/mms/md-app-state", false},
    {"sticker-pack", "sticker-pack", "WhatsApp Sticker Pack Keys", "/mms/sticker-pack", false},
    {"thumbnail-sticker-pack", "thumbnail-sticker-pack", "WhatsApp Sticker Pack Thumbnail Keys", "/mms/thumbnail-sticker-pack",
     false},
    {"thumbnail-link", "thumbnail-link", "WhatsApp Link Thumbnail Keys", "/mms/thumbnail-link", false},
    {"thumbnail-document", "thumbnail-document", "WhatsApp Document Thumbnail Keys", "/mms/thumbnail-document", false},
    {"thumbnail-image", "thumbnail-image", "WhatsApp Image Thumbnail Keys", "/mms/thumbnail-image", false},
    {"thumbnail-video", "thumbnail-video", "WhatsApp Video Thumbnail Keys", "/mms/thumbnail-video", false},
    {"payment-bg-image", "payment-bg-image", "WhatsApp Payment Background Keys", NULL, false},
    {"biz-cover-photo", "biz-cover-photo", "WhatsApp Image Keys", "/pps/biz-cover-photo", false},
    {"product-catalog-image", "product-catalog-image", NULL, "/product/image", false},
    {"ppic", "ppic", NULL, NULL, false},
    {"newsletter-image", "newsletter-image", NULL, "/newsletter/newsletter-image", false},
    {"newsletter-sticker", "newsletter-sticker", NULL, "/newsletter/newsletter-sticker", false},
    {"newsletter-sticker-pack", "newsletter-sticker-pack", NULL, "/newsletter/newsletter-sticker-pack", false},
    {"newsletter-video", "newsletter-video", NULL, "/newsletter/newsletter-video", false},
    {"newsletter-gif", "newsletter-gif", NULL, "/newsletter/newsletter-gif", false},
    {"newsletter-audio", "newsletter-audio", NULL, "/newsletter/newsletter-audio", false},
    {"newsletter-ptt", "newsletter-ptt", NULL, "/newsletter/newsletter-ptt", false},
    {"newsletter-document", "newsletter-document", NULL, "/newsletter/newsletter-document", false},
    {"newsletter-thumbnail-link", "newsletter-thumbnail-link", NULL, "/newsletter/newsletter-thumbnail-link", false},
    {NULL, NULL, NULL, NULL, false},
};

const mp_media_type *mp_media_type_find(const char *name) {
  for (const mp_media_type *type = mp_media_types; type->name != NULL; type++) {
    if (strcmp(type->name, name) == 0) return type;
  }
  return NULL;
}

int mp_media_expand(mp_media_keys *keys, const uint8_t key[MP_MEDIA_KEY], const mp_media_type *type) {
  uint8_t expanded[112]; /* the last 32 are a reference key nobody uses */
  if (type->info == NULL) return MP_EINVAL;
  int rc = mp_hkdf(expanded, sizeof expanded, key, MP_MEDIA_KEY, NULL, 0, type->info, strlen(type->info));
  memcpy(keys->iv, expanded, sizeof keys->iv);
  memcpy(keys->cipher, expanded + 16, sizeof keys->cipher);
  memcpy(keys->mac, expanded + 48, sizeof keys->mac);
  mp_wipe(expanded, sizeof expanded);
  return rc;
}

uint64_t mp_media_blob_length(uint64_t length) {
  return (length / MP_MEDIA_BLOCK + 1) * MP_MEDIA_BLOCK + MP_MEDIA_MAC;
}
