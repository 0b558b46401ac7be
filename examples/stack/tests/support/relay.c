#include "relay.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

/* A socket on a loopback port of the kernel's choice, of the given family; its address goes to `address`. -1 on failure. */
static int open_socket(int family, struct sockaddr_storage *address, socklen_t *size)
{
    int room = 1 << 20;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    memset(address, 0, sizeof *address);
    address->ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
        *size = sizeof(struct sockaddr_in6);
    } else {
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *size = sizeof(struct sockaddr_in);
    }
    /* Only the relay is to lose packets, not its buffers; as much as the kernel allows. */
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (bind(fd, (struct sockaddr *)address, *size) == 0 && getsockname(fd, (struct sockaddr *)address, size) == 0) return fd;
    close(fd);
    return -1;
}

/* The socket that the server sees: connected, so that it hears nobody else. */
static int open_far(const struct relay *relay)
{
    struct sockaddr_storage own;
    socklen_t own_size;
    int fd = open_socket(relay->server.ss_family, &own, &own_size);
    if (fd < 0) return -1;
    if (connect(fd, (const struct sockaddr *)&relay->server, relay->server_size) == 0) return fd;
    close(fd);
    return -1;
}

int relay_open(struct relay *relay, const struct sockaddr *server, socklen_t server_size, uint64_t seed)
{
    struct sockaddr_storage own;
    socklen_t own_size;
    memset(relay, 0, sizeof *relay);
    relay->near = relay->far = relay->stranger = -1;
    random_seed(&relay->random, seed);
    memcpy(&relay->server, server, server_size);
    relay->server_size = server_size;
    relay->near = open_socket(server->sa_family, &relay->address, &relay->address_size);
    if (relay->near >= 0) relay->far = open_far(relay);
    if (relay->far >= 0) relay->stranger = open_socket(server->sa_family, &own, &own_size);
    if (relay->stranger >= 0) return 0;
    relay_close(relay);
    return -1;
}

int relay_rebind(struct relay *relay)
{
    int fd = open_far(relay);
    if (fd < 0) return -1;
    close(relay->far);
    relay->far = fd;
    return 0;
}

static struct relay_packet *copy_packet(const void *bytes, size_t size)
{
    struct relay_packet *packet = malloc(sizeof *packet + size);
    if (packet == NULL) abort();
    packet->next = NULL;
    packet->due = 0;
    packet->size = size;
    memcpy(packet->bytes, bytes, size);
    return packet;
}

static struct relay_way *way_of(struct relay *relay, enum relay_direction direction)
{
    return direction == RELAY_TO_SERVER ? &relay->to_server : &relay->to_client;
}

static void enqueue(struct relay *relay, struct relay_way *way, const void *bytes, size_t size)
{
    struct relay_packet *packet = copy_packet(bytes, size), **link = &way->queue;
    packet->due = relay->now + way->delay + random_below(&relay->random, way->jitter + 1);
    while (*link != NULL && (int32_t)((*link)->due - packet->due) <= 0) link = &(*link)->next;
    packet->next = *link;
    *link = packet;
}

static void take(struct relay *relay, struct relay_way *way, const void *bytes, size_t size)
{
    struct relay_packet **record = &way->records[way->recorded++ % RELAY_RECORDS];
    free(*record);
    *record = copy_packet(bytes, size);
    way->bytes += size;
    if (way->largest > 0 && size > way->largest) {
        way->lost += 1;
        way->too_large += 1;
        return;
    }
    if (relay->blocked || random_chance(&relay->random, way->loss)) {
        way->lost += 1;
        return;
    }
    enqueue(relay, way, bytes, size);
    if (random_chance(&relay->random, way->duplicate)) {
        way->duplicated += 1;
        enqueue(relay, way, bytes, size);
    }
}

