#include "peer.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

void peer_list_add(struct peer_list *list, struct peer *peer)
{
    peer->next = NULL;
    peer->prev = list->last;
    if (list->last != NULL) {
        list->last->next = peer;
    } else {
        list->first = peer;
    }
    list->last = peer;
    list->count += 1;
}

void peer_list_remove(struct peer_list *list, struct peer *peer)
{
    if (peer->prev != NULL) {
        peer->prev->next = peer->next;
    } else {
        list->first = peer->next;
    }
    if (peer->next != NULL) {
        peer->next->prev = peer->prev;
    } else {
        list->last = peer->prev;
    }
    list->count -= 1;
}

void peer_touch(struct peer *peer)
{
    if (peer->is_touched) return;
    peer->is_touched = 1;
    peer->next_touched = peer->server->touched;
    peer->server->touched = peer;
}

static void forget_keys(struct peer *peer)
{
    if (peer->keys == NULL) return;
    keys_destroy(peer->keys);
    free(peer->keys);
    peer->keys = NULL;
}

static void set_timer(struct peer *peer, uint32_t wait)
{
    wheel_set(&peer->server->wheel, &peer->timer, peer->server->now + wait);
}

/* From the list of its state to another. */
static void move(struct peer *peer, struct peer_list *to)
{
    struct server *server = peer->server;
    peer_list_remove(peer->is_half_open ? &server->half_open : &server->open, peer);
    peer_list_add(to, peer);
    peer->is_half_open = to == &server->half_open;
}

static void hang_up(struct peer *peer)
{
    /* To close it would do, but for a program that forks: there the socket lives on, and epoll tells of it. */
    if (stream_is_open(&peer->stream)) epoll_ctl(peer->server->epoll, EPOLL_CTL_DEL, peer->stream.frames.fd, NULL);
    stream_close(&peer->stream);
    peer->wants_write = 0;
}

