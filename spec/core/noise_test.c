/* The Noise handshake step by step, both roles (01 §2, vectors of §15.2 to §15.4), and the transport behind it. */
#include "noise/noise.h"

#include "base/protobuf.h"
#include "crypto/hash.h"
#include "noise/certificate.h"
#include "noise_vectors.h"
#include "unit.h"

#define NOW 1800000000 /* within the vectors' certificates */

static mp_keypair pair_of(const char *private_hex) {
  mp_keypair pair;
  key_from_hex(pair.private_key, private_hex);
  assert_int_equal(mp_keypair_derive(&pair), MP_OK);
  return pair;
}

typedef struct {
  mp_noise client, server;
  mp_buffer chain, payload, hello, answer, finish, got, shown;
  uint8_t root[32];
  mp_error e;
} shake;

/* Both ends with the vectors' keys, nothing sent yet. */
static void begin(shake *s) {
  memset(s, 0, sizeof *s);
  mp_keypair client = pair_of(CS_PRIV), server = pair_of(SS_PRIV);
  mp_noise_init(&s->client, &client);
  mp_noise_init(&s->server, &server);
  s->client.ephemeral = pair_of(CE_PRIV);
  s->server.ephemeral = pair_of(SE_PRIV);
  s->chain = from_hex(CERT_CHAIN);
  s->payload = from_hex(CLIENT_PAYLOAD);
  key_from_hex(s->root, ROOT_PUB);
}

static void end(shake *s) {
  mp_buffer *all[] = {&s->chain, &s->payload, &s->hello, &s->answer, &s->finish, &s->got, &s->shown};
  for (size_t i = 0; i < COUNT(all); i++) mp_buffer_free(all[i]);
  mp_noise_wipe(&s->client);
  mp_noise_wipe(&s->server);
}

static int say_hello(shake *s) {
  return mp_noise_hello(&s->client, &s->hello, &s->e);
}

static int read_hello(shake *s) {
  return mp_noise_read_hello(&s->server, s->hello.data, s->hello.length, s->chain.data, s->chain.length, &s->answer, &s->got,
                             &s->e);
}

static int read_answer(shake *s) {
  return mp_noise_read_server_hello(&s->client, s->answer.data, s->answer.length, s->root, NOW, &s->shown, &s->e);
}

static int say_finish(shake *s) {
  return mp_noise_finish(&s->client, s->payload.data, s->payload.length, &s->finish, &s->e);
}

static int read_finish(shake *s) {
  return mp_noise_read_finish(&s->server, s->finish.data, s->finish.length, &s->got, &s->e);
}

static void run(shake *s) {
  begin(s);
  assert_int_equal(say_hello(s), MP_OK);
  assert_int_equal(read_hello(s), MP_OK);
  assert_int_equal(read_answer(s), MP_OK);
  assert_int_equal(say_finish(s), MP_OK);
  assert_int_equal(read_finish(s), MP_OK);
}

static void is_over(const mp_noise *noise) {
  static const mp_noise zeros;
  mp_noise copy = *noise;
  assert_int_equal(copy.step, MP_NOISE_BROKEN);
  copy.step = zeros.step;
  assert_memory_equal(&copy, &zeros, sizeof copy); /* no key is left */
}

static void the_root_is_the_sheets(void **state) {
  (void)state;
  assert_hex(mp_noise_root, 32, "142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b");
  assert_hex(mp_noise_prologue, 4, "57410603");
}

static void xx_is_byte_for_byte_the_sheets(void **state) {
  (void)state;
  shake s;
  begin(&s);
  assert_hex(s.client.ck, 32, XX_INIT);
  assert_hex(s.client.k, 32, XX_INIT);
  assert_hex(s.client.h, 32, XX_H_PROLOGUE);
  assert_int_equal(say_hello(&s), MP_OK);
  assert_hex(s.hello.data, s.hello.length, XX_MSG1);
  assert_hex(s.client.h, 32, XX_H_E_C);
  assert_int_equal(read_hello(&s), MP_OK);
  assert_hex(s.answer.data, s.answer.length, XX_MSG2);
  assert_int_equal(read_answer(&s), MP_OK);
  const mp_noise *both[] = {&s.client, &s.server};
  for (int i = 0; i < 2; i++) {
    assert_hex(both[i]->h, 32, XX_H_CHAIN);
    assert_hex(both[i]->ck, 32, XX_CK_ES);
    assert_hex(both[i]->k, 32, XX_K_ES);
  }
  assert_hex(s.client.peer_static, 32, SS_PUB);
  assert_int_equal(say_finish(&s), MP_OK);
  assert_hex(s.finish.data, s.finish.length, XX_MSG3);
  assert_int_equal(read_finish(&s), MP_OK);
  for (int i = 0; i < 2; i++) {
    assert_hex(both[i]->h, 32, XX_H_PAYLOAD);
    assert_hex(both[i]->ck, 32, XX_CK_SE);
    assert_hex(both[i]->k, 32, XX_K_SE);
  }
  assert_hex(s.got.data, s.got.length, CLIENT_PAYLOAD);
  assert_hex(s.server.peer_static, 32, CS_PUB);
  end(&s);
}

