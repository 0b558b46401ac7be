#include "peer.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#define CANDIDATES 16 /* so many of the oldest are compared when one has to go */

void door_forget_keys(struct peer *peer)
{
    if (peer->keys == NULL) return;
    keys_destroy(peer->keys);
    free(peer->keys);
    peer->keys = NULL;
}

static size_t half_open(const struct server *server)
{
    return server->strangers.count + server->known.count;
}

/* So many come that those who are here for the first time are told to come again. */
static int is_crowded(const struct server *server)
{
    return half_open(server) > server->config.half_open / 2;
}

/* Of the oldest one of the host that has most, so that a host with many connections pays for them itself. */
int door_displace(struct server *server)
{
    struct peer_list *list = server->strangers.count > 0 ? &server->strangers : &server->known;
    const uint32_t *counts = server->half_open.counts;
    struct peer *victim = list->first;
    int i = 0;
    for (struct peer *peer = list->first; peer != NULL && i < CANDIDATES; peer = peer->next, ++i) {
        if (counts[peer->host] > counts[victim->host]) victim = peer;
    }
    if (victim == NULL) return -1;
    server->counts.displaced += 1;
    peer_end(victim, SESSION_CUT);
    return 0;
}

/* The last word: a frame that the socket has room for, since nothing was sent before that was not asked for. */
static void dismiss(struct peer *peer, enum stream_kind kind, const void *bytes, size_t size)
{
    stream_send_bytes(&peer->stream, kind, bytes, size);
    stream_flush(&peer->stream);
    peer_end(peer, SESSION_CLOSED);
}

static void refuse(struct peer *peer, int reason)
{
    unsigned char byte = (unsigned char)reason;
    peer->server->counts.refused += 1;
    dismiss(peer, STREAM_REFUSED, &byte, 1);
}

/* With one of the server's keys. */
static int exchange(const struct server_config *config, struct keys *keys, const unsigned char *hello, unsigned char *answer)
{
    if (keys_server_answer(keys, config->public_key, config->secret_key, hello, answer) == 0) return 0;
    if (!config->has_other_key) return -1;
    return keys_server_answer(keys, config->other_public_key, config->other_secret_key, hello, answer);
}

/* 0, or -1 for one that no client sends. */
static int receive_hello(struct peer *peer, const struct packet *packet)
{
    struct server *server = peer->server;
    unsigned char answer[KEYS_ANSWER], cookie[COOKIE_SIZE];
    int has_cookie = packet->size == KEYS_HELLO + COOKIE_SIZE &&
                     cookie_is_good(&server->jar, &peer->address, server->now, packet->data + KEYS_HELLO);
    if (packet->size != KEYS_HELLO && packet->size != KEYS_HELLO + COOKIE_SIZE) return -1;
    if (!has_cookie && is_crowded(server)) {
        server->counts.cookies += 1;
        cookie_make(&server->jar, &peer->address, server->now, cookie);
        dismiss(peer, STREAM_AGAIN, cookie, sizeof cookie);
        return 0;
    }
    peer->keys = malloc(sizeof *peer->keys);
    if (peer->keys == NULL || exchange(&server->config, peer->keys, packet->data, answer) < 0 ||
        stream_send_bytes(&peer->stream, STREAM_ANSWER, answer, sizeof answer) < 0 ||
        stream_seal(&peer->stream, peer->keys->tcp_send, peer->keys->tcp_receive) < 0) {
        return -1;
    }
    if (has_cookie) peer_move(peer, &server->known);
    peer->state = PEER_LOGIN;
    peer_touch(peer);
    return 0;
}

/* Whether there are as many already as there may be; 0 for no limit. */
static int is_full(const struct tally *tally, uint32_t slot, size_t limit)
{
    return limit > 0 && tally->counts[slot] >= limit;
}

void door_decide(struct peer *peer, int reason)
{
    struct server *server = peer->server;
    const struct server_config *config = &server->config;
    if (reason == 0 && (is_full(&server->hosts, peer->host, config->per_host) ||
                        is_full(&server->identities, peer->identity, config->per_name))) {
        reason = LOGIN_TOO_MANY; /* others may have come since it asked */
    }
    if (reason != 0) {
        refuse(peer, reason);
    } else if (peer_open(peer, &config->settings) < 0) {
        peer_end(peer, SESSION_EXHAUSTED);
    } else {
        server->counts.logins += 1;
        if (config->on_open != NULL) config->on_open(config->user, peer);
    }
}

