#include "peer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void peer_list_add(struct peer_list *list, struct peer *peer)
{
    peer->list = list;
    peer->next = NULL;
    peer->prev = list->last;
    *(list->last != NULL ? &list->last->next : &list->first) = peer;
    list->last = peer;
    list->count += 1;
}

void peer_list_remove(struct peer *peer)
{
    struct peer_list *list = peer->list;
    *(peer->prev != NULL ? &peer->prev->next : &list->first) = peer->next;
    *(peer->next != NULL ? &peer->next->prev : &list->last) = peer->prev;
    list->count -= 1;
}

static int is_half_open(const struct peer *peer)
{
    return peer->list == &peer->server->strangers || peer->list == &peer->server->known;
}

void peer_move(struct peer *peer, struct peer_list *to)
{
    struct tally *half_open = &peer->server->half_open;
    if (is_half_open(peer)) half_open->counts[peer->host] -= 1;
    peer_list_remove(peer);
    peer_list_add(to, peer);
    if (is_half_open(peer)) half_open->counts[peer->host] += 1;
}

void peer_touch(struct peer *peer)
{
    if (peer->is_touched) return;
    peer->is_touched = 1;
    peer->next_touched = peer->server->touched;
    peer->server->touched = peer;
}

void peer_set_timer(struct peer *peer, uint32_t wait)
{
    wheel_set(&peer->server->wheel, &peer->timer, peer->server->now + wait);
}

int peer_watch(int epoll, int operation, int fd, uint32_t events, void *what)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.ptr = what;
    return epoll_ctl(epoll, operation, fd, &event);
}

/* Which epoll its socket is in. */
static int epoll_of(const struct peer *peer)
{
    return is_half_open(peer) ? peer->server->doors : peer->server->epoll;
}

static void hang_up(struct peer *peer)
{
    /* To close it would do, but for a program that forks: there the socket lives on, and epoll tells of it. */
    if (stream_is_open(&peer->stream)) epoll_ctl(epoll_of(peer), EPOLL_CTL_DEL, peer->stream.frames.fd, NULL);
    stream_close(&peer->stream);
    peer->wants_write = 0;
}

void peer_end(struct peer *peer, enum session_end why)
{
    if (peer->state == PEER_ENDED) return;
    if (peer->end == SESSION_OPEN) peer->end = why;
    hang_up(peer);
    peer_move(peer, &peer->server->ended);
    peer->state = PEER_ENDED;
    wheel_cancel(&peer->server->wheel, &peer->timer);
}

/* The connection is over, and of a client that was let in not more than that. */
static void cut(struct peer *peer)
{
    if (peer->state == PEER_OPEN && stream_is_open(&peer->stream) && peer->session->end == SESSION_OPEN) {
        hang_up(peer);
        session_cut(peer->session, peer->server->now);
    } else {
        peer_end(peer, SESSION_CUT);
    }
}

/* Callbacks of the session. */
static void session_message(void *user, int channel, const void *bytes, size_t size)
{
    struct peer *peer = user;
    const struct server_config *config = &peer->server->config;
    if (peer->state == PEER_OPEN) config->on_message(config->user, peer, channel, bytes, size);
}

static void session_room(void *user, int channel)
{
    struct peer *peer = user;
    const struct server_config *config = &peer->server->config;
    if (peer->state == PEER_OPEN && config->on_room != NULL) config->on_room(config->user, peer, channel);
}

static void session_touched(void *user)
{
    peer_touch(user);
}

/* Its socket, which is in the epoll of what is half open, from there to that of the sessions, for `to`. */
static int let_in(struct peer *peer, struct peer *to)
{
    struct server *server = peer->server;
    epoll_ctl(server->doors, EPOLL_CTL_DEL, peer->stream.frames.fd, NULL);
    peer->wants_write = 0;
    return peer_watch(server->epoll, EPOLL_CTL_ADD, peer->stream.frames.fd, EPOLLIN, to);
}

/* UDP packets that a session may send at once: what comes in a tenth of a second, but twice KCP's window at least. */
static int burst(const struct server *server)
{
    return server->config.packet_rate > 5120 ? (int)(server->config.packet_rate / 10) : 512;
}