static void split(shake *s, mp_noise_transport *client, mp_noise_transport *server) {
  assert_int_equal(mp_noise_split(&s->client, true, client, &s->e), MP_OK);
  assert_int_equal(mp_noise_split(&s->server, false, server, &s->e), MP_OK);
  is_over(&s->client);
  is_over(&s->server);
}

static void seal_is(mp_noise_transport *transport, const char *plain_hex, const char *frame_hex) {
  mp_buffer plain = from_hex(plain_hex);
  uint8_t *out = malloc(plain.length + MP_GCM_TAG);
  mp_error e;
  assert_non_null(out);
  assert_int_equal(mp_noise_encrypt(transport, plain.data, plain.length, out, &e), MP_OK);
  assert_hex(out, plain.length + MP_GCM_TAG, frame_hex + 6); /* without the frame's length */
  free(out);
  mp_buffer_free(&plain);
}

static int open_frame(mp_noise_transport *transport, const char *frame_hex, const char *plain_hex) {
  mp_buffer frame = from_hex(frame_hex + 6);
  uint8_t *out = malloc(frame.length - MP_GCM_TAG);
  mp_error e;
  assert_non_null(out);
  int rc = mp_noise_decrypt(transport, frame.data, frame.length, out, &e);
  if (rc == MP_OK) assert_hex(out, frame.length - MP_GCM_TAG, plain_hex);
  free(out);
  mp_buffer_free(&frame);
  return rc;
}

static void the_transport_is_byte_for_byte_the_sheets(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  run(&s);
  split(&s, &client, &server);
  seal_is(&client, NODE_PING, FRAME_CLIENT_0);
  seal_is(&client, NODE_PING, FRAME_CLIENT_1);
  seal_is(&server, NODE_SUCCESS, FRAME_SERVER_0);
  seal_is(&server, NODE_OFFLINE_ZLIB, FRAME_SERVER_1);
  assert_int_equal(open_frame(&server, FRAME_CLIENT_0, NODE_PING), MP_OK);
  assert_int_equal(open_frame(&server, FRAME_CLIENT_1, NODE_PING), MP_OK);
  assert_int_equal(open_frame(&client, FRAME_SERVER_0, NODE_SUCCESS), MP_OK);
  assert_int_equal(open_frame(&client, FRAME_SERVER_1, NODE_OFFLINE_ZLIB), MP_OK);
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  end(&s);
}

static void a_frame_replayed_reordered_changed_or_turned_round_does_not_open(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  run(&s);
  split(&s, &client, &server);
  assert_int_equal(open_frame(&server, FRAME_CLIENT_1, NODE_PING), MP_ECRYPTO); /* number 1 first; it takes number 0's place */
  assert_int_equal(open_frame(&server, FRAME_CLIENT_1, NODE_PING), MP_OK);
  assert_int_equal(open_frame(&server, FRAME_CLIENT_1, NODE_PING), MP_ECRYPTO);
  assert_int_equal(open_frame(&client, FRAME_CLIENT_0, NODE_PING), MP_ECRYPTO); /* its own words back */
  mp_buffer frame = from_hex(FRAME_SERVER_0);
  uint8_t out[64];
  client.receive_count = 0;
  for (size_t i = 3; i < frame.length; i++) {
    frame.data[i] ^= 0x80;
    assert_int_equal(mp_noise_decrypt(&client, frame.data + 3, frame.length - 3, out, &s.e), MP_ECRYPTO);
    frame.data[i] ^= 0x80;
    client.receive_count = 0;
  }
  for (size_t length = 0; length < frame.length - 3; length++) {
    assert_int_equal(mp_noise_decrypt(&client, frame.data + 3, length, out, &s.e), MP_ECRYPTO);
    client.receive_count = 0;
  }
  assert_int_equal(mp_noise_decrypt(&client, frame.data + 3, frame.length - 3, out, &s.e), MP_OK);
  mp_buffer_free(&frame);
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  end(&s);
}

