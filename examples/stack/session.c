#include "session.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#ifndef _WIN32
#include <fcntl.h>
#include <unistd.h>
#endif

#define LOOKS 100   /* milliseconds between two looks at KCP, at most, while something waits: it has a flush every 10 */
#define SUSPECT 500 /* milliseconds, and two round trips, for which KCP has to stand still before the path's largest packet is doubted */

const char *session_key_log;

/* To add to. If it is made here, nobody but its owner may read it. */
static FILE *open_key_log(void)
{
#ifdef _WIN32
    return fopen(session_key_log, "a"); /* who may read it is what the folder says */
#else
    int fd = open(session_key_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (file == NULL && fd >= 0) close(fd);
    return file;
#endif
}

/* A line for each session, in one piece: several programs may write to one file. */
static void log_keys(int is_server, const struct login_welcome *welcome, const struct keys *keys)
{
    char up[2 * SEAL_KEY + 1], down[2 * SEAL_KEY + 1], line[256];
    FILE *file = open_key_log();
    if (file == NULL) return;
    setvbuf(file, line, _IOFBF, sizeof line); /* memory that can be wiped */
    sodium_bin2hex(up, sizeof up, is_server ? keys->udp_receive : keys->udp_send, SEAL_KEY);
    sodium_bin2hex(down, sizeof down, is_server ? keys->udp_send : keys->udp_receive, SEAL_KEY);
    fprintf(file, "KCP_STACK %08lx %08lx %u %u %s %s\n", (unsigned long)welcome->id, (unsigned long)welcome->key, welcome->cipher,
            welcome->correction, up, down);
    fclose(file);
    sodium_memzero(up, sizeof up);
    sodium_memzero(down, sizeof down);
    sodium_memzero(line, sizeof line);
}

/* The sooner of two ends: what came first stays. */
static void end(struct session *session, enum session_end why)
{
    if (session->end == SESSION_OPEN) session->end = why;
}

static void touch(struct session *session)
{
    if (session->is_touched) return;
    session->is_touched = 1;
    session->program.touched(session->program.user);
}

/* The session may have slept, and KCP measures with the time that it was told last. */
static void tell_time(struct session *session, uint32_t now)
{
    if (now == session->now) return;
    session->now = session->path.now = now;
    reliable_tell(&session->channels.reliable, now);
}

/* Something is about to happen. */
static void wake(struct session *session, uint32_t now)
{
    tell_time(session, now);
    touch(session);
}

/* Packets are cut as large as the path takes them now. */
static void follow_mtu(struct session *session)
{
    if (session->mtu == session->path.pmtu.size) return;
    session->mtu = session->path.pmtu.size;
    channels_resize(&session->channels, correction_mtu(&session->correction, session->mtu));
}

int session_init(struct session *session, int is_server, const struct login_welcome *welcome, const struct keys *keys,
                 const struct channels_limits *limits, struct stream *stream, struct layer *udp,
                 const struct sockaddr *address, socklen_t address_size, struct packet_pool *pool,
                 const struct session_program *program, uint32_t now)
{
    const struct path_times times = {welcome->handshake, welcome->heartbeat, welcome->silence};
    memset(session, 0, sizeof *session);
    session->stream = stream;
    session->program = *program;
    session->is_server = is_server;
    session->dead = welcome->dead;
    session->heartbeat = welcome->heartbeat;
    session->now = session->heard = session->stream_heard = session->stream_said = now;
    session->renewed = now;
    session->renew_time = SESSION_RENEW_TIME;
    session->renew_bytes = SESSION_RENEW_BYTES;
    memcpy(session->ticket, keys->ticket, sizeof session->ticket);
    if (path_init(&session->path, is_server, welcome->id, welcome->key, keys->udp_send, keys->udp_receive, &times, pool, now) < 0 ||
        seal_choose(&session->path.seal, (enum seal_cipher)welcome->cipher) < 0 ||
        correction_init(&session->correction, (enum login_correction)welcome->correction, pool) < 0 ||
        channels_init(&session->channels, welcome->id, stream, &session->path.usable, pool, limits, program->message, program->user) < 0) {
        session_destroy(session);
        return -1;
    }
    if (session_key_log != NULL) log_keys(is_server, welcome, keys);
    correction_join(&session->correction, &session->channels.layer, &session->path.layer);
    session->path.layer.below = udp; /* its way up leads to whoever finds the session */
    if (channels_mtu(&session->channels, correction_mtu(&session->correction, welcome->mtu)) < 0) {
        session_destroy(session);
        return -1;
    }
    session->mtu = welcome->mtu;
    if (welcome->probed) {
        path_probe(&session->path, welcome->mtu);
    } else {
        pmtu_fix(&session->path.pmtu, welcome->mtu);
    }
    follow_mtu(session);
    reliable_tell(&session->channels.reliable, now);
    if (address != NULL) path_begin(&session->path, address, address_size);
    return 0;
}

int session_send(struct session *session, int channel, const void *bytes, size_t size, uint32_t now)
{
    if (session->end != SESSION_OPEN) return CHANNEL_ENDED;
    wake(session, now);
    return channels_send(&session->channels, channel, bytes, size);
}

/* How long a session without a connection is kept when nothing is heard over UDP either. */
static uint32_t patience(const struct session *session)
{
    return session->path.times.silence < session->dead / 2 ? session->path.times.silence * 2 : session->dead;
}

/* A frame that says something about the session. Without memory, or a connection, it is not said. */
static void say(struct session *session, enum stream_kind kind)
{
    struct bulk *bulk = &session->channels.bulk;
    unsigned char position[4];
    put_u32(position, bulk->received);
    session->stream_said = session->now;
    if (!stream_is_open(session->stream)) return;
    if (stream_send_bytes(session->stream, kind, position, kind == STREAM_DEAF ? 0 : sizeof position) < 0) return;
    bulk->told = bulk->received;
}

/* The other end says how far it is. */
static void hear_position(struct session *session, const struct packet *packet)
{
    if (packet->size != 4 || bulk_acknowledge(&session->channels.bulk, get_u32(packet->data)) < 0) end(session, SESSION_BROKEN);
}

/* Not for somebody who asks and asks and does not read the answers. */
static void answer(struct session *session)
{
    if (stream_queued(session->stream) < session->channels.limits.stream) say(session, STREAM_HERE);
}

/*
 * When the session speaks over TCP although there is nothing to say. The client asks. The server speaks for itself, a little
 * later: a question waits behind all that the client sends in bulk, and the answer may come too late.
 */
static uint32_t speaks_after(const struct session *session)
{
    return session->is_server ? session->heartbeat + session->heartbeat / 4 : session->heartbeat;
}

void session_frame(struct session *session, enum stream_kind kind, struct packet *packet, uint32_t now)
{
    if (session->end != SESSION_OPEN) {
        packet_free(packet);
        return;
    }
    wake(session, now);
    session->heard = session->stream_heard = now;
    switch (kind) {
    case STREAM_PACKET: channels_packet(&session->channels, packet); return;
    case STREAM_PART:
    case STREAM_LAST:
        if (channels_piece(&session->channels, packet, kind == STREAM_LAST) < 0) end(session, SESSION_BROKEN);
        return;
    case STREAM_ASK:
        hear_position(session, packet);
        answer(session);
        break;
    case STREAM_HERE: hear_position(session, packet); break;
    case STREAM_DEAF: path_deaf(&session->path, now); break;
    case STREAM_BYE: end(session, SESSION_LEFT); break;
    default: end(session, SESSION_BROKEN); break;
    }
    packet_free(packet);
}

int session_packet(struct session *session, struct packet *packet, uint32_t now)
{
    if (session->end != SESSION_OPEN) {
        packet_free(packet);
        return 0;
    }
    tell_time(session, now);
    /* A packet that is not authentic shall not even cost a flush. */
    if (!path_receive(&session->path, packet, now)) return 0;
    session->heard = now;
    follow_mtu(session);
    touch(session);
    return 1;
}

void session_cut(struct session *session, uint32_t now)
{
    wake(session, now);
    session->heard = now; /* so long it is kept at least */
    path_ask(&session->path, now);
}

uint32_t session_position(const struct session *session)
{
    return session->channels.bulk.received;
}

int session_resume(struct session *session, uint32_t position, uint32_t now)
{
    if (bulk_resume(&session->channels.bulk, position) < 0) return -1;
    wake(session, now);
    session->heard = session->stream_heard = session->stream_said = now;
    session->channels.bulk.told = session->channels.bulk.received;
    return 0;
}

/* Tells the program of channels that are waited for. */
static void tell_room(struct session *session)
{
    for (int channel = 0; channel < CHANNELS && session->channels.waiting != 0; ++channel) {
        unsigned bit = 1u << channel;
        if ((session->channels.waiting & bit) == 0 || !channels_have_room(&session->channels, channel)) continue;
        session->channels.waiting &= ~bit;
        if (session->program.room != NULL) session->program.room(session->program.user, channel);
    }
}

static void update_correction(struct session *session, uint32_t now)
{
    struct layer *correction = session->correction.layer;
    if (correction != NULL && correction->ops->update != NULL) correction->ops->update(correction, now);
}

static void renew_keys(struct session *session, uint32_t now)
{
    struct seal *udp = &session->path.seal, *tcp = &session->stream->seal;
    int is_time = now - session->renewed >= session->renew_time;
    if (!session->is_server) return; /* it follows */
    if (is_time) session->renewed = now;
    if (is_time || udp->bytes >= session->renew_bytes) seal_renew(udp);
    if ((is_time || tcp->bytes >= session->renew_bytes) && session->stream->sealed) seal_renew(tcp);
}

static int flush_stream(struct session *session)
{
    const struct bulk *bulk = &session->channels.bulk;
    int more;
    if (!stream_is_open(session->stream)) return session->stream->broken ? -1 : 0;
    if (bulk->received != bulk->told) answer(session);
    do {
        more = bulk_push(&session->channels.bulk);
        if (stream_flush(session->stream) < 0) return -1;
    } while (more && stream_queued(session->stream) == 0);
    return 0;
}

void session_leave(struct session *session, uint32_t now)
{
    session_flush(session, now);
    bulk_push_all(&session->channels.bulk);
    stream_send_bytes(session->stream, STREAM_BYE, NULL, 0);
}

enum session_end session_flush(struct session *session, uint32_t now)
{
    session->is_touched = 0;
    if (session->channels.reliable.broken) end(session, SESSION_BROKEN);
    if (session->end != SESSION_OPEN) return session->end;
    session->now = session->path.now = now;
    renew_keys(session, now);
    channels_flush(&session->channels, now);
    update_correction(session, now);
    if (flush_stream(session) < 0) {
        if (!session->stream->broken) return SESSION_CUT;
        end(session, SESSION_BROKEN);
    }
    if (session->end == SESSION_OPEN) tell_room(session);
    return session->end;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Milliseconds for which KCP has not got on, over a path that seems to be usable. A pause of this program's own is not counted. */
static uint32_t held_up(struct session *session, uint32_t now)
{
    const ikcpcb *kcp = session->channels.reliable.kcp;
    int waits = session->path.usable && ikcp_waitsnd(kcp) > 0;
    session->stuck += least(now - session->looked, LOOKS);
    if (!waits || !session->waits || kcp->snd_una != session->acknowledged) session->stuck = 0;
    session->looked = now;
    session->waits = waits;
    session->acknowledged = kcp->snd_una;
    return session->stuck;
}

enum session_end session_update(struct session *session, uint32_t now)
{
    wake(session, now);
    update_correction(session, now);
    uint32_t held = held_up(session, now);
    if (held >= SUSPECT + 2 * (uint32_t)session->channels.reliable.kcp->rx_srtt) path_suspect(&session->path, now);
    if (path_update(&session->path, now)) say(session, STREAM_DEAF);
    if (held >= session->path.times.silence * 2) {
        path_distrust(&session->path, now);
        say(session, STREAM_DEAF);
    }
    follow_mtu(session);
    if (now - session->heard >= session->dead) {
        end(session, SESSION_SILENT);
    } else if (!stream_is_open(session->stream)) {
        if (now - session->heard >= patience(session)) end(session, SESSION_CUT);
        if (now - session->heard >= patience(session) / 4) path_ask(&session->path, now);
    } else if (now - session->stream_heard >= session->dead) {
        return SESSION_CUT;
    } else if (now - session->stream_said >= speaks_after(session)) {
        say(session, session->is_server ? STREAM_HERE : STREAM_ASK);
    }
    if (reliable_is_dead(&session->channels.reliable)) end(session, SESSION_STUCK);
    if (seal_is_spent(&session->path.seal) || seal_is_spent(&session->stream->seal)) end(session, SESSION_EXHAUSTED);
    return session->end;
}

uint32_t session_check(const struct session *session, uint32_t now)
{
    struct layer *reliable = (struct layer *)&session->channels.reliable.layer;
    struct layer *correction = session->correction.layer;
    uint32_t wait = least(reliable->ops->check(reliable, now), path_check(&session->path, now)), patient = patience(session);
    if (session->end != SESSION_OPEN) return 0;
    if (correction != NULL && correction->ops->check != NULL) wait = least(wait, correction->ops->check(correction, now));
    if (stream_is_open(session->stream)) {
        wait = layer_sooner(wait, now, session->stream_heard + session->dead);
        return layer_sooner(wait, now, session->stream_said + speaks_after(session));
    }
    return layer_sooner(wait, now, session->heard + (session->path.usable && !session->path.asking ? patient / 4 : patient));
}

int session_has_udp(const struct session *session)
{
    return session->path.usable;
}

size_t session_fits(const struct session *session)
{
    return session_has_udp(session) ? session->channels.fits : 0;
}

void session_destroy(struct session *session)
{
    channels_destroy(&session->channels);
    correction_destroy(&session->correction);
    path_destroy(&session->path);
    sodium_memzero(session->ticket, sizeof session->ticket);
}

const char *session_end_text(enum session_end end)
{
    static const char *const texts[] = {"open",
                                        "closed",
                                        "the other end left",
                                        "the connection was cut",
                                        "the other end is silent",
                                        "the other end broke the protocol",
                                        "packets are not acknowledged",
                                        "out of memory or of counters",
                                        "no key exchange: perhaps the server has another key",
                                        "the server refused"};
    return (size_t)end < sizeof texts / sizeof texts[0] ? texts[end] : "unknown";
}
