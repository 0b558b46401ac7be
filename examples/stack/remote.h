/* Can be taken alone, with bulk, channels, client, clock, cookie, correction, frames, keys, layer, login, network, packet, parity, path,
   pmtu, reliable, repeat, seal, sequence, session, stream, udp; needs KCP and libsodium. */
/*
 * A client (client.h) behind a pointer, with numbers and bytes as its only arguments: for other languages, and as a shared library. It
 * has no callbacks; what happens waits in a queue.
 *
 *     remote = remote_open("example.org", "4000", key, "alice", token, token_size);
 *     for (;;) {
 *         remote_step(remote, 10);                        or 0, once in each frame of a game
 *         while ((kind = remote_next(remote, &channel, &bytes, &size)) != REMOTE_NOTHING) ...
 *     }
 *     remote_close(remote);
 *
 * All calls for one client are for one thread at a time.
 */
#ifndef REMOTE_H
#define REMOTE_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(REMOTE_SHARED)
#define REMOTE_API __declspec(dllexport)
#else
#define REMOTE_API
#endif

enum remote_kind {
    REMOTE_NOTHING,
    REMOTE_OPENED,  /* logged in */
    REMOTE_MESSAGE, /* on `channel` */
    REMOTE_ROOM,    /* after CHANNEL_BUSY, on `channel` */
    REMOTE_CLOSED   /* `channel` is why (session_end of session.h), `size` the server's reason; another try follows */
};

struct remote;

/*
 * Begins to log in. The key is the server's, 64 hexadecimal digits; name and token are for the server's on_login. The name of the host
 * is looked up within the call. NULL if that fails, an argument is not valid, or there is no memory.
 */
REMOTE_API struct remote *remote_open(const char *host, const char *port, const char *key, const char *name, const void *token,
                                      int token_size);

/*
 * UDP takes a proxy, which finds the server by the token (16 bytes at most) in front of each packet: before the first remote_step, once
 * for each proxy, four at most. The next one serves when one fails. 0, or -1 as above.
 */
REMOTE_API int remote_way(struct remote *remote, const char *host, const char *port, const void *token, int token_size);

/* Waits for `most` milliseconds at most, and does what there is to do. */
REMOTE_API void remote_step(struct remote *remote, int most);

/* What happened next: its kind. The bytes are there until the next call. */
REMOTE_API int remote_next(struct remote *remote, int *channel, const void **bytes, int *size);

/* 0, or less as client_send. */
REMOTE_API int remote_send(struct remote *remote, int channel, const void *bytes, int size);

/* 1 while there is a session. */
REMOTE_API int remote_is_open(const struct remote *remote);

/* 1 while packets travel over UDP. */
REMOTE_API int remote_has_udp(const struct remote *remote);

/* Ends the session, telling the server, and frees everything. */
REMOTE_API void remote_close(struct remote *remote);

#ifdef __cplusplus
}
#endif

#endif