static void counters_end_before_they_wrap(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  uint8_t sealed[1 + MP_GCM_TAG], out[1];
  run(&s);
  split(&s, &client, &server);
  client.send_count = server.receive_count = UINT32_MAX - 1;
  assert_int_equal(mp_noise_encrypt(&client, (const uint8_t *)"x", 1, sealed, &s.e), MP_OK);
  assert_int_equal(mp_noise_decrypt(&server, sealed, sizeof sealed, out, &s.e), MP_OK);
  assert_int_equal(mp_noise_encrypt(&client, (const uint8_t *)"x", 1, sealed, &s.e), MP_ELIMIT);
  assert_int_equal(mp_noise_decrypt(&server, sealed, sizeof sealed, out, &s.e), MP_ELIMIT);
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  assert_int_equal(mp_noise_encrypt(&client, (const uint8_t *)"x", 1, sealed, &s.e), MP_ECLOSED);
  assert_int_equal(mp_noise_decrypt(&server, sealed, sizeof sealed, out, &s.e), MP_ECLOSED);
  end(&s);
}

static void ten_thousand_frames_each_way_stay_in_step(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  run(&s);
  split(&s, &client, &server);
  for (uint32_t i = 0; i < 10000; i++) {
    uint8_t sealed[4 + MP_GCM_TAG], out[4];
    assert_int_equal(mp_noise_encrypt(&client, (const uint8_t *)&i, 4, sealed, &s.e), MP_OK);
    assert_int_equal(mp_noise_decrypt(&server, sealed, sizeof sealed, out, &s.e), MP_OK);
    assert_memory_equal(out, &i, 4);
    assert_int_equal(mp_noise_encrypt(&server, (const uint8_t *)&i, 4, sealed, &s.e), MP_OK);
    assert_int_equal(mp_noise_decrypt(&client, sealed, sizeof sealed, out, &s.e), MP_OK);
  }
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  end(&s);
}

/* The two keys of a split, seen through what they seal. */
static void keys_are(mp_noise_transport *server, const char *client_key, const char *server_key) {
  uint8_t key[32], sealed[3 + MP_GCM_TAG], own[3 + MP_GCM_TAG];
  static const uint8_t iv[12];
  mp_error e;
  key_from_hex(key, server_key);
  mp_gcm *gcm = mp_gcm_new(key, 1);
  assert_int_equal(mp_gcm_encrypt(gcm, own, iv, NULL, 0, "abc", 3), MP_OK);
  assert_int_equal(mp_noise_encrypt(server, (const uint8_t *)"abc", 3, sealed, &e), MP_OK);
  assert_memory_equal(sealed, own, sizeof own);
  mp_gcm_free(gcm);
  key_from_hex(key, client_key);
  gcm = mp_gcm_new(key, 1);
  assert_int_equal(mp_gcm_encrypt(gcm, own, iv, NULL, 0, "abc", 3), MP_OK);
  assert_int_equal(mp_noise_decrypt(server, own, sizeof own, sealed, &e), MP_OK);
  mp_gcm_free(gcm);
}

static void put(mp_buffer *out, uint32_t number, const void *bytes, size_t length) {
  assert_int_equal(mp_proto_write_tag(out, number, MP_PROTO_BYTES), MP_OK);
  assert_int_equal(mp_proto_write_bytes(out, bytes, length), MP_OK);
}

static void put_hex(mp_buffer *out, uint32_t number, const char *hex) {
  mp_buffer bytes = from_hex(hex);
  put(out, number, bytes.data, bytes.length);
  mp_buffer_free(&bytes);
}

/* A HandshakeMessage around `inner`, which is emptied. */
static void wrap(mp_buffer *out, uint32_t which, mp_buffer *inner) {
  out->length = 0;
  put(out, which, inner->data, inner->length);
  mp_buffer_free(inner);
}

static int say_resume(shake *s, const char *server_public) {
  uint8_t key[32];
  key_from_hex(key, server_public);
  return mp_noise_resume(&s->client, key, s->payload.data, s->payload.length, &s->hello, &s->e);
}

