/* Files of messages: the vectors of fact sheet 05 §20.2 to §20.4, and its invariants, §20.6. */
#include "media/media.h"

#include <signal.h>
#include <sys/resource.h>

#include "crypto/message_secret.h"
#include "media/sidecar.h"
#include "media/spool.h"
#include "unit.h"

static uint8_t key[MP_MEDIA_KEY];

static int count_up(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof key; i++) key[i] = (uint8_t)i;
  return 0;
}

static const mp_media_type *type_of(const char *name) {
  const mp_media_type *type = mp_media_type_find(name);
  assert_non_null(type);
  return type;
}

static const struct {
  const char *type, *iv, *cipher, *mac;
} vectors[] = {
    {"image", "aa6a127218397cbd2383e4ccf7176a79", "008c9aea9b7c5d81eb56b3f530f87d42dcc92d27b11ad6b5bd66f0560d0d8c46",
     "91d09ffec108833c1699574c52657923fb6e3e161d9698bc6b3a05fbc508a515"},
    {"video", "f1dee5782cc4e2e7b07233b1e25de59b", "8564567ee06fa7006edab56a13c2b0a1431beb8efe698efad0f258e65feb5395",
     "259ad46118adcf3cd134ae881831c6865db31a8fa0bbce7bc3bcb9fcf369fcda"},
    {"audio", "13f8935709c20e2e8b0680f81b0dd5fb", "a61016c0347747b75bb8a8f6d7bcdb863ac5eb702662755054fe77db27b7c1c0",
     "9ec93580944b6656b0babacf55026028ff6c68bb134a4fd082c12b5463a3bb79"},
    {"document", "25e9d370804de0bb33ea5db79453db66", "b75c2bed8e162ad63dd02b6b9fbda46b8ad2692e99ed0f877d0ab48a86fff790",
     "94a393dafdca1265c99e197425de98f15f7d87d34714ea901f7eefc29c99e5ac"},
    {"md-msg-hist", "1bbd91064f1502e1ad57057640fd66a2", "9dc9501b504a210bf20cf49eaa9d76f4ae29094d358c7178de23d4c4702a1eef",
     "9e46652edeb6d05209b09762f8ad479d416bd00e4998e65be81ecc5580861b2f"},
    {"md-app-state", "c9c77ad8c829a4b405fdd16b4bcbd36b", "d7570410fb6eb14c54a665d7cab9e9329e6b116e21197ce60e20d106b2a1ce14",
     "d7e9c1661294927c19e760e82c4ab1702e01dcff5d2b7a8a7c94899efb3e47cd"},
    {"sticker-pack", "a072467b14dfc2656b07a90a93b30166", "62bceb3e0caf6287f0116a98ecf941373e609fa88cb02a12ad0fd1f4148f7f1e",
     "7e2d2176345ad047cab12dee0328194a79334f58e8465803af7aee48581fdbb2"},
    {"thumbnail-sticker-pack", "aa5be5b54e99d891fbc7e0a8fb023ad1",
     "9ee7ea4f9cf69587e0c80b7c3124b14f89d669e8c6338e34da940628d377ea60",
     "be881278f8ed0154da2634e3db38e4440c6ae6a6f83d9c5f082bbf2bed3d41a7"},
    {"thumbnail-link", "760c15df75946aad364036ed626ebaf8", "ae1678eb1ac461a13cd5f3f63a841f92e88052b4307683e49bcfdd6262a333b1",
     "fe127195f24f776f878e77e9d781ce237265353c8d2cd37b0a4f67dcdd3f039f"},
};

static void a_key_expands_by_the_kind_of_file(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(vectors); i++) {
    mp_media_keys keys;
    assert_int_equal(mp_media_expand(&keys, key, type_of(vectors[i].type)), MP_OK);
    assert_hex(keys.iv, sizeof keys.iv, vectors[i].iv);
    assert_hex(keys.cipher, sizeof keys.cipher, vectors[i].cipher);
    assert_hex(keys.mac, sizeof keys.mac, vectors[i].mac);
  }
  mp_media_keys keys;
  assert_int_equal(mp_media_expand(&keys, key, type_of("newsletter-image")), MP_EINVAL);
  assert_null(mp_media_type_find("imag"));
}

