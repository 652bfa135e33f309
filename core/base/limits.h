/* Every limit a decoder or queue enforces, in one place. Sources: fact sheet 01 §1.2, §4.7, unless said. */
#ifndef MOONPOST_BASE_LIMITS_H
#define MOONPOST_BASE_LIMITS_H

#define MP_FRAME_MAX ((1u << 24) - 1)       /* bytes in one frame */
#define MP_FRAME_MAX_HANDSHAKE (64u * 1024) /* bytes in all before the handshake is done */
/* Bytes of its stream an idle connection holds on to: a server has hundreds, and few stanzas are larger. */
#define MP_FRAME_KEPT 4096u
#define MP_ROUTING_INFO_MAX (32u * 1024)      /* bytes of the edge-routing preamble; part of the above */
#define MP_INFLATED_MAX (16u * 1024 * 1024)   /* bytes a compressed stanza may grow to */
#define MP_NODE_DEPTH_MAX 128                 /* nesting of nodes */
#define MP_NODE_COUNT_MAX 200000              /* nodes in one stanza */
#define MP_JID_USER_MAX 255                   /* bytes of a JID's user part */
#define MP_AT_TEXT_MAX 1024                   /* bytes of a text that a foreign encoder took for a JID (01 §4.5) */
#define MP_PROTO_DEPTH_MAX 64                 /* nesting of protobuf messages */
#define MP_PROTO_MESSAGES_MAX 100000u         /* protobuf messages in one decoding: each is a Lua table */
#define MP_PROTO_MERGES_MAX 100u              /* repetitions of singular messages in one decoding: each is merged */
#define MP_PROTO_UNKNOWN_MAX (1024u * 1024)   /* bytes of unknown fields kept per message */
#define MP_SEND_QUEUE_MAX (32u * 1024 * 1024) /* bytes waiting on one socket before it is dropped */
#define MP_SEND_QUEUE_HIGH (256u * 1024)      /* bytes waiting on one socket before senders must wait */
#define MP_HTTP_BODY_MAX (1024u * 1024)       /* bytes of an HTTP request or response body (admin) */
#define MP_HTTP_UNREAD_MAX (8u * 1024 * 1024) /* bytes of a refused request that are read to their end, for its answer */
#define MP_HTTP_HEAD_MAX (32u * 1024)         /* bytes of an answer's head, with its interim answers */
#define MP_HTTP_HEADERS_MAX 100u              /* headers of an answer */
#define MP_HTTP_PIECE (64u * 1024)            /* bytes of a streamed HTTP body that pass at once */
#define MP_PROXY_HEAD_MAX (16u * 1024)        /* bytes of the head of a proxy's answer */
#define MP_PROXY_CREDENTIALS_MAX 512          /* bytes of a proxy's user and password */
#define MP_TURN_MS 10                         /* milliseconds a turn of the loop goes on while more comes in */

/* A chunk of history. What is passed over is left out; what is beyond the other limits is an error. */
#define MP_HISTORY_INFLATED_MAX (256u * 1024 * 1024) /* bytes it may grow to */
#define MP_HISTORY_CONVERSATIONS_MAX 50000u
#define MP_HISTORY_MESSAGE_MAX (2u * 1024 * 1024) /* bytes of a message; a larger one is passed over */
#define MP_HISTORY_FIELD_MAX (1024u * 1024)       /* bytes of any other field; a larger one is passed over */
#define MP_HISTORY_FIELDS_MAX (4u * 1024 * 1024)  /* bytes of a conversation's other fields; what is more is passed over */
#define MP_HISTORY_SLICE (1024u * 1024)           /* bytes read without a pause */

#endif
