#include "path.h"

#include <sodium.h>
#include <string.h>

/* Kinds of packets. */
enum { DATA = 1, HANDSHAKE, ASK, HERE, PROBE, PROBED };

#define PROBE_HEAD 2     /* bytes of a probe: the number of the search; zeros follow */
#define PROBE_ANSWER 4   /* of its answer: that number and the size */
#define LONGER_HEADER 20 /* IPv6's, beside IPv4's */

/* How often something is asked before the path is given up: so that ten lost packets in a row are what it takes. */
#define QUESTIONS 10

#define ENOUGH 5 /* of them that must have been asked, however much time has passed: this program may have been stopped meanwhile */

#define HOLD 4     /* times the silence, at first, */
#define HOLDS 256  /* and at last */

#define PROOFS 20    /* milliseconds between two questions at an address that is not proven */
#define PATIENCE 200 /* for the answer of the address in use, and twice the time that the new one took */
#define CLAIM 1000   /* after which another address may take the place of one that has not answered, */
#define COPIED 300   /* or one that a copy came from: where two send the same, the slower one is the more honest */
#define SETTLED 1000 /* in which no other address is looked at, when the one in use has answered */

/* Id and key, as each packet has them in front. */
static void write_link(const struct path *path, unsigned char header[PATH_LINK])
{
    put_u32(header, path->id);
    put_u32(header + 4, path->key);
}

/* Seals a packet and sends it to a place. */
static void send_kind(struct path *path, int kind, struct packet *packet, const struct path_place *place)
{
    unsigned char link[PATH_LINK], *header = place->size > 0 ? packet_push(packet, 1) : NULL;
    write_link(path, link);
    if (header != NULL) {
        *header = (unsigned char)kind;
        header = seal_close(&path->seal, packet, link, sizeof link) == 0 ? packet_push(packet, PATH_LINK + path->token_size) : NULL;
    }
    if (header == NULL) {
        packet_free(packet);
        return;
    }
    memcpy(header, path->token, path->token_size);
    memcpy(header + path->token_size, link, PATH_LINK);
    memcpy(&packet->address, &place->address, place->size);
    packet->address_size = place->size;
    memcpy(packet->own, place->own, sizeof packet->own);
    path->sent = path->now;
    layer_down(&path->layer, packet);
}

/* A packet that says what it is, and perhaps a number. Without memory for it there is none, as if it were lost. */
static void say(struct path *path, int kind, const void *number, size_t size, const struct path_place *place)
{
    struct packet *packet = packet_from(path->pool, number, size);
    if (packet != NULL) send_kind(path, kind, packet, place);
}

/* The server asks for a number, for which it needs to have heard from there; the client asks for any word. */
static void ask_at(struct path *path, struct path_place *place)
{
    place->asked = 1;
    place->when = path->now;
    say(path, ASK, place->number, path->is_server ? PATH_NUMBER : 0, place);
}

/* Something goes out that should not stay without an answer. */
static void expect(struct path *path)
{
    if (path->asking) return;
    path->asking = 1;
    path->questions = 0;
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
    pmtu_use(&path->pmtu, packet->size);
    send_kind(path, DATA, packet, &path->at);
}

static void ask(struct path *path)
{
    expect(path);
    ask_at(path, &path->at);
}

/* How large packets may be is to be found out: the path was not usable, or leads elsewhere. */
static void measure(struct path *path)
{
    const struct sockaddr_in6 *six = &path->at.address;
    int is_longer = six->sin6_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
    pmtu_start(&path->pmtu, path->token_size + (is_longer ? LONGER_HEADER : 0), path->now);
}

/* The path can be used from now on. */
static void gain(struct path *path)
{
    if (!path->usable) measure(path);
    path->usable = 1;
}