/* The largest packet for which both builds have room. */
static uint16_t common_room(const struct peer *peer, uint16_t mtu)
{
    uint16_t room = (peer->abilities & LOGIN_JUMBO) != 0 ? PACKET_JUMBO : PACKET_ETHERNET;
    return mtu < room ? mtu : room;
}

int peer_open(struct peer *peer, const struct login_welcome *settings)
{
    struct server *server = peer->server;
    struct login_welcome welcome = *settings;
    struct session_program program = {session_message, session_room, session_touched, peer};
    struct layer *udp = server->config.without_udp ? NULL : &server->udp.layer;
    unsigned char bytes[LOGIN_WELCOME_SIZE];
    welcome.id = peer->id;
    welcome.key = randombytes_random();
    welcome.port = server->udp_port;
    welcome.again = server->own_port;
    welcome.cipher = (peer->abilities & LOGIN_AES) != 0 && !server->config.without_aes && seal_has_aes() ? SEAL_AES : SEAL_CHACHA;
    welcome.probed = (peer->abilities & LOGIN_PROBES) != 0 && server->config.probe_mtu != 0;
    welcome.mtu = common_room(peer, welcome.probed ? server->config.probe_mtu : settings->mtu);
    size_t size = login_write_welcome(&welcome, bytes);
    peer->session = malloc(sizeof *peer->session);
    if (peer->session == NULL || size == 0 ||
        session_init(peer->session, 1, &welcome, peer->keys, &server->config.limits, &peer->stream, udp, NULL, 0, &server->pool,
                     &program, server->now) < 0) {
        free(peer->session);
        peer->session = NULL;
        return -1;
    }
    door_forget_keys(peer);
    peer->session->path.home = &peer->address;
    peer->session->renew_time = server->config.renew_time;
    peer->session->renew_bytes = server->config.renew_bytes;
    peer->budget = burst(server);
    peer->budgeted = server->now;
    peer->stream.frames.single = 0;
    server->hosts.counts[peer->host] += 1;
    server->identities.counts[peer->identity] += 1;
    peer->is_counted = 1;
    if (stream_send_bytes(&peer->stream, STREAM_WELCOME, bytes, size) < 0 || let_in(peer, peer) < 0) {
        peer->session->end = SESSION_EXHAUSTED;
    }
    peer_move(peer, &server->open);
    peer->state = PEER_OPEN;
    peer_touch(peer);
    return 0;
}

void peer_resume(struct peer *peer, struct peer *from)
{
    unsigned char position[4];
    put_u32(position, session_position(peer->session));
    hang_up(peer);
    if (let_in(from, peer) < 0) {
        peer_end(from, SESSION_EXHAUSTED);
        session_cut(peer->session, peer->server->now);
        return;
    }
    stream_move(&peer->stream, &from->stream, peer);
    peer->address = from->address;
    if (stream_send_bytes(&peer->stream, STREAM_RESUMED, position, sizeof position) < 0) cut(peer);
    peer->server->counts.resumed += 1;
    peer_end(from, SESSION_CLOSED);
}

void peer_frame(void *user, enum stream_kind kind, struct packet *packet)
{
    struct peer *peer = user;
    if (peer->state == PEER_OPEN) {
        session_frame(peer->session, kind, packet, peer->server->now);
    } else if (peer->state == PEER_LEAVING || peer->state == PEER_ENDED) {
        packet_free(packet);
    } else {
        door_frame(peer, kind, packet);
    }
}

/* What time has added to the budget. */
static void reckon(struct peer *peer)
{
    const struct server *server = peer->server;
    uint64_t more = (uint64_t)(server->now - peer->budgeted) * server->config.packet_rate / 1000;
    if (more == 0) return;
    peer->budgeted = server->now;
    peer->budget = more >= (uint64_t)(burst(server) - peer->budget) ? burst(server) : peer->budget + (int)more;
}