static void ik_is_byte_for_byte_the_sheets(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  begin(&s);
  assert_int_equal(say_resume(&s, SS_PUB), MP_OK);
  assert_hex(s.hello.data, s.hello.length, IK_MSG1);
  assert_hex(s.client.h, 32, IK_H_PAYLOAD);
  assert_int_equal(read_hello(&s), MP_OK);
  assert_hex(s.answer.data, s.answer.length, IK_MSG2);
  assert_hex(s.got.data, s.got.length, CLIENT_PAYLOAD);
  assert_hex(s.server.peer_static, 32, CS_PUB);
  assert_int_equal(s.server.step, MP_NOISE_DONE);
  assert_int_equal(read_answer(&s), MP_OK);
  assert_int_equal(s.client.step, MP_NOISE_DONE);
  assert_hex(s.shown.data, s.shown.length, CERT_CHAIN);
  const mp_noise *both[] = {&s.client, &s.server};
  for (int i = 0; i < 2; i++) {
    assert_hex(both[i]->h, 32, IK_H_CHAIN);
    assert_hex(both[i]->ck, 32, IK_CK_SE);
    assert_hex(both[i]->k, 32, IK_K_SE);
  }
  assert_int_equal(mp_noise_split(&s.client, true, &client, &s.e), MP_OK);
  assert_int_equal(mp_noise_split(&s.server, false, &server, &s.e), MP_OK);
  keys_are(&server, IK_CLIENT_KEY, IK_SERVER_KEY);
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  end(&s);
}

static void an_ik_hello_for_another_key_is_answered_with_xxfallback(void **state) {
  (void)state;
  shake s;
  mp_noise_transport transport;
  mp_buffer inner = {0}, expected = {0};
  begin(&s);
  s.hello = from_hex(IK_MSG1);
  s.hello.data[45] ^= 1; /* of the encrypted static key: the sheet's hello is one this server cannot read */
  assert_int_equal(read_hello(&s), MP_OK);
  put_hex(&inner, 1, SE_PUB);
  put_hex(&inner, 2, FB_STATIC);
  put_hex(&inner, 3, FB_CHAIN);
  wrap(&expected, 3, &inner);
  assert_int_equal(s.answer.length, expected.length);
  assert_memory_equal(s.answer.data, expected.data, expected.length);
  assert_hex(s.server.h, 32, FB_H_CHAIN);
  assert_hex(s.server.ck, 32, FB_CK_ES);
  put_hex(&inner, 1, FB_CLIENT_STATIC);
  put_hex(&inner, 2, FB_PAYLOAD);
  wrap(&s.finish, 4, &inner);
  assert_int_equal(read_finish(&s), MP_OK);
  assert_hex(s.got.data, s.got.length, CLIENT_PAYLOAD);
  assert_hex(s.server.peer_static, 32, CS_PUB);
  assert_hex(s.server.h, 32, FB_H_PAYLOAD);
  assert_hex(s.server.ck, 32, FB_CK_SE);
  assert_int_equal(mp_noise_split(&s.server, false, &transport, &s.e), MP_OK);
  keys_are(&transport, FB_CLIENT_KEY, FB_SERVER_KEY);
  mp_noise_transport_free(&transport);
  mp_buffer_free(&expected);
  end(&s);
}

/* A client that takes another key for the server's goes on with what it is answered. */
static void a_client_with_another_servers_key_falls_back(void **state) {
  (void)state;
  shake s;
  mp_noise_transport client, server;
  begin(&s);
  assert_int_equal(say_resume(&s, IM_PUB), MP_OK);
  assert_int_equal(read_hello(&s), MP_OK);
  assert_int_equal(s.server.step, MP_NOISE_HELLO_READ);
  assert_int_equal(s.got.length, 0);
  assert_int_equal(read_answer(&s), MP_OK);
  assert_int_equal(s.client.step, MP_NOISE_VERIFIED);
  assert_hex(s.client.peer_static, 32, SS_PUB);
  assert_hex(s.shown.data, s.shown.length, CERT_CHAIN);
  assert_hex(s.client.h, 32, FB_H_CHAIN);
  assert_int_equal(say_finish(&s), MP_OK);
  assert_int_equal(read_finish(&s), MP_OK);
  assert_hex(s.got.data, s.got.length, CLIENT_PAYLOAD);
  assert_hex(s.client.h, 32, FB_H_PAYLOAD);
  assert_hex(s.server.peer_static, 32, CS_PUB);
  assert_int_equal(mp_noise_split(&s.client, true, &client, &s.e), MP_OK);
  assert_int_equal(mp_noise_split(&s.server, false, &server, &s.e), MP_OK);
  keys_are(&server, FB_CLIENT_KEY, FB_SERVER_KEY);
  mp_noise_transport_free(&client);
  mp_noise_transport_free(&server);
  end(&s);
}