static void probe(struct path *path)
{
    size_t size = pmtu_update(&path->pmtu, path->now);
    struct packet *packet = size > PATH_OVERHEAD + PROBE_HEAD ? packet_new(path->pool) : NULL;
    unsigned char *content = packet != NULL ? packet_put(packet, size - PATH_OVERHEAD) : NULL;
    if (content == NULL) {
        packet_free(packet);
        return;
    }
    memset(content, 0, size - PATH_OVERHEAD);
    put_u16(content, path->pmtu.round);
    packet->whole = 1;
    if (path->pmtu.again) ask_at(path, &path->at);
    expect(path);
    send_kind(path, PROBE, packet, &path->at);
}

/* `arrived`: bytes of the packet that a probe was. */
static void answer_probe(struct path *path, const struct packet *packet, size_t arrived)
{
    unsigned char answer[PROBE_ANSWER];
    if (packet->size < PROBE_HEAD) return;
    memcpy(answer, packet->data, PROBE_HEAD);
    put_u16(answer + PROBE_HEAD, (uint16_t)arrived);
    say(path, PROBED, answer, sizeof answer, &path->at);
}

/* The server: where the client is, is open again. */
static void forget(struct path *path)
{
    path->at.size = path->claim.size = 0;
    path->at.proven = path->claim.proven = 0;
    path->is_settled = 0;
}

static void lose(struct path *path)
{
    if (path->usable) path->falls += 1;
    path->usable = 0;
    pmtu_stop(&path->pmtu);
    path->asking = 0;
    path->next_handshake = path->now;
    if (path->is_server) forget(path);
}

static int is_held(const struct path *path)
{
    return path->hold > 0 && !layer_reached(path->now, path->held + path->hold);
}

static int is_at(const struct packet *packet, const struct path_place *place)
{
    return place->size > 0 && place->size == packet->address_size &&
           memcmp(&place->address, &packet->address, place->size) == 0 &&
           memcmp(place->own, packet->own, sizeof place->own) == 0;
}

/* Two addresses of one host, whatever the ports. */
static int is_same_host(const void *one, const void *other)
{
    const struct sockaddr_in6 *six = one, *other_six = other;
    if (six->sin6_family != other_six->sin6_family) return 0;
    if (six->sin6_family == AF_INET6) return memcmp(&six->sin6_addr, &other_six->sin6_addr, sizeof six->sin6_addr) == 0;
    return ((const struct sockaddr_in *)one)->sin_addr.s_addr == ((const struct sockaddr_in *)other)->sin_addr.s_addr;
}

/* The host that TCP comes from. */
static int is_home(const struct path *path, const void *address)
{
    return path->home != NULL && is_same_host(address, path->home);
}

static void take_place(struct path_place *place, const struct packet *packet)
{
    memset(place, 0, sizeof *place);
    place->size = (size_t)packet->address_size <= sizeof place->address ? packet->address_size : 0;
    memcpy(&place->address, &packet->address, place->size);
    memcpy(place->own, packet->own, sizeof place->own);
    randombytes_buf(place->number, sizeof place->number);
}

static void prove_at(struct path *path, struct path_place *place)
{
    if (!place->asked || layer_reached(path->now, place->when + PROOFS)) ask_at(path, place);
}

/* Whether an address that is neither the one in use nor the one that claims to be new is to be asked at. */
static int may_claim(const struct path *path, const struct packet *packet, int is_copy)
{
    if (path->claim.size == 0) return !(path->is_settled && !layer_reached(path->now, path->settled + SETTLED));
    return layer_reached(path->now, path->claimed + (is_copy ? COPIED : CLAIM)) ||
           (is_home(path, &packet->address) && !is_home(path, &path->claim.address));
}