void peer_packet(struct peer *peer, struct packet *packet)
{
    struct server *server = peer->server;
    if (peer->budget <= 0) reckon(peer);
    if (peer->budget <= 0) {
        server->counts.excess += 1;
        packet_free(packet);
        return;
    }
    /* Only what is genuine counts, or somebody else could use up the budget. */
    if (session_packet(peer->session, packet, server->now) && server->config.packet_rate > 0) peer->budget -= 1;
}

void peer_read(struct peer *peer)
{
    if (peer->state == PEER_ENDED) return;
    if (stream_read(&peer->stream) == 0) return;
    if (peer->state == PEER_ENDED) return;
    if (peer->session != NULL && peer->session->end != SESSION_OPEN) peer_end(peer, peer->session->end); /* it said so */
    if (peer->stream.broken) peer_end(peer, SESSION_BROKEN);
    cut(peer);
}

/* Has epoll tell when the socket is writable while something waits for that. */
static void watch_writable(struct peer *peer)
{
    int wanted = stream_queued(&peer->stream) > 0;
    if (!stream_is_open(&peer->stream) || wanted == peer->wants_write) return;
    if (peer_watch(epoll_of(peer), EPOLL_CTL_MOD, peer->stream.frames.fd, wanted ? EPOLLIN | EPOLLOUT : EPOLLIN, peer) < 0) {
        cut(peer);
    } else {
        peer->wants_write = wanted;
    }
}

/* The session's end, at a moment when nothing of it is at work. */
static void close_session(struct peer *peer)
{
    struct server *server = peer->server;
    if (peer->session != NULL) {
        if (server->config.on_close != NULL) server->config.on_close(server->config.user, peer, peer->end);
        session_destroy(peer->session);
        free(peer->session);
        peer->session = NULL;
    }
    if (peer->is_counted) {
        server->hosts.counts[peer->host] -= 1;
        server->identities.counts[peer->identity] -= 1;
        peer->is_counted = 0;
    }
    table_remove(&server->table, peer->id);
    peer->id = 0;
}

/* What a call of the session said. */
static void over(struct peer *peer, enum session_end end)
{
    if (end == SESSION_CUT) {
        cut(peer);
    } else if (end != SESSION_OPEN) {
        peer_end(peer, end);
    }
}

void peer_flush(struct peer *peer)
{
    enum session_end end = SESSION_OPEN;
    if (peer->state == PEER_ENDED) return;
    if (peer->state == PEER_LEAVING) close_session(peer);
    if (peer->state == PEER_OPEN) {
        peer->session->channels.reliable.share = peer->server->share;
        end = session_flush(peer->session, peer->server->now);
        if (peer->state != PEER_OPEN) return; /* the program ended it meanwhile */
    } else if (stream_flush(&peer->stream) < 0) {
        end = SESSION_CUT;
    }
    over(peer, end);
    if (peer->state == PEER_ENDED) return;
    watch_writable(peer);
    if (peer->state == PEER_OPEN) {
        peer_set_timer(peer, session_check(peer->session, peer->server->now));
    } else if (peer->state == PEER_LEAVING && stream_queued(&peer->stream) == 0) {
        shutdown(peer->stream.frames.fd, SHUT_WR);
    }
}

void peer_due(struct peer *peer)
{
    enum session_end end = SESSION_SILENT; /* of one that did not log in, or does not close, in time */
    if (peer->state == PEER_OPEN) end = session_update(peer->session, peer->server->now);
    over(peer, end);
}

void peer_leave(struct peer *peer)
{
    struct server *server = peer->server;
    if (peer->state != PEER_OPEN) return;
    if (!stream_is_open(&peer->stream)) {
        peer_end(peer, SESSION_CLOSED);
        return;
    }
    peer->end = SESSION_CLOSED;
    session_leave(peer->session, server->now);
    if (server->leaving.count >= server->config.half_open) peer_end(server->leaving.first, SESSION_CLOSED);
    peer_move(peer, &server->leaving);
    peer->state = PEER_LEAVING;
    peer_set_timer(peer, server->config.login_time);
    peer_touch(peer);
}

void peer_free(struct peer *peer)
{
    close_session(peer);
    door_forget_keys(peer);
    peer_list_remove(peer);
    free(peer);
}