/* Everything that arrived at one of the sockets. */
static void take_all(struct relay *relay, enum relay_direction direction)
{
    unsigned char bytes[RELAY_LARGEST];
    struct sockaddr_storage from;
    for (;;) {
        socklen_t from_size = sizeof from;
        int fd = direction == RELAY_TO_SERVER ? relay->near : relay->far;
        ssize_t size = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_size);
        if (size < 0) {
            /* An ICMP error of an earlier packet: the server is not there just now. */
            if (errno == EINTR || errno == ECONNREFUSED) continue;
            return;
        }
        if (direction == RELAY_TO_SERVER) {
            relay->client = from;
            relay->client_size = from_size;
        }
        take(relay, way_of(relay, direction), bytes, (size_t)size);
    }
}

/* Sends to one end, under the name of the other or of a stranger. 0 or -1. */
static int deliver(struct relay *relay, enum relay_direction direction, enum relay_sender sender, const void *bytes,
                   size_t size)
{
    if (direction == RELAY_TO_CLIENT && relay->client_size == 0) return -1;
    /* An ICMP error of an earlier packet is told at the next call, which then sends nothing. */
    for (int tries = 0; tries < 3; ++tries) {
        ssize_t sent;
        if (direction == RELAY_TO_SERVER && sender == RELAY_SPOOFED) {
            sent = send(relay->far, bytes, size, 0);
        } else {
            const struct sockaddr_storage *to = direction == RELAY_TO_SERVER ? &relay->server : &relay->client;
            socklen_t to_size = direction == RELAY_TO_SERVER ? relay->server_size : relay->client_size;
            int fd = sender == RELAY_STRANGER ? relay->stranger : relay->near;
            sent = sendto(fd, bytes, size, 0, (const struct sockaddr *)to, to_size);
        }
        if (sent >= 0) return 0;
        if (errno != EINTR && errno != ECONNREFUSED) return -1;
    }
    return -1;
}

/* Sends what is due; how long until the next one is. */
static uint32_t release(struct relay *relay, enum relay_direction direction)
{
    struct relay_way *way = way_of(relay, direction);
    while (way->queue != NULL) {
        struct relay_packet *packet = way->queue;
        int32_t wait = (int32_t)(packet->due - relay->now);
        if (wait > 0) return wait < RELAY_IDLE ? (uint32_t)wait : RELAY_IDLE;
        way->queue = packet->next;
        if (relay->race && direction == RELAY_TO_SERVER) {
            deliver(relay, direction, RELAY_STRANGER, packet->bytes, packet->size);
        }
        if (!relay->blocked && deliver(relay, direction, RELAY_SPOOFED, packet->bytes, packet->size) == 0) {
            way->passed += 1;
        } else {
            way->lost += 1;
        }
        free(packet);
    }
    return RELAY_IDLE;
}

/* What was sent to the stranger. */
static void hear_stranger(struct relay *relay)
{
    unsigned char bytes[RELAY_LARGEST];
    ssize_t size;
    while ((size = recv(relay->stranger, bytes, sizeof bytes, 0)) >= 0) {
        relay->stranger_heard += 1;
        relay->stranger_bytes += (unsigned long)size;
        if (relay->race == RELAY_PASSES || (relay->race == RELAY_PASSES_SHORT && size <= RELAY_SHORT)) {
            deliver(relay, RELAY_TO_CLIENT, RELAY_SPOOFED, bytes, (size_t)size);
        }
    }
}

uint32_t relay_poll(struct relay *relay, uint32_t now)
{
    relay->now = now;
    take_all(relay, RELAY_TO_SERVER);
    take_all(relay, RELAY_TO_CLIENT);
    hear_stranger(relay);
    uint32_t to_server = release(relay, RELAY_TO_SERVER);
    uint32_t to_client = release(relay, RELAY_TO_CLIENT);
    return to_server < to_client ? to_server : to_client;
}

int relay_inject(struct relay *relay, enum relay_direction direction, enum relay_sender sender, const void *bytes,
                 size_t size)
{
    if (deliver(relay, direction, sender, bytes, size) < 0) return -1;
    way_of(relay, direction)->injected += 1;
    return 0;
}

const struct relay_packet *relay_record(const struct relay *relay, enum relay_direction direction, unsigned long age)
{
    const struct relay_way *way = direction == RELAY_TO_SERVER ? &relay->to_server : &relay->to_client;
    if (age >= RELAY_RECORDS || age >= way->recorded) return NULL;
    return way->records[(way->recorded - 1 - age) % RELAY_RECORDS];
}