/* The server: a genuine packet came from there, the newest or a copy of it. */
static void consider(struct path *path, const struct packet *packet, int is_copy)
{
    if (is_held(path)) return;
    if (path->at.size == 0) take_place(&path->at, packet);
    if (is_at(packet, &path->at)) {
        if (!path->usable) prove_at(path, &path->at);
        return;
    }
    if (!is_at(packet, &path->claim)) {
        if (!may_claim(path, packet, is_copy)) return;
        take_place(&path->claim, packet);
        path->claimed = path->now;
    }
    prove_at(path, &path->claim);
    prove_at(path, &path->at);
}

static void move(struct path *path)
{
    /* Or a NAT has only forgotten the port. */
    int is_elsewhere = !is_same_host(&path->at.address, &path->claim.address) ||
                       memcmp(path->at.own, path->claim.own, sizeof path->at.own) != 0;
    path->moves += path->proven != 0;
    path->at = path->claim;
    path->claim.size = 0;
    path->asking = 0; /* it was about the other address */
    if (is_elsewhere) path->usable = 0;
    gain(path);
    path->proven = path->now | 1;
}

/* The server: a number came back. */
static void check_number(struct path *path, const struct packet *packet)
{
    struct path_place *at = &path->at, *claim = &path->claim;
    if (packet->size != PATH_NUMBER) return;
    if (claim->size > 0 && !claim->proven && sodium_memcmp(packet->data, claim->number, PATH_NUMBER) == 0) {
        claim->proven = 1;
        path->decide = path->now + (path->now - path->claimed) * 2 + PATIENCE;
        if (!at->proven || (is_home(path, &claim->address) && !is_home(path, &at->address))) move(path);
    } else if (at->asked && sodium_memcmp(packet->data, at->number, PATH_NUMBER) == 0) {
        at->proven = 1;
        gain(path);
        at->asked = 0;
        randombytes_buf(at->number, sizeof at->number);
        path->proven = path->now | 1; /* 0 is never */
        path->asking = 0;
        if (claim->size > 0 && (is_home(path, &at->address) || !is_home(path, &claim->address))) {
            claim->size = 0;
            path->is_settled = 1;
            path->settled = path->now;
        }
    }
}

/* The server's part with a packet that is genuine, and newer than all before. */
static void follow(struct path *path, const struct packet *packet, int kind)
{
    if (kind == HANDSHAKE) {
        /* A client that still sends handshakes does not hear us. */
        path->usable = 0;
        pmtu_stop(&path->pmtu);
        if (path->at.proven) forget(path);
    }
    consider(path, packet, 0);
}

static void receive(struct layer *layer, struct packet *packet)
{
    path_receive((struct path *)layer, packet, ((struct path *)layer)->now);
}

int path_receive(struct path *path, struct packet *packet, uint32_t now)
{
    unsigned char link[PATH_LINK];
    size_t arrived = packet->size + PATH_LINK;
    path->now = now;
    write_link(path, link);
    enum seal_opened opened = seal_open(&path->seal, packet, link, sizeof link);
    /* Somebody has sent a copy from his own address, and this is the original: or the other way round. */
    if (opened == SEAL_COPY && path->is_server) consider(path, packet, 1);
    const unsigned char *kind = opened >= 0 ? packet_pull(packet, 1) : NULL;
    if (kind == NULL) {
        packet_free(packet);
        return 0;
    }
    pmtu_hear(&path->pmtu);
    /* That the client speaks does not say that it still hears what goes to its address. */
    if (!path->is_server || !layer_reached(now, path->proven + path->times.heartbeat)) path->asking = 0;
    if (path->is_server && *kind == HERE) check_number(path, packet);
    if (path->is_server && opened == SEAL_NEWEST) follow(path, packet, *kind);
    switch (*kind) {
    case DATA:
        layer_up(&path->layer, packet);
        return 1;
    case ASK:
        if (path->is_server && !path->at.proven) break;
        say(path, HERE, packet->data, packet->size == PATH_NUMBER ? PATH_NUMBER : 0, &path->at);
        if (!path->is_server && !path->usable) {
            gain(path);
            ask(path); /* the answer may get lost */
        }
        break;
    case PROBE:
        if (!path->is_server || path->at.proven) answer_probe(path, packet, arrived);
        break;
    case PROBED:
        if (packet->size == PROBE_ANSWER) {
            pmtu_answer(&path->pmtu, get_u16(packet->data), get_u16(packet->data + PROBE_HEAD), now);
        }
        break;
    default: break; /* the others have done their work by arriving */
    }
    packet_free(packet);
    return 1;
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
    memset(&path->at, 0, sizeof path->at);
    if ((size_t)size > sizeof path->at.address) return;
    memcpy(&path->at.address, address, size);
    path->at.size = size;
    path->may_handshake = 1;
    path->next_handshake = path->now;
}