/* A file of `length` bytes, encrypted in pieces of `step`; its sidecar is copied, since it dies with the encryptor. */
typedef struct {
  mp_buffer file, blob, sidecar;
  mp_media_sealed sealed;
} sample;

static sample encrypt_sample(const char *type, const void *bytes, size_t length, size_t step) {
  sample s = {0};
  mp_media_encryptor *encryptor;
  mp_error e;
  assert_int_equal(mp_buffer_append(&s.file, bytes, length), MP_OK);
  assert_int_equal(mp_media_encryptor_new(&encryptor, key, type_of(type), &e), MP_OK);
  for (size_t at = 0; at < length; at += step) {
    size_t part = length - at < step ? length - at : step;
    assert_int_equal(mp_media_encrypt(encryptor, (const uint8_t *)bytes + at, part, &s.blob, &e), MP_OK);
  }
  assert_int_equal(mp_media_encrypt_end(encryptor, &s.blob, &s.sealed, &e), MP_OK);
  assert_int_equal(mp_buffer_append(&s.sidecar, s.sealed.sidecar, s.sealed.sidecar_length), MP_OK);
  assert_int_equal(mp_media_encrypt(encryptor, "x", 1, &s.blob, &e), MP_ECLOSED);
  mp_media_encryptor_free(encryptor);
  return s;
}

static void free_sample(sample *s) {
  mp_buffer_free(&s->file);
  mp_buffer_free(&s->blob);
  mp_buffer_free(&s->sidecar);
}

/* Bytes counted up from 0, over and over. */
static uint8_t *counted(size_t length) {
  uint8_t *bytes = malloc(length + 1);
  assert_non_null(bytes);
  for (size_t i = 0; i < length; i++) bytes[i] = (uint8_t)i;
  return bytes;
}

