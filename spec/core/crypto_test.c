/* Digests, key derivation, AES, X25519 and XEdDSA: the vectors of fact sheets 01 §15.6 and 02 §18, and of the RFCs and NIST. */
#include "crypto/aes.h"
#include "crypto/curve.h"
#include "crypto/curve25519_donna.h"
#include "crypto/hash.h"
#include "unit.h"

static void sha256_is_sha256(void **state) {
  (void)state;
  uint8_t out[32], joined[32];
  mp_sha256(out, "abc", 3);
  assert_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  mp_sha256_join(joined, "a", 1, "bc", 2);
  assert_memory_equal(joined, out, 32);
  memcpy(joined, out, 32);
  mp_sha256_join(joined, joined, 32, "", 0); /* in place */
  mp_sha256(out, out, 32);
  assert_memory_equal(joined, out, 32);
}

static void hmac_is_rfc_4231s(void **state) {
  (void)state;
  uint8_t out[32], key[131];
  mp_hmac_sha256(out, "Jefe", 4, "what do ya want for nothing?", 28);
  assert_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  memset(key, 0xaa, sizeof key);
  mp_hmac_sha256(out, key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First", 54);
  assert_hex(out, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void derive(const char *ikm_hex, const char *salt_hex, const char *info, size_t info_length, const char *expected) {
  mp_buffer ikm = from_hex(ikm_hex), salt = from_hex(salt_hex != NULL ? salt_hex : "");
  uint8_t out[128];
  size_t length = strlen(expected) / 2;
  assert_true(length <= sizeof out);
  assert_int_equal(
      mp_hkdf(out, length, ikm.data, ikm.length, salt_hex != NULL ? salt.data : NULL, salt.length, info, info_length), MP_OK);
  assert_hex(out, length, expected);
  mp_buffer_free(&ikm);
  mp_buffer_free(&salt);
}

static void hkdf_is_rfc_5869s(void **state) {
  (void)state;
  uint8_t out[1];
  derive("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9",
         10, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  derive("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", NULL, "", 0,
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
  derive("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 0,
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  assert_int_equal(mp_hkdf(out, 255 * 32 + 1, "", 0, NULL, 0, "", 0), MP_EINVAL);
}

static void key_of(uint8_t out[32], uint8_t byte) {
  memset(out, byte, 32);
}

static mp_keypair pair_of(uint8_t byte) {
  mp_keypair pair;
  key_of(pair.private_key, byte);
  assert_int_equal(mp_keypair_derive(&pair), MP_OK);
  return pair;
}

/* 02 §18: private key nn*32 before clamping, public key. */
static const struct {
  uint8_t byte;
  const char *public_key;
} keys[] = {
    {0x01, "a4e09292b651c278b9772c569f5fa9bb13d906b46ab68c9df9dc2b4409f8a209"},
    {0x02, "ce8d3ad1ccb633ec7b70c17814a5c76ecd029685050d344745ba05870e587d59"},
    {0x03, "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"},
    {0x04, "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b"},
    {0x11, "7b4e909bbe7ffe44c465a220037d608ee35897d31ef972f07f74892cb0f73f13"},
    {0x12, "052a50773ac8d91773f2dc9662e12f0defe915e415b8a1c8e20a5a3d6ab2b843"},
    {0x13, "197fc2c567dc03ee2aadf0ed86681dac24daa76e83ca555875dd3be7376e5306"},
    {0x14, "18a6f8c1a7fddf22bd410138f79f7298cd38d1d0a542d4266d556be8609d8862"},
    {0x21, "7d34a4815fa6b982535e60af3bd9b49556816080f1641ff81d2b7c8ae8268a44"},
    {0x22, "0faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20"},
    {0x23, "9a4503a98ab10fe8d354c9c42cbd0c9d7944f52e7d14d8ea59775e7dc9e3bf4b"},
    {0x24, "04bcd2e0d00f2cce5fe8f1c6c2fbec5c07fa56e3aa5c88a5689975d88b3fce05"},
    {0x31, "04f5f29162c31a8defa18e6e742224ee806fc1718a278be859ba5620402b8f3a"},
};

static void public_keys_follow_from_private_ones(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(keys); i++) {
    mp_keypair pair = pair_of(keys[i].byte);
    assert_hex(pair.public_key, 32, keys[i].public_key);
    assert_int_equal(pair.private_key[0] & 7, 0);
    assert_int_equal(pair.private_key[31] & 0xc0, 0x40);
  }
}

static void agree(uint8_t out[32], uint8_t own, uint8_t other) {
  mp_keypair a = pair_of(own), b = pair_of(other);
  uint8_t back[32];
  assert_int_equal(mp_agree(out, a.private_key, b.public_key), MP_OK);
  assert_int_equal(mp_agree(back, b.private_key, a.public_key), MP_OK);
  assert_memory_equal(out, back, 32);
}

static void both_sides_agree(void **state) {
  (void)state;
  uint8_t shared[32];
  agree(shared, 0x01, 0x02);
  assert_hex(shared, 32, "2ed76ab549b1e73c031eb49c9448f0798aea81b698279a0c3dc3e49fbfc4b953");
  agree(shared, 0x03, 0x04);
  assert_hex(shared, 32, "40e47a3f525bdcac491d418978d7db5af623ac7afe7623c6d78a5d4fce9d0f63");
}

static void keys_of_small_order_are_refused(void **state) {
  (void)state;
  static const char *const points[] = {
      "0000000000000000000000000000000000000000000000000000000000000000",
      "0100000000000000000000000000000000000000000000000000000000000000",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
      "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  };
  mp_keypair own = pair_of(0x01);
  for (size_t i = 0; i < COUNT(points); i++) {
    uint8_t point[32], shared[32];
    key_from_hex(point, points[i]);
    if (mp_agree(shared, own.private_key, point) != MP_ECRYPTO) fail_msg("%s was taken", points[i]);
  }
}

static void new_pairs_differ(void **state) {
  (void)state;
  mp_keypair a, b;
  mp_keypair_generate(&a);
  mp_keypair_generate(&b);
  assert_memory_not_equal(a.private_key, b.private_key, 32);
  assert_memory_not_equal(a.public_key, b.public_key, 32);
}

/* 02 §12.2 and §12.3 on the vectors of §18.3: Alice 11, base 12, ratchet 13; Bob 21, signed prekey 22, one-time 23. */
static void x3dh_and_the_ratchets_kdfs_are_the_sheets(void **state) {
  (void)state;
  uint8_t secret[160], okm[80], shared[32], seed[32];
  memset(secret, 0xff, 32);
  agree(secret + 32, 0x11, 0x22);
  agree(secret + 64, 0x12, 0x21);
  agree(secret + 96, 0x12, 0x22);
  agree(secret + 128, 0x12, 0x23);
  assert_int_equal(mp_hkdf(okm, 64, secret, 160, NULL, 0, "WhisperText", 11), MP_OK);
  assert_hex(okm, 64,
             "2899bfb1df2bb1e3c18c86b10d6119a8fe36dd0e37a4c5d03c574aa0d7e55bf5"
             "b7d52b396fa2aa67de72745f32b5ce4e51c7d7fe5b94f79bf5d1bfa588a8bf54");
  agree(shared, 0x13, 0x22);
  uint8_t root[32];
  memcpy(root, okm, 32);
  assert_int_equal(mp_hkdf(okm, 64, shared, 32, root, 32, "WhisperRatchet", 14), MP_OK);
  assert_hex(okm, 64,
             "cf1a7947d6dc6fd4ef46f6088a580db358e776989beab2a48cef87ab33d18085"
             "825a3683bcec8d12c678d5bfb36659bc0571c8814ff830330d0032e80ac80e43");
  mp_hmac_sha256(seed, okm + 32, 32, "\x01", 1);
  mp_hmac_sha256(shared, okm + 32, 32, "\x02", 1);
  assert_hex(shared, 32, "bb9bf8eb0ca799aaec4513bdedc675b972c484df235b366c0a961a36502fb244");
  assert_int_equal(mp_hkdf(okm, 80, seed, 32, NULL, 0, "WhisperMessageKeys", 18), MP_OK);
  assert_hex(okm, 80,
             "09d2c34d8225c059bf87cef6ce708f739fa4c5e14bf703b31d6973c45e191b05"
             "dbbcfa1a819b2ad9a61316537c9230ee712028cbb5591153a936a0be688c4b44"
             "94413eb183e3de53b0bb5e96ac35f02d");
  uint8_t cipher[32];
  size_t length;
  assert_int_equal(mp_aes_cbc_encrypt(cipher, &length, okm, okm + 64, "hello", 5), MP_OK);
  assert_hex(cipher, length, "65e570a1faab571a8c45a6eb09d02d88");
  assert_int_equal(mp_hkdf(okm, 64, secret, 128, NULL, 0, "WhisperText", 11), MP_OK); /* without the one-time key */
  assert_hex(okm, 64,
             "94455753a5f610089454105fc9c4d2b8a394688925432a9937fb394e694560b5"
             "d0a379c5cf076145a88d7a9398357704160adac1e594b74da24b687de3846cfa");
}

/* 02 §18.4, the first step of a sender key's chain. */
static void the_sender_keys_kdf_is_the_sheets(void **state) {
  (void)state;
  uint8_t seed[32], message[32], next[32], okm[48];
  for (int i = 0; i < 32; i++) seed[i] = (uint8_t)i;
  mp_hmac_sha256(message, seed, 32, "\x01", 1);
  assert_hex(message, 32, "9b4c8120a4823a95f47cde17a244f4507244ee6e3957d1fab9fa29b44d3829b7");
  assert_int_equal(mp_hkdf(okm, 48, message, 32, NULL, 0, "WhisperGroup", 12), MP_OK);
  assert_hex(okm, 48, "ed1f5e26325b1399f6a34c76e47ff047 d89f10a08215e845ceb4df3fc59c052ad09e01cd499650025ff83df48ed656e6");
  mp_hmac_sha256(next, seed, 32, "\x02", 1);
  assert_hex(next, 32, "4304c22c84a53755ab08ead8d97a8d429be5efa480682d7ad1da27f73e1fbe1d");
}

#define DETAILS "08011080e2cfaa061801"
#define HOSTED_DETAILS "08011080e2cfaa06180120012801"
#define PUB_03 "5dfedd3b6bd47f6fa28ee15d969d5bb0ea53774d488bdaf9df1c6e0124b3ef22"
#define PUB_04 "ac01b2209e86354fb853237b5de0f4fab13c7fcbf433a61c019369617fecf10b"

/* Signatures of 02 §18: by the key of `byte`, over `message`. */
static const struct {
  uint8_t byte;
  const char *message, *signature;
} signatures[] = {
    {0x03, "000000",
     "02191fc761f2879c407d716b7adad47fa37d6e2f693a1487b79edf35fdb490851bc7b3897e8cadcc4e5095db36e1a52105216d501d2d2880043f58df3b8"
     "1488b"},
    {0x04, "0600" DETAILS PUB_03,
     "b2dade92c164bbea43b5c480ba0e9de4789d727ebd141d84387254325b5b715795f55b9813f573c9d488c50457acd7f16b727a17b7a6e1700dcb8680cc1"
     "06c0c"},
    {0x03, "0601" DETAILS PUB_03 PUB_04,
     "79f46e78ca7686f9335ccca910cbda1f401df7b7069f7015e7f336f98f5f19e33b3f00b31f932d8b8a3eb6aa8763a5dcb270baab7fb329e04261bfeab4e"
     "2c788"},
    {0x04, "0605" HOSTED_DETAILS PUB_03,
     "fad848d8bf728f2abfda721f65cd8a86476266e7117dab94f8b4f84a95dbcec20b51d7ef0cbd84a375cc672057250376dafb9bd1ad0218dd3fb1a0dd798"
     "ae70e"},
    {0x21, "050faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f20",
     "bd200285b145652b586db25638c6cae3f5fd8d0bb975dd93cc53a911d9f48e14d25e0795271cca3168cf5b9443a464453e04b83a7006fbc78f3a8477ab8"
     "c3f07"},
};

static void the_sheets_signatures_verify_and_their_changes_do_not(void **state) {
  (void)state;
  for (size_t i = 0; i < COUNT(signatures); i++) {
    mp_keypair pair = pair_of(signatures[i].byte), other = pair_of(0x31);
    mp_buffer message = from_hex(signatures[i].message), signature = from_hex(signatures[i].signature);
    assert_true(mp_verify(pair.public_key, message.data, message.length, signature.data));
    assert_false(mp_verify(other.public_key, message.data, message.length, signature.data));
    assert_false(mp_verify(pair.public_key, message.data, message.length - 1, signature.data));
    for (size_t at = 0; at < 64; at++) {
      signature.data[at] ^= 0x10;
      assert_false(mp_verify(pair.public_key, message.data, message.length, signature.data));
      signature.data[at] ^= 0x10;
    }
    signature.data[63] ^= 0x80; /* the sign bit is part of the key's meaning */
    assert_false(mp_verify(pair.public_key, message.data, message.length, signature.data));
    mp_buffer_free(&message);
    mp_buffer_free(&signature);
  }
}

/* Their random bytes are zeros. */
static void the_sheets_signatures_come_of_their_random_bytes(void **state) {
  (void)state;
  static const uint8_t random[64];
  for (size_t i = 0; i < COUNT(signatures); i++) {
    mp_keypair pair = pair_of(signatures[i].byte);
    mp_buffer message = from_hex(signatures[i].message);
    uint8_t signature[64];
    assert_int_equal(curve25519_sign(signature, pair.private_key, message.data, message.length, random), 0);
    assert_hex(signature, sizeof signature, signatures[i].signature);
    mp_buffer_free(&message);
  }
}

static void signatures_verify_are_random_and_may_carry_the_sign_bit(void **state) {
  (void)state;
  bool with_bit = false, without = false;
  for (int i = 0; i < 40; i++) {
    mp_keypair pair;
    uint8_t a[64], b[64];
    mp_keypair_generate(&pair);
    assert_int_equal(mp_sign(a, &pair, "words", 5), MP_OK);
    assert_int_equal(mp_sign(b, &pair, "words", 5), MP_OK);
    assert_memory_not_equal(a, b, 64);
    assert_true(mp_verify(pair.public_key, "words", 5, a));
    assert_true(mp_verify(pair.public_key, "words", 5, b));
    assert_false(mp_verify(pair.public_key, "word", 4, a));
    assert_int_equal(a[63] & 0x80, b[63] & 0x80);
    if (a[63] & 0x80) {
      with_bit = true;
    } else {
      without = true;
    }
  }
  assert_true(with_bit && without);
}

static void cbc_is_nists_and_pads(void **state) {
  (void)state;
  mp_buffer key = from_hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
  mp_buffer iv = from_hex("000102030405060708090a0b0c0d0e0f"), text = from_hex("6bc1bee22e409f96e93d7e117393172a");
  uint8_t out[48], back[48];
  size_t length;
  assert_int_equal(mp_aes_cbc_encrypt(out, &length, key.data, iv.data, text.data, 16), MP_OK);
  assert_int_equal(length, 32); /* a whole block of padding */
  assert_hex(out, 16, "f58c4c04d6e5f1ba779eabfb5f7bfbd6");
  assert_int_equal(mp_aes_cbc_decrypt(back, &length, key.data, iv.data, out, 32), MP_OK);
  assert_int_equal(length, 16);
  assert_memory_equal(back, text.data, 16);
  for (size_t i = 0; i <= 32; i++) {
    int rc = mp_aes_cbc_decrypt(back, &length, key.data, iv.data, out, i);
    assert_int_equal(rc, i == 32 ? MP_OK : MP_ECRYPTO);
  }
  out[16] ^= 1; /* the padding's block */
  assert_int_equal(mp_aes_cbc_decrypt(back, &length, key.data, iv.data, out, 32), MP_ECRYPTO);
  assert_int_equal(mp_aes_cbc_encrypt(out, &length, key.data, iv.data, "", 0), MP_OK);
  assert_int_equal(length, 16);
  assert_int_equal(mp_aes_cbc_decrypt(back, &length, key.data, iv.data, out, 16), MP_OK);
  assert_int_equal(length, 0);
  mp_buffer_free(&key);
  mp_buffer_free(&iv);
  mp_buffer_free(&text);
}

/* 02 §18.1: the companion's ephemeral key wrapped under the code's key. */
static void ctr_is_the_sheets(void **state) {
  (void)state;
  uint8_t key[32], iv[16], out[32], back[32];
  mp_keypair companion = pair_of(0x01);
  key_from_hex(key, "b04d4d0e43ffa6d1a3b2226d4ee58ba2900a470c09bcf39fb5257512a55c08bc");
  for (int i = 0; i < 16; i++) iv[i] = (uint8_t)(0x20 + i);
  assert_int_equal(mp_aes_ctr(out, key, iv, companion.public_key, 32), MP_OK);
  assert_hex(out, 32, "b01af1770b570b74bd61be31cefd5d43f0d1f465d0c680fa4defd9a35e625f23");
  assert_int_equal(mp_aes_ctr(back, key, iv, out, 32), MP_OK);
  assert_memory_equal(back, companion.public_key, 32);
}

/* 02 §18.1: the bundle of the pair code's last step. */
static void gcm_is_the_sheets(void **state) {
  (void)state;
  uint8_t key[32], iv[12], plain[96], out[112], back[112];
  mp_keypair companion = pair_of(0x03), primary = pair_of(0x04);
  key_from_hex(key, "b134c9d58c486e5204220063f4047bd55bf7bb0de6071f3b492579cc0a5f4ad4");
  memset(iv, 0x07, sizeof iv);
  memcpy(plain, companion.public_key, 32);
  memcpy(plain + 32, primary.public_key, 32);
  memset(plain + 64, 0x05, 32);
  mp_gcm *seal = mp_gcm_new(key, 1), *open = mp_gcm_new(key, 0);
  for (int round = 0; round < 2; round++) { /* the object serves many messages */
    assert_int_equal(mp_gcm_encrypt(seal, out, iv, NULL, 0, plain, sizeof plain), MP_OK);
    assert_hex(
        out, sizeof out,
        "5caf688e61c1bf064c9031e530ea97104be141f56e29f6ca52ab7eead871c3c227514e0478a97ec270a699152d01960d1c354d14c123a4c06f3d65"
        "21fce016ce793d33ad31198200de5f77f6efa3d6e57bee15bf74974e9c7431c5a78a0a79f75499f5923a423cc808b60e41c695bc2d");
    assert_int_equal(mp_gcm_decrypt(open, back, iv, NULL, 0, out, sizeof out), MP_OK);
    assert_memory_equal(back, plain, sizeof plain);
  }
  mp_gcm_free(seal);
  mp_gcm_free(open);
}

static void gcm_opens_nothing_that_was_touched_and_leaves_zeros(void **state) {
  (void)state;
  static const uint8_t key[32] = {1}, iv[12] = {2}, zeros[20];
  uint8_t sealed[20 + MP_GCM_TAG], back[20];
  mp_gcm *seal = mp_gcm_new(key, 1), *open = mp_gcm_new(key, 0);
  assert_int_equal(mp_gcm_encrypt(seal, sealed, iv, "context", 7, "twenty bytes of text", 20), MP_OK);
  for (size_t i = 0; i < sizeof sealed; i++) {
    sealed[i] ^= 1;
    memset(back, 0x55, sizeof back);
    assert_int_equal(mp_gcm_decrypt(open, back, iv, "context", 7, sealed, sizeof sealed), MP_ECRYPTO);
    assert_memory_equal(back, zeros, sizeof back);
    sealed[i] ^= 1;
  }
  assert_int_equal(mp_gcm_decrypt(open, back, iv, "contexT", 7, sealed, sizeof sealed), MP_ECRYPTO);
  assert_int_equal(mp_gcm_decrypt(open, back, iv, NULL, 0, sealed, sizeof sealed), MP_ECRYPTO);
  for (size_t length = 0; length < sizeof sealed; length++) {
    assert_int_equal(mp_gcm_decrypt(open, back, iv, "context", 7, sealed, length), MP_ECRYPTO);
  }
  assert_int_equal(mp_gcm_decrypt(open, back, iv, "context", 7, sealed, sizeof sealed), MP_OK);
  assert_int_equal(mp_gcm_encrypt(seal, sealed, iv, "context", 7, "", 0), MP_OK); /* nothing but a tag */
  assert_int_equal(mp_gcm_decrypt(open, back, iv, "context", 7, sealed, MP_GCM_TAG), MP_OK);
  mp_gcm_free(seal);
  mp_gcm_free(open);
  mp_gcm_free(NULL);
}

/* 01 §15.6, recorded from another client: mixKey, then a server's key opened with the hash as context. */
static void mix_key_is_the_recorded_one(void **state) {
  (void)state;
  mp_keypair own;
  uint8_t peer[32], shared[32], okm[64], h[32], out[32];
  static const uint8_t iv[12];
  key_from_hex(own.private_key, "58a49f1c633f3d5161f6b7854c13d4b28ba4b6b5fe91644a5fc3c09fd623e07d");
  key_from_hex(peer, "9d9b8241572937f6672ce07221c143bc1cb1266334333f33797a592669523733");
  assert_int_equal(mp_keypair_derive(&own), MP_OK);
  assert_int_equal(mp_agree(shared, own.private_key, peer), MP_OK);
  assert_int_equal(mp_hkdf(okm, 64, shared, 32, "Noise_XX_25519_AESGCM_SHA256\0\0\0\0", 32, "", 0), MP_OK);
  assert_hex(okm, 64,
             "cf20e4a2d076541a3f45609407f6501d9f20d55f40b06ff32af4573c44ab1595"
             "3c99886f05525e28c64122bf1955c4cc87452459a84789a4e6c4b5d63625f181");
  key_from_hex(h, "42e2950db11903f6fd490bedd1cc630feb40b1d01ac350655a98273284498a1d");
  mp_buffer sealed = from_hex("6de6577bb273d20bb64ee96ffc99fabd1390853791c26fad729806b5b7ddedc44d689b48e05068e2823b44dd533fff8d");
  mp_gcm *gcm = mp_gcm_new(okm + 32, 0);
  assert_int_equal(mp_gcm_decrypt(gcm, out, iv, h, 32, sealed.data, sealed.length), MP_OK);
  assert_hex(out, 32, "5854d333d8e13975abd6597bbaddd49d6935ced25c93a44bd3ade508f2bec330");
  mp_gcm_free(gcm);
  mp_buffer_free(&sealed);
}

static void random_bytes_differ(void **state) {
  (void)state;
  uint8_t a[32] = {0}, b[32] = {0};
  mp_random(a, sizeof a);
  mp_random(b, sizeof b);
  assert_memory_not_equal(a, b, sizeof a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sha256_is_sha256),
      cmocka_unit_test(hmac_is_rfc_4231s),
      cmocka_unit_test(hkdf_is_rfc_5869s),
      cmocka_unit_test(public_keys_follow_from_private_ones),
      cmocka_unit_test(both_sides_agree),
      cmocka_unit_test(keys_of_small_order_are_refused),
      cmocka_unit_test(new_pairs_differ),
      cmocka_unit_test(x3dh_and_the_ratchets_kdfs_are_the_sheets),
      cmocka_unit_test(the_sender_keys_kdf_is_the_sheets),
      cmocka_unit_test(the_sheets_signatures_verify_and_their_changes_do_not),
      cmocka_unit_test(the_sheets_signatures_come_of_their_random_bytes),
      cmocka_unit_test(signatures_verify_are_random_and_may_carry_the_sign_bit),
      cmocka_unit_test(cbc_is_nists_and_pads),
      cmocka_unit_test(ctr_is_the_sheets),
      cmocka_unit_test(gcm_is_the_sheets),
      cmocka_unit_test(gcm_opens_nothing_that_was_touched_and_leaves_zeros),
      cmocka_unit_test(mix_key_is_the_recorded_one),
      cmocka_unit_test(random_bytes_differ),
  };
  if (mp_crypto_init() != MP_OK) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