static void the_chain_of_an_accepted_ik_may_be_missing_but_not_wrong(void **state) {
  (void)state;
  shake s;
  begin(&s);
  s.chain.length = 0;
  assert_int_equal(say_resume(&s, SS_PUB) || read_hello(&s) || read_answer(&s), MP_OK);
  assert_int_equal(s.shown.length, 0);
  end(&s);
  begin(&s);
  assert_int_equal(say_resume(&s, SS_PUB) || read_hello(&s), MP_OK);
  memcpy(s.root, mp_noise_root, sizeof s.root);
  assert_int_equal(read_answer(&s), MP_ECRYPTO);
  is_over(&s.client);
  assert_int_equal(s.shown.length, 0);
  end(&s);
}

static void a_server_that_only_shows_the_known_key_is_refused(void **state) {
  (void)state;
  shake s;
  begin(&s);
  assert_int_equal(say_resume(&s, SS_PUB), MP_OK);
  s.server.own_static = pair_of(IM_PRIV); /* has the chain and the public key, not the private one */
  key_from_hex(s.server.own_static.public_key, SS_PUB);
  assert_int_equal(read_hello(&s), MP_OK);
  assert_int_equal(s.server.step, MP_NOISE_HELLO_READ);
  assert_int_equal(read_answer(&s), MP_ECRYPTO);
  is_over(&s.client);
  end(&s);
}

/* The answer to one hello is of no use to another handshake, not even of the same client. */
static void a_replayed_ik_answer_ends_the_handshake(void **state) {
  (void)state;
  shake s, again;
  begin(&s);
  assert_int_equal(say_resume(&s, SS_PUB) || read_hello(&s), MP_OK);
  begin(&again);
  mp_keypair_generate(&again.client.ephemeral);
  assert_int_equal(say_resume(&again, SS_PUB), MP_OK);
  assert_int_equal(mp_buffer_append(&again.answer, s.answer.data, s.answer.length), MP_OK);
  assert_int_equal(read_answer(&again), MP_ECRYPTO);
  is_over(&again.client);
  end(&s);
  end(&again);
}

static void the_first_key_of_the_split_is_the_clients(void **state) {
  (void)state;
  shake s;
  mp_noise_transport server;
  run(&s);
  assert_int_equal(mp_noise_split(&s.server, false, &server, &s.e), MP_OK);
  keys_are(&server, XX_CLIENT_KEY, XX_SERVER_KEY);
  mp_noise_transport_free(&server);
  end(&s);
}

static void every_step_waits_for_its_turn(void **state) {
  (void)state;
  shake s;
  mp_noise_transport transport;
  begin(&s);
  assert_int_equal(read_answer(&s), MP_EINVAL);
  assert_int_equal(say_finish(&s), MP_EINVAL);
  assert_int_equal(read_finish(&s), MP_EINVAL);
  assert_int_equal(mp_noise_split(&s.client, true, &transport, &s.e), MP_EINVAL);
  assert_int_equal(say_hello(&s), MP_OK);
  assert_int_equal(say_hello(&s), MP_EINVAL);
  assert_int_equal(say_finish(&s), MP_EINVAL); /* never a payload for a server that has proved nothing */
  assert_int_equal(read_hello(&s), MP_OK);
  assert_int_equal(read_hello(&s), MP_EINVAL);
  assert_int_equal(mp_noise_split(&s.server, false, &transport, &s.e), MP_EINVAL);
  assert_int_equal(read_answer(&s), MP_OK);
  assert_int_equal(read_answer(&s), MP_EINVAL);
  assert_int_equal(mp_noise_split(&s.client, true, &transport, &s.e), MP_EINVAL);
  end(&s);
}

static void fresh_handshakes_have_fresh_keys(void **state) {
  (void)state;
  mp_keypair own = pair_of(CS_PRIV);
  mp_noise a, b;
  mp_noise_init(&a, &own);
  mp_noise_init(&b, &own);
  assert_memory_not_equal(a.ephemeral.private_key, b.ephemeral.private_key, 32);
  mp_noise_wipe(&a);
  mp_noise_wipe(&b);
}