static void blobs_are_the_vectors(void **state) {
  (void)state;
  sample empty = encrypt_sample("document", "", 0, 1), hello = encrypt_sample("image", "hello", 5, 5);
  assert_hex(empty.blob.data, empty.blob.length, "ec658b9499eea62cfdc704adb7d010cc187b14ab3db7b470ed64");
  assert_hex(empty.sealed.enc_hash, 32, "ba7d91dc4eff2d7eaa80bbd0942def926d0f8c92883420cc75e5c16ba5339cff");
  assert_hex(empty.sealed.hash, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_hex(hello.blob.data, hello.blob.length, "d6dae84a388d36554b4babc2ea10204a9971f756a2561f9b8f20");
  assert_hex(hello.sealed.enc_hash, 32, "755309ed03c3bc72136d1579994db3072ff8bbcb06adb365a40cd0ac0bbd35bd");
  assert_hex(hello.sealed.hash, 32, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  assert_int_equal(hello.sidecar.length, 0);
  free_sample(&empty);
  free_sample(&hello);
}

static void a_video_is_the_vector_with_its_sidecar(void **state) {
  (void)state;
  static const size_t steps[] = {100000, 65536, 4096, 17, 1};
  uint8_t *bytes = counted(100000);
  for (size_t i = 0; i < COUNT(steps); i++) {
    sample video = encrypt_sample("video", bytes, 100000, steps[i]);
    assert_int_equal(video.blob.length, 100026);
    assert_int_equal(video.sealed.length, 100000);
    assert_hex(video.sealed.enc_hash, 32, "06d5870439053fbddc6a62a5dea49493527dd81b66cb4840704e2fbb6b7cf0a4");
    assert_hex(video.sealed.hash, 32, "db8f1d69251d95e2c88268d3c540533cc5182e0e33065a6f3f322f606a574489");
    assert_hex(video.sidecar.data, video.sidecar.length, "f78d67f8c047966c6cf5345ca6bb64e1b2817579");
    free_sample(&video);
  }
  free(bytes);
}

static const size_t lengths[] = {0, 1, 15, 16, 17, 65509, 65510, 65519, 65520, 65535, 65536, 65537, 131046, 131056, 1048576};

static int decrypt_sample(const mp_media_told *told, const uint8_t *blob, size_t length, size_t step, mp_buffer *out,
                          mp_media_sealed *opened, mp_error *e) {
  mp_media_decryptor *decryptor;
  int rc = MP_OK;
  assert_int_equal(mp_media_decryptor_new(&decryptor, told, e), MP_OK);
  for (size_t at = 0; at < length && rc == MP_OK; at += step) {
    rc = mp_media_decrypt(decryptor, blob + at, length - at < step ? length - at : step, out, e);
  }
  if (rc == MP_OK) rc = mp_media_decrypt_end(decryptor, out, opened, e);
  assert_int_equal(mp_media_decrypt(decryptor, "x", 1, out, NULL), MP_ECLOSED);
  mp_media_decryptor_free(decryptor);
  return rc;
}

static mp_media_told told_of(const char *type, const sample *s) {
  return (mp_media_told){.type = type_of(type),
                         .key = key,
                         .hash = s->sealed.hash,
                         .enc_hash = s->sealed.enc_hash,
                         .has_length = true,
                         .strict = true,
                         .length = s->sealed.length};
}

static void what_was_encrypted_comes_back_in_any_pieces(void **state) {
  (void)state;
  static const size_t steps[] = {1 << 20, 65536, 26, 27, 10, 7};
  uint8_t *bytes = counted(1048576);
  for (size_t i = 0; i < COUNT(lengths); i++) {
    sample s = encrypt_sample("audio", bytes, lengths[i], 65536);
    assert_int_equal(s.blob.length, mp_media_blob_length(lengths[i]));
    assert_int_equal(s.sidecar.length, mp_sidecar_length(s.blob.length));
    assert_int_equal(s.sidecar.length, 10 * ((s.blob.length + 16 + 65535) / 65536));
    mp_media_told told = told_of("audio", &s);
    for (size_t j = 0; j < COUNT(steps); j++) {
      mp_buffer out = {0};
      mp_media_sealed opened;
      assert_int_equal(decrypt_sample(&told, s.blob.data, s.blob.length, steps[j], &out, &opened, NULL), MP_OK);
      assert_int_equal(opened.length, lengths[i]);
      assert_int_equal(out.length, lengths[i]);
      if (lengths[i] > 0) assert_memory_equal(out.data, bytes, lengths[i]);
      assert_memory_equal(opened.hash, s.sealed.hash, 32);
      assert_memory_equal(opened.enc_hash, s.sealed.enc_hash, 32);
      mp_buffer_free(&out);
    }
    free_sample(&s);
  }
  free(bytes);
}

/* What a blob is refused with. */
static int refusal(const mp_media_told *told, const void *blob, size_t length) {
  mp_buffer out = {0};
  mp_media_sealed opened;
  mp_error e = {0};
  int rc = decrypt_sample(told, blob, length, 13, &out, &opened, &e);
  assert_true(rc == MP_OK || (rc == e.code && e.message[0] != 0));
  mp_buffer_free(&out);
  return rc;
}

static void a_flipped_bit_anywhere_is_refused(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "a picture of 32 bytes, all told.", 32, 32);
  mp_media_told told = told_of("image", &s), unhashed = told;
  unhashed.enc_hash = NULL;
  for (size_t i = 0; i < s.blob.length; i++) {
    s.blob.data[i] ^= 1;
    assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_EMEDIA_ENC_HASH);
    assert_int_equal(refusal(&unhashed, s.blob.data, s.blob.length), MP_EMEDIA_MAC);
    s.blob.data[i] ^= 1;
  }
  assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_OK);
  assert_int_equal(refusal(&unhashed, s.blob.data, s.blob.length), MP_OK);
  free_sample(&s);
}

