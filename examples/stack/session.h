/* Can be taken alone, with bulk, channels, correction, frames, keys, layer, login, network, packet, parity, path, pmtu, reliable,
   repeat, seal, sequence, stream; needs KCP and libsodium. */
/*
 * A session, from login to its end: the same unit in the server, many times, and in the client.
 *
 *                      session_send(session, channel, ...)
 *          1 reliable          2 unreliable        0 bulk
 *        KCP (reliable.h)          |                  |
 *               \__________________|                  |
 *                channels.h  ----------------.        |         the line across: while UDP is not usable
 *                     |                       \       |
 *          [repeat.h or parity.h]              stream.h
 *                     |                           |
 *                   path.h                      seal.h
 *                     |                           |
 *                   seal.h                     frames.h
 *                     |                           |
 *                 id and key                      |
 *                    UDP                         TCP
 *
 * It has no socket and no clock of its own: the owner gives it what arrives, and the time. When one of its calls says that the
 * session is over, the owner tells the program and destroys it. SESSION_CUT is about the TCP connection while there is one: the
 * owner closes that and says session_cut. The session goes on over UDP, or waits for a while, until a new connection takes the
 * place of the old with session_resume.
 */
#ifndef SESSION_H
#define SESSION_H

#include "channels.h"
#include "correction.h"
#include "keys.h"
#include "login.h"
#include "path.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why a session ended, or none came about. */
enum session_end {
    SESSION_OPEN,
    SESSION_CLOSED,    /* this program did so */
    SESSION_LEFT,      /* the other one did */
    SESSION_CUT,       /* the TCP connection ended and was not taken up again, or could not be made */
    SESSION_SILENT,    /* nothing came for too long */
    SESSION_BROKEN,    /* something came that no such peer sends */
    SESSION_STUCK,     /* KCP's packets were not acknowledged, however often they were sent */
    SESSION_EXHAUSTED, /* no memory, or no more counters for the encryption */
    SESSION_UNTRUSTED, /* client: the server does not have the key that was expected; or the key exchange was cut off */
    SESSION_REFUSED    /* client: the server does not let it in */
};

#define SESSION_RENEW_TIME 600000
#define SESSION_RENEW_BYTES ((uint64_t)1 << 30)

struct session;

struct session_program {
    channels_message message; /* as in channels.h */
    void (*room)(void *user, int channel);  /* a send was told CHANNEL_BUSY, and now there is room again. May be NULL */
    void (*touched)(void *user);            /* session_flush is wanted soon: before the owner waits for anything */
    void *user;
};

struct session {
    struct stream *stream;
    struct path path;
    struct channels channels;
    struct correction correction;
    size_t mtu; /* of packets over UDP, as the channels know it */
    struct session_program program;
    int is_server;
    uint32_t dead;     /* milliseconds without anything after which the session is over, or its connection */
    uint32_t heartbeat;
    uint32_t now;
    uint32_t heard;                     /* when something came last, or the connection was cut */
    uint32_t stream_heard, stream_said; /* over TCP: when something came last, and was sent */
    uint32_t renew_time, renewed;       /* server: the keys are renewed after so many milliseconds, the last time then, */
    uint64_t renew_bytes;               /* or so many bytes */
    unsigned char ticket[KEYS_TICKET];  /* with it the client takes up the session again */
    uint32_t acknowledged;              /* of KCP: as far as it was */
    uint32_t stuck, looked;             /* milliseconds since that changed or nothing waited; when it was looked at last */
    int waits;                          /* something does */
    int is_touched;
    enum session_end end; /* what it will be, when found out inside a call that cannot say so */
};

/*
 * A file to which a line is added for each session that begins: what kcp-lab doctor needs to read its packets in a capture. Whoever has
 * the file reads all that they say: if it is made here, it has mode 0600 (of Windows, what the folder gives it). NULL, as at first: none.
 * Each line has
 *
 *     KCP_STACK id key cipher correction up down
 *
 * with id, key and the keys of both directions of UDP in hexadecimal digits, and the numbers of seal_cipher and login_correction.
 */
extern const char *session_key_log;

/*
 * The stream is sealed already; `udp` is the socket's layer, NULL without UDP. A client's UDP goes to `address`, NULL if it
 * shall have none. 0, or -1 without memory, or if the mtu leaves too little.
 */
int session_init(struct session *session, int is_server, const struct login_welcome *welcome, const struct keys *keys,
                 const struct channels_limits *limits, struct stream *stream, struct layer *udp,
                 const struct sockaddr *address, socklen_t address_size, struct packet_pool *pool,
                 const struct session_program *program, uint32_t now);

/* 0, or one of channels.h. */
int session_send(struct session *session, int channel, const void *bytes, size_t size, uint32_t now);

/* A frame of the stream after the login. */
void session_frame(struct session *session, enum stream_kind kind, struct packet *packet, uint32_t now);

/* A packet of UDP, id and key taken off: they have been compared. 1 if it was genuine. */
int session_packet(struct session *session, struct packet *packet, uint32_t now);

/* Tells the other end, behind all that was given to channel 0, that the session is over. */
void session_leave(struct session *session, uint32_t now);

/* The stream is closed. */
void session_cut(struct session *session, uint32_t now);

/* As far as the other end's pieces of channel 0 have come, which it has to know when it resumes. */
uint32_t session_position(const struct session *session);

/* The stream is a new connection, sealed, and the other end has said its position: 0, or -1 if that cannot be. */
int session_resume(struct session *session, uint32_t position, uint32_t now);

/* Sends what waits. */
enum session_end session_flush(struct session *session, uint32_t now);

/* Time has passed. */
enum session_end session_update(struct session *session, uint32_t now);

/* Milliseconds until session_update is needed, LAYER_IDLE at most. */
uint32_t session_check(const struct session *session, uint32_t now);

/* 1 while packets take UDP. */
int session_has_udp(const struct session *session);

/* Bytes of a message on channel 2 that takes UDP at present; a larger one goes over TCP. */
size_t session_fits(const struct session *session);

/* Does nothing if that was done before, or if all bytes are 0. */
void session_destroy(struct session *session);

/* A few words for a log. */
const char *session_end_text(enum session_end end);

#ifdef __cplusplus
}
#endif

#endif