static bool resuming; /* whether run_up_to begins with IK */

/* Runs up to the server's answer or the client's finish. */
static mp_buffer *run_up_to(shake *s, bool finish) {
  begin(s);
  assert_int_equal(resuming ? say_resume(s, SS_PUB) : say_hello(s), MP_OK);
  assert_int_equal(read_hello(s), MP_OK);
  if (!finish) return &s->answer;
  assert_int_equal(read_answer(s), MP_OK);
  assert_int_equal(say_finish(s), MP_OK);
  return &s->finish;
}

static void refused(shake *s, bool finish, const char *how, size_t at) {
  int rc = finish ? read_finish(s) : read_answer(s);
  if (rc == MP_OK) fail_msg("the %s passed, %s at byte %zu", finish ? "finish" : "answer", how, at);
  assert_int_equal(rc, s->e.code);
  assert_true(s->e.message[0] != 0);
  is_over(finish ? &s->server : &s->client);
}

static void every_truncation_and_every_changed_byte_ends(bool finish) {
  size_t length = 1;
  for (size_t i = 0; i < length; i++) {
    shake s;
    mp_buffer *message = run_up_to(&s, finish);
    length = message->length;
    message->length = i;
    refused(&s, finish, "cut", i);
    end(&s);
    message = run_up_to(&s, finish);
    message->data[i] ^= 0x01;
    refused(&s, finish, "changed", i);
    end(&s);
  }
}

static void a_damaged_answer_ends_the_clients_handshake(void **state) {
  (void)state;
  every_truncation_and_every_changed_byte_ends(false);
}

static void a_damaged_ik_answer_ends_the_clients_handshake(void **state) {
  (void)state;
  resuming = true;
  every_truncation_and_every_changed_byte_ends(false);
  resuming = false;
}

static void a_damaged_finish_ends_the_servers_handshake(void **state) {
  (void)state;
  every_truncation_and_every_changed_byte_ends(true);
}

static void hello_gives(const mp_buffer *hello, int rc) {
  shake s;
  begin(&s);
  assert_int_equal(
      mp_noise_read_hello(&s.server, hello->data, hello->length, s.chain.data, s.chain.length, &s.answer, &s.got, &s.e), rc);
  if (rc != MP_OK) {
    is_over(&s.server);
    assert_int_equal(s.answer.length, 0);
  }
  end(&s);
}