void peer_end(struct peer *peer, enum session_end why)
{
    if (peer->state == PEER_ENDED) return;
    if (peer->end == SESSION_OPEN) peer->end = why;
    move(peer, &peer->server->ended);
    peer->state = PEER_ENDED;
    wheel_cancel(&peer->server->wheel, &peer->timer);
    hang_up(peer);
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

/* The last words are in the queue; when they are sent the client closes. */
static void leave(struct peer *peer)
{
    peer->state = PEER_LEAVING;
    set_timer(peer, peer->server->config.login_time);
    peer_touch(peer);
}

static void refuse(struct peer *peer, int reason)
{
    unsigned char byte = (unsigned char)reason;
    peer->server->counts.refused += 1;
    forget_keys(peer);
    stream_send_bytes(&peer->stream, STREAM_REFUSED, &byte, 1);
    leave(peer);
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

/* The session of a client that is let in: 0, or -1 without memory. */
static int open_session(struct peer *peer)
{
    struct server *server = peer->server;
    struct login_welcome welcome = server->config.settings;
    struct session_program program = {session_message, session_room, session_touched, NULL};
    struct layer *udp = server->config.without_udp ? NULL : &server->udp.layer;
    unsigned char bytes[LOGIN_WELCOME_SIZE];
    size_t size;
    program.user = peer;
    peer->id = table_add(&server->table, peer);
    if (peer->id == 0) return -1;
    welcome.id = peer->id;
    welcome.key = randombytes_random();
    welcome.port = server->udp_port;
    size = login_write_welcome(&welcome, bytes);
    peer->session = malloc(sizeof *peer->session);
    if (peer->session == NULL || size == 0 ||
        session_init(peer->session, 1, &welcome, peer->keys, &server->config.limits, &peer->stream, udp, NULL, 0, &server->pool,
                     &program, server->now) < 0) {
        table_remove(&server->table, peer->id);
        free(peer->session);
        peer->session = NULL;
        return -1;
    }
    peer->session->path.home = peer->address;
    peer->stream.frames.single = 0;
    if (stream_send_bytes(&peer->stream, STREAM_WELCOME, bytes, size) < 0) peer->session->end = SESSION_EXHAUSTED;
    return 0;
}

static void receive_hello(struct peer *peer, const struct packet *packet)
{
    const struct server_config *config = &peer->server->config;
    unsigned char answer[KEYS_ANSWER];
    peer->keys = packet->size == KEYS_HELLO ? malloc(sizeof *peer->keys) : NULL;
    if (peer->keys == NULL ||
        keys_server_answer(peer->keys, config->public_key, config->secret_key, packet->data, answer) < 0 ||
        stream_send_bytes(&peer->stream, STREAM_ANSWER, answer, sizeof answer) < 0 ||
        stream_seal(&peer->stream, peer->keys->tcp_send, peer->keys->tcp_receive) < 0) {
        peer_end(peer, SESSION_BROKEN);
        return;
    }
    peer->state = PEER_LOGIN;
    peer_touch(peer);
}

static void receive_login(struct peer *peer, const struct packet *packet)
{
    struct server *server = peer->server;
    const struct server_config *config = &server->config;
    struct login_request request;
    int reason = LOGIN_BAD_REQUEST;
    if (login_read_request(&request, packet->data, packet->size) == 0) {
        reason = server->table.count >= config->sessions ? LOGIN_FULL : config->on_login(config->user, &request);
        memcpy(peer->name, request.name, sizeof peer->name);
    }
    sodium_memzero(&request, sizeof request);
    if (reason != 0) {
        refuse(peer, reason);
        return;
    }
    if (open_session(peer) < 0) {
        peer_end(peer, SESSION_EXHAUSTED);
        return;
    }
    forget_keys(peer);
    move(peer, &server->open);
    peer->state = PEER_OPEN;
    server->counts.logins += 1;
    peer_touch(peer);
    if (config->on_open != NULL) config->on_open(config->user, peer);
}

/* A client whose connection was cut, on a new one: whoever has the ticket was in the exchange of the session's login. */
static struct peer *find_resumed(const struct peer *peer, const struct packet *packet)
{
    struct peer *found;
    if (packet->size != LOGIN_RESUME_SIZE) return NULL;
    found = table_find(&peer->server->table, get_u32(packet->data));
    if (found == NULL || found->state != PEER_OPEN || found->session->end != SESSION_OPEN ||
        sodium_memcmp(packet->data + 4, found->session->ticket, KEYS_TICKET) != 0) {
        return NULL;
    }
    return found;
}

static void receive_resume(struct peer *peer, const struct packet *packet)
{
    struct server *server = peer->server;
    struct peer *resumed = find_resumed(peer, packet);
    struct epoll_event event;
    unsigned char position[4];
    if (resumed == NULL) {
        forget_keys(peer);
        stream_send_bytes(&peer->stream, STREAM_GONE, NULL, 0);
        leave(peer);
        return;
    }
    put_u32(position, session_position(resumed->session));
    if (session_resume(resumed->session, get_u32(packet->data + 4 + KEYS_TICKET), server->now) < 0) {
        peer_end(resumed, SESSION_BROKEN);
        peer_end(peer, SESSION_BROKEN);
        return;
    }
    hang_up(resumed);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.ptr = resumed;
    epoll_ctl(server->epoll, EPOLL_CTL_MOD, peer->stream.frames.fd, &event);
    stream_move(&resumed->stream, &peer->stream, resumed);
    resumed->address = resumed->session->path.home = peer->address;
    if (stream_send_bytes(&resumed->stream, STREAM_RESUMED, position, sizeof position) < 0) cut(resumed);
    server->counts.resumed += 1;
    peer_end(peer, SESSION_CLOSED);
}

static void receive_frame(void *user, enum stream_kind kind, struct packet *packet)
{
    struct peer *peer = user;
    if (peer->state == PEER_OPEN) {
        session_frame(peer->session, kind, packet, peer->server->now);
        return;
    }
    if (peer->state == PEER_HELLO && kind == STREAM_HELLO) {
        receive_hello(peer, packet);
    } else if (peer->state == PEER_LOGIN && kind == STREAM_LOGIN) {
        receive_login(peer, packet);
    } else if (peer->state == PEER_LOGIN && kind == STREAM_RESUME) {
        receive_resume(peer, packet);
    } else if (peer->state != PEER_LEAVING) {
        peer_end(peer, SESSION_BROKEN);
    }
    sodium_memzero(packet->data, packet->size); /* it may have been a token */
    packet_free(packet);
}

void peer_accept(struct server *server, int fd, const struct sockaddr_storage *address)
{
    struct peer *peer = calloc(1, sizeof *peer);
    struct epoll_event event;
    if (peer == NULL) {
        struct stream none;
        stream_init(&none, fd, &server->pool, receive_frame, NULL);
        stream_close(&none);
        return;
    }
    if (server->half_open.count >= server->config.half_open) {
        server->counts.displaced += 1;
        peer_end(server->half_open.first, SESSION_CUT);
    }
    peer->server = server;
    peer->address = *address;
    stream_init(&peer->stream, fd, &server->pool, receive_frame, peer);
    peer->stream.frames.single = 1;
    peer->is_half_open = 1;
    peer_list_add(&server->half_open, peer);
    set_timer(peer, server->config.login_time);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN;
    event.data.ptr = peer;
    if (epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) < 0) peer_end(peer, SESSION_EXHAUSTED);
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
    struct epoll_event event;
    if (!stream_is_open(&peer->stream)) return;
    if (wanted == peer->wants_write) return;
    memset(&event, 0, sizeof event);
    event.events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = peer;
    if (epoll_ctl(peer->server->epoll, EPOLL_CTL_MOD, peer->stream.frames.fd, &event) < 0) {
        cut(peer);
        return;
    }
    peer->wants_write = wanted;
}

/* The session's end, at a moment when nothing of it is at work. */
static void close_session(struct peer *peer)
{
    struct server *server = peer->server;
    if (peer->session == NULL) return;
    if (server->config.on_close != NULL) server->config.on_close(server->config.user, peer, peer->end);
    session_destroy(peer->session);
    free(peer->session);
    peer->session = NULL;
    table_remove(&server->table, peer->id);
}

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
        end = session_flush(peer->session, peer->server->now);
        if (peer->state != PEER_OPEN) return; /* the program ended it meanwhile */
    } else if (stream_flush(&peer->stream) < 0) {
        end = SESSION_CUT;
    }
    over(peer, end);
    if (peer->state == PEER_ENDED) return;
    watch_writable(peer);
    if (peer->state == PEER_OPEN) {
        set_timer(peer, session_check(peer->session, peer->server->now));
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
    if (peer->state != PEER_OPEN) return;
    if (!stream_is_open(&peer->stream)) {
        peer_end(peer, SESSION_CLOSED);
        return;
    }
    peer->end = SESSION_CLOSED;
    session_flush(peer->session, peer->server->now);
    stream_send_bytes(&peer->stream, STREAM_BYE, NULL, 0);
    move(peer, &peer->server->half_open);
    leave(peer);
}

void peer_free(struct peer *peer)
{
    close_session(peer);
    forget_keys(peer);
    free(peer);
}