/* One of the recorded packets of a direction, any. */
static const struct relay_packet *any_record(struct relay *relay, enum relay_direction direction)
{
    unsigned long there = way_of(relay, direction)->recorded;
    if (there > RELAY_RECORDS) there = RELAY_RECORDS;
    return relay_record(relay, direction, random_below(&relay->random, (uint32_t)there));
}

int relay_garbage(struct relay *relay, enum relay_direction direction, enum relay_sender sender)
{
    unsigned char bytes[1500];
    /* Most of the interest is in the short ones, which may just be large enough for a header. */
    size_t size = random_below(&relay->random, random_chance(&relay->random, 70) ? 64 : sizeof bytes);
    random_bytes(&relay->random, bytes, size);
    return relay_inject(relay, direction, sender, bytes, size) == 0;
}

int relay_replay(struct relay *relay, enum relay_direction direction, enum relay_sender sender)
{
    const struct relay_packet *packet = any_record(relay, direction);
    return packet != NULL && relay_inject(relay, direction, sender, packet->bytes, packet->size) == 0;
}

int relay_forge(struct relay *relay, enum relay_direction direction, enum relay_sender sender)
{
    struct random *random = &relay->random;
    unsigned char bytes[RELAY_LARGEST + 64];
    uint32_t kind = random_below(random, 5);
    enum relay_direction other = direction == RELAY_TO_SERVER ? RELAY_TO_CLIENT : RELAY_TO_SERVER;
    const struct relay_packet *packet = any_record(relay, kind == 4 ? other : direction);
    size_t size;
    if (packet == NULL || packet->size == 0) return 0;
    size = packet->size;
    memcpy(bytes, packet->bytes, size);
    switch (kind) {
    case 0: /* a few bits are others */
        for (uint32_t flips = 1 + random_below(random, 4); flips > 0; --flips) {
            bytes[random_below(random, (uint32_t)size)] ^= (unsigned char)(1u << random_below(random, 8));
        }
        break;
    case 1: /* cut off */
        size = random_below(random, (uint32_t)size);
        break;
    case 2: /* more behind it */
        random_bytes(random, bytes + size, 64);
        size += 1 + random_below(random, 64);
        break;
    case 3: /* another id, key or number */
        if (size >= 4) {
            size_t places = size < 32 ? size / 4 : 8;
            random_bytes(random, bytes + 4 * random_below(random, (uint32_t)places), 4);
        }
        break;
    default: /* sent back to where it came from */
        break;
    }
    /* Chance may have undone what it did. */
    if (kind != 4 && size == packet->size && memcmp(bytes, packet->bytes, size) == 0) bytes[0] ^= 1;
    return relay_inject(relay, direction, sender, bytes, size) == 0;
}

int relay_attack(struct relay *relay, int count)
{
    int sent = 0;
    for (; count > 0; --count) {
        enum relay_direction direction = random_below(&relay->random, 2) ? RELAY_TO_SERVER : RELAY_TO_CLIENT;
        enum relay_sender sender = random_below(&relay->random, 2) ? RELAY_SPOOFED : RELAY_STRANGER;
        switch (random_below(&relay->random, 3)) {
        case 0: sent += relay_garbage(relay, direction, sender); break;
        case 1: sent += relay_forge(relay, direction, sender); break;
        default: sent += relay_replay(relay, direction, sender); break;
        }
    }
    return sent;
}

static void empty(struct relay_way *way)
{
    while (way->queue != NULL) {
        struct relay_packet *packet = way->queue;
        way->queue = packet->next;
        free(packet);
    }
    for (size_t i = 0; i < RELAY_RECORDS; ++i) free(way->records[i]);
    memset(way->records, 0, sizeof way->records);
    way->recorded = 0;
}

void relay_close(struct relay *relay)
{
    empty(&relay->to_server);
    empty(&relay->to_client);
    if (relay->near >= 0) close(relay->near);
    if (relay->far >= 0) close(relay->far);
    if (relay->stranger >= 0) close(relay->stranger);
    relay->near = relay->far = relay->stranger = -1;
}