void path_probe(struct path *path, size_t most)
{
    pmtu_init(&path->pmtu, most, path->times.heartbeat);
}

void path_token(struct path *path, const void *token, size_t size)
{
    path->token_size = size <= PATH_TOKEN ? size : 0;
    memcpy(path->token, token, path->token_size);
}

int path_header(struct packet *packet, uint32_t *id, uint32_t *key)
{
    const unsigned char *header = packet_pull(packet, PATH_LINK);
    if (header == NULL) return -1;
    *id = get_u32(header);
    *key = get_u32(header + 4);
    return 0;
}

void path_deaf(struct path *path, uint32_t now)
{
    path->now = now;
    lose(path);
}

void path_distrust(struct path *path, uint32_t now)
{
    path->now = now;
    lose(path);
    path->hold = path->hold == 0 ? path->times.silence * HOLD : path->hold * 2;
    if (path->hold > path->times.silence * HOLDS) path->hold = path->times.silence * HOLDS;
    path->held = now;
    path->next_handshake = now + path->hold;
}

void path_suspect(struct path *path, uint32_t now)
{
    pmtu_suspect(&path->pmtu, now);
}

void path_ask(struct path *path, uint32_t now)
{
    path->now = now;
    if (path->usable && !path->asking) ask(path);
}

int path_update(struct path *path, uint32_t now)
{
    path->now = now;
    if (path->usable && path->asking) {
        int is_silent = path->questions >= ENOUGH && layer_reached(now, path->asked + path->times.silence);
        if (is_silent && path->claim.size > 0 && path->claim.proven) {
            move(path); /* that is where the other end is */
        } else if (is_silent) {
            lose(path);
            return 1;
        } else if (layer_reached(now, path->next)) {
            path->questions += 1;
            path->next = now + path->times.silence / QUESTIONS + 1;
            ask_at(path, &path->at);
        }
    }
    if (path->usable) probe(path);
    if (path->is_server) {
        if (path->claim.size > 0 && path->claim.proven && layer_reached(now, path->decide)) move(path);
        return 0;
    }
    if (path->usable) {
        if (layer_reached(now, path->sent + path->times.heartbeat)) ask(path);
    } else if (path->may_handshake && layer_reached(now, path->next_handshake)) {
        path->next_handshake = now + path->times.handshake;
        say(path, HANDSHAKE, NULL, 0, &path->at);
    }
    return 0;
}

uint32_t path_check(const struct path *path, uint32_t now)
{
    uint32_t wait = path->usable ? pmtu_check(&path->pmtu, now) : LAYER_IDLE;
    if (path->usable && path->asking) {
        if (path->questions >= ENOUGH) wait = layer_sooner(wait, now, path->asked + path->times.silence);
        wait = layer_sooner(wait, now, path->next);
    }
    if (path->is_server) return path->claim.size > 0 && path->claim.proven ? layer_sooner(wait, now, path->decide) : wait;
    if (path->usable) return layer_sooner(wait, now, path->sent + path->times.heartbeat);
    return path->may_handshake ? layer_sooner(wait, now, path->next_handshake) : wait;
}

void path_destroy(struct path *path)
{
    seal_destroy(&path->seal);
}