static int ask_program(struct peer *peer, struct login_request *request)
{
    struct server *server = peer->server;
    const struct server_config *config = &server->config;
    if (server->table.count >= config->sessions) return LOGIN_FULL;
    if (is_full(&server->hosts, peer->host, config->per_host)) return LOGIN_TOO_MANY;
    peer->id = table_add(&server->table, peer);
    if (peer->id == 0) return LOGIN_FULL;
    memcpy(peer->name, request->name, sizeof peer->name);
    peer->abilities = request->abilities;
    peer->identity = tally_slot(&server->identities, peer->name, strlen(peer->name));
    request->address = peer->address;
    request->id = peer->id;
    return config->on_login(config->user, request);
}

static void receive_login(struct peer *peer, const struct packet *packet)
{
    struct login_request request;
    int reason = LOGIN_BAD_REQUEST;
    if (login_read_request(&request, packet->data, packet->size) == 0) reason = ask_program(peer, &request);
    sodium_memzero(&request, sizeof request);
    if (reason == LOGIN_LATER) {
        peer->state = PEER_WAITING;
    } else {
        door_decide(peer, reason);
    }
}

/* A client whose connection was cut, on a new one: whoever has the ticket was in the exchange of the session's login. */
static struct peer *find_resumed(const struct peer *peer, const struct packet *packet)
{
    if (packet->size != LOGIN_RESUME_SIZE) return NULL;
    struct peer *found = table_find(&peer->server->table, get_u32(packet->data));
    if (found == NULL || found->state != PEER_OPEN || found->session->end != SESSION_OPEN ||
        sodium_memcmp(packet->data + 4, found->session->ticket, KEYS_TICKET) != 0) {
        return NULL;
    }
    return found;
}

static void receive_resume(struct peer *peer, const struct packet *packet)
{
    struct peer *resumed = find_resumed(peer, packet);
    if (resumed == NULL) {
        dismiss(peer, STREAM_GONE, NULL, 0);
    } else if (session_resume(resumed->session, get_u32(packet->data + 4 + KEYS_TICKET), peer->server->now) < 0) {
        peer_end(resumed, SESSION_BROKEN);
        peer_end(peer, SESSION_BROKEN);
    } else {
        peer_resume(resumed, peer);
    }
}

void door_frame(struct peer *peer, enum stream_kind kind, struct packet *packet)
{
    if (peer->state == PEER_HELLO && kind == STREAM_HELLO) {
        if (receive_hello(peer, packet) < 0) peer_end(peer, SESSION_BROKEN);
    } else if (peer->state == PEER_LOGIN && kind == STREAM_LOGIN) {
        receive_login(peer, packet);
    } else if (peer->state == PEER_LOGIN && kind == STREAM_RESUME) {
        receive_resume(peer, packet);
    } else {
        peer_end(peer, SESSION_BROKEN);
    }
    sodium_memzero(packet->data, packet->size); /* it may have been a token */
    packet_free(packet);
}

void door_accept(struct server *server, int fd, const struct sockaddr_storage *address)
{
    const struct server_config *config = &server->config;
    if (config->on_connect != NULL && config->on_connect(config->user, address) != 0) {
        server->counts.turned_away += 1;
        network_close(fd);
        return;
    }
    if (half_open(server) >= config->half_open) door_displace(server);
    struct peer *peer = calloc(1, sizeof *peer);
    if (peer == NULL) {
        network_close(fd);
        return;
    }
    peer->server = server;
    peer->address = *address;
    peer->host = tally_host(&server->hosts, address); /* the same slot in both */
    stream_init(&peer->stream, fd, &server->pool, peer_frame, peer);
    peer->stream.frames.single = 1;
    peer_list_add(&server->strangers, peer);
    server->half_open.counts[peer->host] += 1;
    peer_set_timer(peer, config->login_time);
    if (peer_watch(server->doors, EPOLL_CTL_ADD, fd, EPOLLIN, peer) < 0) peer_end(peer, SESSION_EXHAUSTED);
}