static void a_hello_is_read_strictly(void **state) {
  (void)state;
  static const struct {
    const char *ephemeral, *own, *payload;
    uint32_t which;
    int rc;
  } hellos[] = {
      {CE_PUB, NULL, NULL, 2, MP_OK},
      {CE_PUB, NULL, NULL, 3, MP_EMALFORMED},   /* a server's */
      {CE_PUB, CS_PUB, NULL, 2, MP_EMALFORMED}, /* half an IK */
      {CE_PUB, NULL, "00", 2, MP_EMALFORMED},
      {"", NULL, NULL, 2, MP_EMALFORMED},
      {CE_PUB "00", NULL, NULL, 2, MP_EMALFORMED},
      {"0000000000000000000000000000000000000000000000000000000000000000", NULL, NULL, 2, MP_ECRYPTO}, /* of small order */
      {"0100000000000000000000000000000000000000000000000000000000000000", NULL, NULL, 2, MP_ECRYPTO},
      {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", NULL, NULL, 2, MP_ECRYPTO},
  };
  for (size_t i = 0; i < COUNT(hellos); i++) {
    mp_buffer inner = {0}, hello = {0};
    put_hex(&inner, 1, hellos[i].ephemeral);
    if (hellos[i].own != NULL) put_hex(&inner, 2, hellos[i].own);
    if (hellos[i].payload != NULL) put_hex(&inner, 3, hellos[i].payload);
    wrap(&hello, hellos[i].which, &inner);
    hello_gives(&hello, hellos[i].rc);
    for (size_t length = 0; hellos[i].rc == MP_OK && length < hello.length; length++) {
      mp_buffer cut = {.data = hello.data, .length = length};
      hello_gives(&cut, MP_EMALFORMED);
    }
    mp_buffer_free(&hello);
  }
}

static void fields_of_a_newer_protocol_are_skipped(void **state) {
  (void)state;
  mp_buffer inner = {0}, hello = {0}, outer = {0};
  put_hex(&inner, 1, CE_PUB);
  assert_int_equal(mp_proto_write_tag(&inner, 4, MP_PROTO_VARINT) || mp_proto_write_varint(&inner, 1), 0); /* useExtended */
  put_hex(&inner, 5, "aabb");
  assert_int_equal(mp_proto_write_tag(&inner, 9, MP_PROTO_VARINT) || mp_proto_write_varint(&inner, 3), 0); /* pqMode */
  put_hex(&inner, 10, "ccdd");
  wrap(&hello, 2, &inner);
  put_hex(&outer, 1, "00");
  put_hex(&outer, 99, "0011");
  assert_int_equal(mp_buffer_append(&outer, hello.data, hello.length), MP_OK);
  hello_gives(&outer, MP_OK);
  mp_buffer_free(&hello);
  mp_buffer_free(&outer);
}

static void a_client_that_cannot_prove_its_key_is_refused(void **state) {
  (void)state;
  shake s;
  run_up_to(&s, false);
  assert_int_equal(read_answer(&s), MP_OK);
  s.client.own_static = pair_of(IM_PRIV); /* shows another's public key */
  key_from_hex(s.client.own_static.public_key, CS_PUB);
  assert_int_equal(say_finish(&s), MP_OK);
  assert_int_equal(read_finish(&s), MP_ECRYPTO);
  is_over(&s.server);
  assert_int_equal(s.got.length, 0);
  end(&s);
}

static void a_server_that_cannot_prove_its_key_is_refused(void **state) {
  (void)state;
  shake s;
  begin(&s);
  s.server.own_static = pair_of(IM_PRIV); /* has the chain and the public key, not the private one */
  key_from_hex(s.server.own_static.public_key, SS_PUB);
  assert_int_equal(say_hello(&s), MP_OK);
  assert_int_equal(read_hello(&s), MP_OK);
  assert_int_equal(read_answer(&s), MP_ECRYPTO);
  is_over(&s.client);
  end(&s);
}

static void another_servers_root_is_never_taken_for_the_services(void **state) {
  (void)state;
  shake s;
  run_up_to(&s, false);
  memcpy(s.root, mp_noise_root, sizeof s.root);
  assert_int_equal(read_answer(&s), MP_ECRYPTO);
  assert_non_null(strstr(s.e.message, "the intermediate certificate is not signed by its issuer"));
  is_over(&s.client);
  end(&s);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_root_is_the_sheets),
      cmocka_unit_test(xx_is_byte_for_byte_the_sheets),
      cmocka_unit_test(the_transport_is_byte_for_byte_the_sheets),
      cmocka_unit_test(the_first_key_of_the_split_is_the_clients),
      cmocka_unit_test(a_frame_replayed_reordered_changed_or_turned_round_does_not_open),
      cmocka_unit_test(counters_end_before_they_wrap),
      cmocka_unit_test(ten_thousand_frames_each_way_stay_in_step),
      cmocka_unit_test(ik_is_byte_for_byte_the_sheets),
      cmocka_unit_test(an_ik_hello_for_another_key_is_answered_with_xxfallback),
      cmocka_unit_test(a_client_with_another_servers_key_falls_back),
      cmocka_unit_test(the_chain_of_an_accepted_ik_may_be_missing_but_not_wrong),
      cmocka_unit_test(a_server_that_only_shows_the_known_key_is_refused),
      cmocka_unit_test(a_replayed_ik_answer_ends_the_handshake),
      cmocka_unit_test(a_damaged_ik_answer_ends_the_clients_handshake),
      cmocka_unit_test(every_step_waits_for_its_turn),
      cmocka_unit_test(fresh_handshakes_have_fresh_keys),
      cmocka_unit_test(a_damaged_answer_ends_the_clients_handshake),
      cmocka_unit_test(a_damaged_finish_ends_the_servers_handshake),
      cmocka_unit_test(a_hello_is_read_strictly),
      cmocka_unit_test(fields_of_a_newer_protocol_are_skipped),
      cmocka_unit_test(a_client_that_cannot_prove_its_key_is_refused),
      cmocka_unit_test(a_server_that_cannot_prove_its_key_is_refused),
      cmocka_unit_test(another_servers_root_is_never_taken_for_the_services),
  };
  if (mp_crypto_init() != MP_OK) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
