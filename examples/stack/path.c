#include "path.h"

#include <string.h>

/* Kinds of packets. */
enum { DATA = 1, HANDSHAKE, CONFIRM, ASK, HERE };

/* How often something is asked before the path is given up: so that ten lost packets in a row are what it takes. */
#define QUESTIONS 10

static int reached(uint32_t now, uint32_t time)
{
    return (int32_t)(now - time) >= 0;
}

/* Id and key, as each packet has them in front. */
static void write_link(const struct path *path, unsigned char header[PATH_LINK])
{
    put_u32(header, path->id);
    put_u32(header + 4, path->key);
}

/* Seals a packet and sends it to where the other end is. */
static void send_kind(struct path *path, int kind, struct packet *packet)
{
    unsigned char link[PATH_LINK], *header = path->address_size > 0 ? packet_push(packet, 1) : NULL;
    write_link(path, link);
    if (header != NULL) *header = (unsigned char)kind;
    if (header != NULL && seal_close(&path->seal, packet, link, sizeof link) == 0) {
        header = packet_push(packet, PATH_LINK);
    } else {
        header = NULL;
    }
    if (header == NULL) {
        packet_free(packet);
        return;
    }
    memcpy(header, link, PATH_LINK);
    memcpy(&packet->address, &path->address, path->address_size);
    packet->address_size = path->address_size;
    path->sent = path->now;
    layer_down(&path->layer, packet);
}

/* A packet that says nothing but what it is. Without memory for it there is none, as if it were lost. */
static void say(struct path *path, int kind)
{
    struct packet *packet = packet_new(path->pool);
    if (packet != NULL) send_kind(path, kind, packet);
}

/* Something goes out that should not stay without an answer. */
static void expect(struct path *path)
{
    if (path->asking) return;
    path->asking = 1;
    path->asked = path->now;
    path->next = path->now + path->times.silence / QUESTIONS;
}

static void send_data(struct layer *layer, struct packet *packet)
{
    struct path *path = (struct path *)layer;
    if (!path->usable) {
        /* Of error correction, whose time has come after the path was lost. The server would take it for a confirmation. */
        packet_free(packet);
        return;
    }
    expect(path); /* KCP's packets are acknowledged; for others path_update asks */
    send_kind(path, DATA, packet);
}

static void ask(struct path *path)
{
    expect(path);
    say(path, ASK);
}

static void lose(struct path *path)
{
    if (path->usable) path->falls += 1;
    path->usable = 0;
    path->asking = 0;
    path->next_handshake = path->now;
}

/* The server: a packet that is genuine and newer than all before. */
static void follow(struct path *path, const struct packet *packet, int kind)
{
    if (path->address_size != packet->address_size || memcmp(&path->address, &packet->address, packet->address_size) != 0) {
        path->moves += path->address_size > 0;
        memcpy(&path->address, &packet->address, packet->address_size);
        path->address_size = packet->address_size;
    }
    /* A client that still sends handshakes does not hear us; one that sends anything else has been confirmed. */
    path->usable = kind != HANDSHAKE;
}

static void receive(struct layer *layer, struct packet *packet)
{
    struct path *path = (struct path *)layer;
    unsigned char link[PATH_LINK];
    const unsigned char *kind;
    enum seal_opened opened;
    write_link(path, link);
    opened = seal_open(&path->seal, packet, link, sizeof link);
    kind = opened >= 0 ? packet_pull(packet, 1) : NULL;
    if (kind == NULL) {
        packet_free(packet);
        return;
    }
    path->asking = 0;
    if (path->is_server && opened == SEAL_NEWEST) follow(path, packet, *kind);
    switch (*kind) {
    case DATA:
        layer_up(layer, packet);
        return;
    case HANDSHAKE:
        if (path->is_server) say(path, CONFIRM);
        break;
    case CONFIRM:
        if (!path->is_server && !path->usable) {
            path->usable = 1;
            ask(path); /* tells the server, too, that packets come through */
        }
        break;
    case ASK: say(path, HERE); break;
    default: break; /* HERE has done its work by arriving */
    }
    packet_free(packet);
}

static const struct layer_ops path_ops = {send_data, receive, NULL, NULL, PATH_OVERHEAD};

int path_init(struct path *path, int is_server, uint32_t id, uint32_t key, const unsigned char send_key[SEAL_KEY],
              const unsigned char receive_key[SEAL_KEY], const struct path_times *times, struct packet_pool *pool, uint32_t now)
{
    memset(path, 0, sizeof *path);
    if (seal_init(&path->seal, send_key, receive_key) < 0) return -1;
    path->layer.ops = &path_ops;
    path->is_server = is_server;
    path->id = id;
    path->key = key;
    path->times = *times;
    path->pool = pool;
    path->now = path->sent = now;
    return 0;
}

void path_begin(struct path *path, const struct sockaddr *address, socklen_t size)
{
    memcpy(&path->address, address, size);
    path->address_size = size;
    path->may_handshake = 1;
    path->next_handshake = path->now;
}

int path_header(struct packet *packet, uint32_t *id, uint32_t *key)
{
    const unsigned char *header = packet_pull(packet, PATH_LINK);
    if (header == NULL) return -1;
    *id = get_u32(header);
    *key = get_u32(header + 4);
    return 0;
}

void path_receive(struct path *path, struct packet *packet, uint32_t now)
{
    path->now = now;
    receive(&path->layer, packet);
}

void path_deaf(struct path *path, uint32_t now)
{
    path->now = now;
    lose(path);
}

enum path_event path_update(struct path *path, uint32_t now)
{
    path->now = now;
    if (path->usable && path->asking) {
        if (reached(now, path->asked + path->times.silence)) {
            lose(path);
            return PATH_LOST;
        }
        if (reached(now, path->next)) {
            path->next = now + path->times.silence / QUESTIONS + 1;
            say(path, ASK);
        }
    }
    if (path->is_server) return PATH_NOTHING;
    if (path->usable) {
        if (reached(now, path->sent + path->times.heartbeat)) ask(path);
    } else if (path->may_handshake && reached(now, path->next_handshake)) {
        path->next_handshake = now + path->times.handshake;
        say(path, HANDSHAKE);
    }
    return PATH_NOTHING;
}

/* The less of `wait` and the time from now to `due`. */
static uint32_t sooner(uint32_t wait, uint32_t now, uint32_t due)
{
    uint32_t rest = reached(now, due) ? 0 : due - now;
    return rest < wait ? rest : wait;
}

uint32_t path_check(const struct path *path, uint32_t now)
{
    uint32_t wait = LAYER_IDLE;
    if (path->usable && path->asking) {
        wait = sooner(wait, now, path->asked + path->times.silence);
        wait = sooner(wait, now, path->next);
    }
    if (path->is_server) return wait;
    if (path->usable) return sooner(wait, now, path->sent + path->times.heartbeat);
    return path->may_handshake ? sooner(wait, now, path->next_handshake) : wait;
}

void path_destroy(struct path *path)
{
    seal_destroy(&path->seal);
}