static void a_blob_that_ends_early_is_called_truncated(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "a picture of 32 bytes, all told.", 32, 32);
  mp_media_told told = told_of("image", &s), unknown = told;
  unknown.has_length = false;
  for (size_t length = 0; length < s.blob.length; length++) {
    assert_int_equal(refusal(&told, s.blob.data, length), MP_EMEDIA_TRUNCATED);
    bool whole = length >= 26 && (length - 10) % 16 == 0;
    assert_int_equal(refusal(&unknown, s.blob.data, length), whole ? MP_EMEDIA_ENC_HASH : MP_EMEDIA_TRUNCATED);
  }
  free_sample(&s);
}

static void another_kind_of_file_has_another_mac(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "hello", 5, 5);
  mp_media_told told = told_of("video", &s);
  assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_EMEDIA_MAC);
  told.type = type_of("sticker"); /* encrypted as an image */
  assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_OK);
  free_sample(&s);
}

static void another_file_under_the_same_key_has_another_hash(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "hello", 5, 5), other = encrypt_sample("image", "jelly", 5, 5);
  mp_media_told told = told_of("image", &s);
  told.enc_hash = NULL;
  assert_int_equal(refusal(&told, other.blob.data, other.blob.length), MP_EMEDIA_HASH);
  told.enc_hash = other.sealed.enc_hash;
  assert_int_equal(refusal(&told, other.blob.data, other.blob.length), MP_EMEDIA_HASH);
  free_sample(&s);
  free_sample(&other);
}

static void a_wrong_length_is_told_when_strict_only(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "hello", 5, 5);
  static const uint64_t wrong[] = {0, 4, 6, 15, 16, 1000000};
  for (size_t i = 0; i < COUNT(wrong); i++) {
    mp_media_told told = told_of("image", &s);
    told.length = wrong[i];
    assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_EMEDIA_LENGTH);
    told.strict = false;
    assert_int_equal(refusal(&told, s.blob.data, s.blob.length), MP_OK);
  }
  free_sample(&s);
}

static void an_endless_file_is_cut_off_when_strict(void **state) {
  (void)state;
  sample s = encrypt_sample("image", "hello", 5, 5);
  mp_media_told told = told_of("image", &s);
  mp_media_decryptor *decryptor;
  mp_buffer out = {0};
  mp_error e;
  assert_int_equal(mp_media_decryptor_new(&decryptor, &told, &e), MP_OK);
  assert_int_equal(mp_media_decrypt(decryptor, s.blob.data, s.blob.length, &out, &e), MP_OK);
  assert_int_equal(mp_media_decrypt(decryptor, "x", 1, &out, &e), MP_EMEDIA_LENGTH);
  assert_string_equal(e.message, "the file is longer than the 5 bytes it was said to have");
  assert_int_equal(mp_media_decrypt(decryptor, "x", 1, &out, &e), MP_ECLOSED);
  mp_media_decryptor_free(decryptor);
  mp_buffer_free(&out);
  free_sample(&s);
}

/* Behind a MAC that holds: what somebody with the key, but no idea of padding, would send. */
static void a_last_block_without_padding_is_refused(void **state) {
  (void)state;
  static const uint8_t last[][16] = {{[15] = 0}, {[15] = 17}, {[14] = 1, [15] = 2}, {[0] = 15, [15] = 16}};
  for (size_t i = 0; i < COUNT(last); i++) {
    /* CBC: the first block of a file that begins with these bytes, with the MAC of that block alone */
    sample s = encrypt_sample("image", last[i], 16, 16);
    mp_media_keys keys;
    uint8_t mac[32];
    assert_int_equal(mp_media_expand(&keys, key, type_of("image")), MP_OK);
    mp_running_mac *running = mp_running_mac_new(keys.mac);
    assert_int_equal(mp_running_mac_update(running, keys.iv, 16), MP_OK);
    assert_int_equal(mp_running_mac_update(running, s.blob.data, 16), MP_OK);
    assert_int_equal(mp_running_mac_finish(running, mac), MP_OK);
    mp_running_mac_free(running);
    memcpy(s.blob.data + 16, mac, 10);
    mp_media_told told = {.type = type_of("image"), .key = key};
    assert_int_equal(refusal(&told, s.blob.data, 26), MP_EMEDIA_PADDING);
    free_sample(&s);
  }
}

static void what_is_not_encrypted_is_hashed_only(void **state) {
  (void)state;
  mp_media_encryptor *encryptor;
  mp_media_sealed sealed;
  mp_buffer out = {0};
  mp_error e;
  assert_int_equal(mp_media_encryptor_new(&encryptor, key, type_of("newsletter-image"), &e), MP_EINVAL);
  assert_int_equal(mp_media_encryptor_new(&encryptor, NULL, type_of("newsletter-image"), &e), MP_OK);
  assert_int_equal(mp_media_encrypt(encryptor, "hello", 5, &out, &e), MP_OK);
  assert_int_equal(mp_media_encrypt_end(encryptor, &out, &sealed, &e), MP_OK);
  assert_memory_equal(out.data, "hello", 5);
  assert_int_equal(out.length, 5);
  assert_hex(sealed.hash, 32, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824");
  mp_media_encryptor_free(encryptor);
  mp_media_told told = {.type = type_of("newsletter-image"), .hash = sealed.hash, .has_length = true, .length = 5};
  assert_int_equal(refusal(&told, "hello", 5), MP_OK);
  assert_int_equal(refusal(&told, "jelly", 5), MP_EMEDIA_HASH);
  assert_int_equal(refusal(&told, "hell", 4), MP_EMEDIA_TRUNCATED);
  mp_buffer_free(&out);
}

static int open_part(const sample *s, const mp_media_part *part, size_t step, mp_buffer *out, mp_error *e) {
  mp_media_range *range;
  uint64_t from, to;
  int rc = mp_media_range_new(&range, part, e);
  if (rc != MP_OK) return rc;
  mp_media_range_wants(range, &from, &to);
  assert_true(from < to && to <= s->blob.length);
  for (uint64_t at = from; at < to && rc == MP_OK; at += step) {
    rc = mp_media_range_decrypt(range, s->blob.data + at, to - at < step ? (size_t)(to - at) : step, out, e);
  }
  if (rc == MP_OK) {
    rc = mp_media_range_end(range, e);
    assert_int_equal(mp_media_range_decrypt(range, "x", 1, out, NULL), MP_EMEDIA_LENGTH);
  } else {
    assert_int_not_equal(mp_media_range_end(range, NULL), MP_OK);
  }
  mp_media_range_free(range);
  return rc;
}

static void any_part_is_that_slice_of_the_file(void **state) {
  (void)state;
  static const uint64_t edges[] = {0, 1, 15, 16, 17, 31, 32, 65519, 65520, 65535, 65536, 65537, 131071, 131072, 131087, 150000};
  static const size_t steps[] = {1 << 20, 65536, 1000};
  uint8_t *bytes = counted(150000);
  sample s = encrypt_sample("video", bytes, 150000, 65536);
  for (size_t i = 0; i < COUNT(edges); i++) {
    for (size_t j = i + 1; j < COUNT(edges); j++) {
      mp_media_part part = {.type = type_of("video"), .key = key, .length = 150000, .first = edges[i], .end = edges[j]};
      for (int with = 0; with < 2; with++) {
        mp_buffer out = {0};
        part.sidecar = with ? s.sidecar.data : NULL;
        part.sidecar_length = with ? s.sidecar.length : 0;
        assert_int_equal(open_part(&s, &part, steps[(i + j) % 3], &out, NULL), MP_OK);
        assert_int_equal(out.length, edges[j] - edges[i]);
        assert_memory_equal(out.data, bytes + edges[i], out.length);
        mp_buffer_free(&out);
      }
    }
  }
  free_sample(&s);
  free(bytes);
}

static void the_end_of_any_file_is_checked_by_its_sidecar(void **state) {
  (void)state;
  uint8_t *bytes = counted(1048576);
  for (size_t i = 1; i < COUNT(lengths); i++) {
    sample s = encrypt_sample("video", bytes, lengths[i], 65536);
    mp_buffer out = {0};
    mp_error e;
    mp_media_part part = {.type = type_of("video"),
                          .key = key,
                          .length = lengths[i],
                          .first = lengths[i] - 1,
                          .end = lengths[i],
                          .sidecar = s.sidecar.data,
                          .sidecar_length = s.sidecar.length};
    assert_int_equal(open_part(&s, &part, 5000, &out, &e), MP_OK);
    assert_int_equal(out.length, 1);
    assert_int_equal(out.data[0], bytes[lengths[i] - 1]);
    s.blob.data[(lengths[i] - 1) / 16 * 16] ^= 1;
    out.length = 0;
    assert_int_equal(open_part(&s, &part, 5000, &out, &e), MP_EMEDIA_SIDECAR);
    assert_int_equal(out.length, 0);
    mp_buffer_free(&out);
    free_sample(&s);
  }
  free(bytes);
}

static void parts_that_are_none_are_refused(void **state) {
  (void)state;
  static const uint64_t wrong[][3] = {{10, 0, 0}, {10, 5, 5},   {10, 6, 5},        {10, 0, 11},
                                      {0, 0, 0},  {10, 10, 11}, {UINT64_MAX, 0, 1}};
  mp_media_range *range;
  mp_error e;
  for (size_t i = 0; i < COUNT(wrong); i++) {
    mp_media_part part = {.type = type_of("video"), .key = key, .length = wrong[i][0], .first = wrong[i][1], .end = wrong[i][2]};
    assert_int_equal(mp_media_range_new(&range, &part, &e), MP_EINVAL);
  }
  mp_media_part part = {.type = type_of("video"), .key = key, .length = 100, .end = 1, .sidecar = key, .sidecar_length = 20};
  assert_int_equal(mp_media_range_new(&range, &part, &e), MP_EMEDIA_SIDECAR);
}

static void a_media_retry_is_the_vector(void **state) {
  (void)state;
  uint8_t iv[12], out[128];
  for (size_t i = 0; i < sizeof iv; i++) iv[i] = (uint8_t)i;
  mp_buffer plaintext = from_hex("0a143345423041424344454630313233343536373839");
  const mp_message_secret under = {.secret = key,
                                   .info = "WhatsApp Media Retry Notification",
                                   .info_length = 33,
                                   .iv = iv,
                                   .aad = "3EB0ABCDEF0123456789",
                                   .aad_length = 20};
  assert_int_equal(mp_message_secret_seal(out, &under, plaintext.data, plaintext.length), MP_OK);
  assert_hex(out, plaintext.length + 16, "d9866bfc01473cf10910384dc932c5104b61d868667f872524ad267cd2ffdfaec8748a4a90fb");
  mp_buffer_free(&plaintext);
}

static void a_spool_moves_to_a_file_when_it_grows(void **state) {
  (void)state;
  uint8_t *bytes = counted(MP_SPOOL_MEMORY + 1000);
  mp_spool *spool = mp_spool_new(NULL);
  mp_buffer out = {0};
  mp_error e;
  size_t size = 0;
  for (size_t step = 100000; size < MP_SPOOL_MEMORY + 1000; size += step) {
    if (step > MP_SPOOL_MEMORY + 1000 - size) step = MP_SPOOL_MEMORY + 1000 - size;
    assert_int_equal(mp_spool_write(spool, bytes + size, step, &e), MP_OK);
    assert_int_equal(mp_spool_size(spool), size + step);
    out.length = 0;
    assert_int_equal(mp_spool_read(spool, 7, SIZE_MAX / 8, &out, &e), MP_OK);
    assert_int_equal(out.length, size + step - 7);
    assert_memory_equal(out.data, bytes + 7, out.length);
  }
  out.length = 0;
  assert_int_equal(mp_spool_read(spool, size, 10, &out, &e), MP_OK);
  assert_int_equal(out.length, 0);
  mp_buffer_free(&out);
  mp_spool_free(spool);
  free(bytes);
}

static void a_spool_without_a_folder_says_so(void **state) {
  (void)state;
  uint8_t *bytes = counted(MP_SPOOL_MEMORY + 1);
  mp_spool *spool = mp_spool_new("/nowhere at all");
  mp_error e;
  assert_int_equal(mp_spool_write(spool, bytes, 10, &e), MP_OK);
  assert_int_equal(mp_spool_write(spool, bytes, MP_SPOOL_MEMORY, &e), MP_ESTORE);
  assert_non_null(strstr(e.message, "/nowhere at all"));
  assert_int_equal(mp_spool_size(spool), 10);
  assert_int_equal(mp_spool_write(spool, bytes, 5, &e), MP_OK);
  mp_spool_free(spool);
  free(bytes);
}

static void a_disk_that_fills_leaves_a_spool_as_it_was(void **state) {
  (void)state;
  struct rlimit before, small;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = (struct rlimit){.rlim_cur = 300000, .rlim_max = before.rlim_max};
  void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
  uint8_t *bytes = counted(300000);
  mp_spool *spool = mp_spool_new(NULL);
  mp_buffer out = {0};
  mp_error e;
  assert_int_equal(mp_spool_write(spool, bytes, 290000, &e), MP_OK);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  int rc = mp_spool_write(spool, bytes, 20000, &e);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  assert_int_equal(rc, MP_EFULL);
  assert_int_equal(mp_spool_size(spool), 290000);
  assert_int_equal(mp_spool_write(spool, bytes + 290000, 10000, &e), MP_OK);
  assert_int_equal(mp_spool_read(spool, 0, 400000, &out, &e), MP_OK);
  assert_int_equal(out.length, 300000);
  assert_memory_equal(out.data, bytes, out.length);
  signal(SIGXFSZ, handler);
  mp_buffer_free(&out);
  mp_spool_free(spool);
  free(bytes);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_key_expands_by_the_kind_of_file),
      cmocka_unit_test(blobs_are_the_vectors),
      cmocka_unit_test(a_video_is_the_vector_with_its_sidecar),
      cmocka_unit_test(what_was_encrypted_comes_back_in_any_pieces),
      cmocka_unit_test(a_flipped_bit_anywhere_is_refused),
      cmocka_unit_test(a_blob_that_ends_early_is_called_truncated),
      cmocka_unit_test(another_kind_of_file_has_another_mac),
      cmocka_unit_test(another_file_under_the_same_key_has_another_hash),
      cmocka_unit_test(a_wrong_length_is_told_when_strict_only),
      cmocka_unit_test(an_endless_file_is_cut_off_when_strict),
      cmocka_unit_test(a_last_block_without_padding_is_refused),
      cmocka_unit_test(what_is_not_encrypted_is_hashed_only),
      cmocka_unit_test(any_part_is_that_slice_of_the_file),
      cmocka_unit_test(the_end_of_any_file_is_checked_by_its_sidecar),
      cmocka_unit_test(parts_that_are_none_are_refused),
      cmocka_unit_test(a_media_retry_is_the_vector),
      cmocka_unit_test(a_spool_moves_to_a_file_when_it_grows),
      cmocka_unit_test(a_spool_without_a_folder_says_so),
      cmocka_unit_test(a_disk_that_fills_leaves_a_spool_as_it_was),
  };
  return cmocka_run_group_tests(tests, count_up, NULL);
}
