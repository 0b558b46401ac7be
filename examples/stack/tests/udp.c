/* The UDP unit: batches, addresses, and every error that a peer or the system can cause. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "loopback.h"
#include "pool.h"
#include "random.h"
#include "tap.h"
#include "udp.h"

#define ROOM (PACKET_ROOM - PACKET_HEADROOM)

/* What most parts of the test use. */
static struct packet_pool pool;
static struct udp server, client;
static struct packet *packets[UDP_BATCH];

static void open_at_loopback(struct udp *udp, struct packet_pool *packets_of)
{
    struct sockaddr_in address = loopback(0);
    CHECK_INT(udp_bind(udp, (struct sockaddr *)&address, sizeof address, packets_of), 0);
}

/* A server, with packets of some pool, and a client that is connected to it. */
static void open_both(struct packet_pool *of_server)
{
    struct sockaddr_storage address;
    socklen_t size;
    packet_pool_init(&pool, 0);
    open_at_loopback(&server, of_server);
    CHECK_INT(udp_address(&server, &address, &size), 0);
    CHECK_INT(udp_connect(&client, (struct sockaddr *)&address, size, &pool), 0);
}

static void close_both(void)
{
    udp_close(&client);
    udp_close(&server);
    pool_close(&pool);
}

static void wait_for(const struct udp *udp)
{
    struct pollfd ready = {udp->fd, POLLIN, 0};
    CHECK_INT(poll(&ready, 1, 5000), 1);
}

static void free_packets(int count)
{
    while (count > 0) packet_free(packets[--count]);
}

/* Waits for packets: how many have come. */
static int receive(struct udp *udp)
{
    if (!udp_has_left(udp)) wait_for(udp);
    int count = udp_receive(udp, packets);
    CHECK(count > 0);
    return count;
}

/* So many packets come, each with this text. */
static void all_come(struct udp *udp, int wanted, const char *text)
{
    int count;
    for (; wanted > 0 && (count = receive(udp)) > 0; wanted -= count) {
        for (int i = 0; i < count; ++i) {
            CHECK(packets[i]->size == strlen(text) && memcmp(packets[i]->data, text, strlen(text)) == 0);
            packet_free(packets[i]);
        }
    }
    CHECK_INT(wanted, 0);
}

/* Sends a text. */
static void send_text(struct udp *udp, const char *text)
{
    udp_send(udp, packet_from(udp->pool, text, strlen(text)));
    CHECK_INT(udp_flush(udp), 0);
}

/* Many packets there and back, each with its content and to whom it belongs. */
static void echo(void)
{
    struct tap top;
    unsigned sent = 0, echoed = 0, back = 0;
    open_both(&pool);
    tap_init(&top);
    layer_join(&top.layer, &client.layer);
    CHECK(udp_receive(&server, packets) == 0 && udp_poll(&client, 100) == 0);
    CHECK_INT(layer_check(&top.layer, 0), LAYER_IDLE);
    while (back < 1000) {
        struct packet *packet;
        int count;
        for (unsigned i = 0; i < 50 && sent < 1000; ++i) {
            unsigned char number[4];
            put_u32(number, sent++);
            packet = packet_from(&pool, number, sizeof number);
            memset(packet_put(packet, sent % 1000), 0, sent % 1000);
            layer_down(&top.layer, packet);
        }
        CHECK(client.waits == 0 || layer_check(&top.layer, 0) == 0);
        layer_update(&top.layer, 0);
        CHECK_INT(client.waits, 0);
        if (echoed < sent) wait_for(&server);
        while ((count = udp_receive(&server, packets)) > 0) {
            for (unsigned i = 0; i < (unsigned)count; ++i) {
                CHECK(packets[i]->data == packets[i]->memory + PACKET_HEADROOM);
                CHECK(packets[i]->address.ss_family == AF_INET && packets[i]->address_size == sizeof(struct sockaddr_in));
                udp_send(&server, packets[i]); /* with the address that it came from: goes back there */
            }
            echoed += (unsigned)count;
        }
        CHECK_INT(udp_flush(&server), 0);
        wait_for(&client);
        udp_poll(&client, 1000);
        while ((packet = tap_take(&top)) != NULL) {
            CHECK(packet->size == 4 + (back + 1) % 1000 && get_u32(packet->data) == back);
            back += 1;
            packet_free(packet);
        }
    }
    CHECK(client.sent == 1000 && server.sent == 1000 && client.received == 1000 && server.received == 1000);
    CHECK(client.dropped + client.failed + server.dropped + server.failed == 0);
    /* A packet that came from elsewhere is still sent to the one peer. */
    packets[0] = packet_from(&pool, "away", 4);
    packets[0]->address_size = sizeof packets[0]->address;
    CHECK_INT(udp_address(&client, &packets[0]->address, &packets[0]->address_size), 0);
    udp_send(&client, packets[0]);
    udp_flush(&client);
    all_come(&server, 1, "away");
    close_both();
}

/* Sizes at the edges. */
static void sizes(void)
{
    struct packet *packet;
    static unsigned char large[ROOM + 1], huge[70000];
    open_both(&pool);
    udp_send(&client, packet_new(&pool)); /* nothing is a packet too */
    udp_send(&client, packet_from(&pool, large, ROOM));
    udp_flush(&client);
    CHECK(send(client.fd, large, ROOM + 1, 0) == ROOM + 1); /* larger than a packet: dropped */
    send_text(&client, "after");
    wait_for(&server);
    CHECK_INT(udp_receive(&server, packets), 3);
    CHECK(packets[0]->size == 0 && packets[1]->size == ROOM && packets[2]->size == 5);
    CHECK_INT(server.dropped, 1);
    free_packets(3);

    /* Only packets that are too large: the call reports none and does not wait. */
    CHECK(send(client.fd, large, ROOM + 1, 0) == ROOM + 1);
    wait_for(&server);
    CHECK(udp_receive(&server, packets) == 0 && server.dropped == 2);

    /* Too large for the link: of loopback no packet is, so one gets content from elsewhere. */
    packet = packet_new(&pool);
    packet->data = huge;
    packet->size = sizeof huge;
    udp_send(&client, packet);
    send_text(&client, "after");
    CHECK(client.failed == 1 && client.error == EMSGSIZE);
    all_come(&server, 1, "after");
    close_both();
}

/* The other side is not there, and then it is again: ICMP errors stop nothing. */
static void restart(void)
{
    struct sockaddr_storage address;
    socklen_t size;
    open_both(&pool);
    CHECK_INT(udp_address(&server, &address, &size), 0);
    udp_close(&server);
    for (int i = 0; i < 10; ++i) {
        udp_send(&client, packet_from(&pool, "lost", 4));
        send_text(&client, "lost");
        if (i % 2 == 0) CHECK_INT(udp_receive(&client, packets), 0);
    }
    CHECK_INT(client.error, ECONNREFUSED);
    CHECK_INT(client.failed, 0);
    udp_send(&client, packet_from(&pool, "lost", 4)); /* leaves an error behind for the next */
    udp_flush(&client);
    CHECK_INT(udp_bind(&server, (struct sockaddr *)&address, size, &pool), 0);
    send_text(&client, "found");
    all_come(&server, 1, "found");
    close_both();
}

/* Nobody reads: the socket fills, packets wait, then the newest are dropped; reading makes room again. */
static void full(void)
{
    static unsigned char bytes[1000];
    int small = 1, sockets[2];
    open_both(&pool);
    /* Over loopback a socket never is full. One of the local kind is, as over a network: it takes the place of both. */
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, sockets), 0);
    CHECK_INT(setsockopt(sockets[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0); /* the least there is */
    close(client.fd);
    close(server.fd);
    client.fd = sockets[0];
    server.fd = sockets[1];
    for (int i = 0; i < 100; ++i) udp_send(&client, packet_from(&pool, bytes, sizeof bytes));
    CHECK(udp_flush(&client) == UDP_BATCH && client.waits == UDP_BATCH && client.dropped > 0 && client.sent > 0);
    CHECK_INT((long)(client.sent + client.dropped) + client.waits, 100);
    CHECK_INT(layer_check(&client.layer, 7), 0);
    layer_update(&client.layer, 7);
    CHECK_INT(client.waits, UDP_BATCH);
    CHECK_INT(layer_check(&client.layer, 7), 1);
    CHECK_INT(layer_check(&client.layer, 8), 0);
    CHECK_INT(client.failed, 0);
    for (int i = 0; i < 100 && client.waits > 0; ++i) {
        free_packets(receive(&server));
        udp_flush(&client);
    }
    CHECK_INT(client.waits, 0);
    udp_send(&client, packet_from(&pool, bytes, sizeof bytes));
    udp_send(&client, packet_from(&pool, bytes, sizeof bytes));
    close_both(); /* with packets that wait */
}

/* An empty pool ends nothing either: packets stay with the system. */
static void starved(void)
{
    struct packet_pool few;
    struct packet *others[UDP_BATCH];
    packet_pool_init(&few, 3);
    open_both(&few);
    for (int i = 0; i < 5; ++i) udp_send(&client, packet_from(&pool, "abcde", (size_t)i + 1));
    CHECK_INT(udp_flush(&client), 0);
    wait_for(&server);
    CHECK_INT(udp_receive(&server, packets), 3);
    CHECK(udp_receive(&server, others) == -1 && errno == ENOBUFS);
    CHECK(udp_poll(&server, 10) == -1 && errno == ENOBUFS);
    free_packets(3);
    CHECK(udp_receive(&server, packets) == 2 && packets[0]->size == 4 && packets[1]->size == 5);
    free_packets(2);
    /* The same with packets that came as one: the socket does not tell of them any more. */
    for (int i = 0; i < 5; ++i) {
        struct packet *packet = packet_from(&pool, "run", 3);
        packet->data[2] = (unsigned char)i;
        udp_send(&client, packet);
    }
    CHECK_INT(udp_flush(&client), 0);
    wait_for(&server);
    CHECK_INT(udp_receive(&server, packets), 3);
    CHECK(udp_has_left(&server) && udp_receive(&server, others) == -1 && errno == ENOBUFS && udp_has_left(&server));
    free_packets(3);
    CHECK(udp_receive(&server, packets) == 2 && packets[0]->data[2] == 3 && packets[1]->data[2] == 4);
    free_packets(2);
    CHECK(!udp_has_left(&server) && server.received == 10 && server.dropped == 0);
    close_both();
    pool_close(&few);
}

/* Takes all that comes to a socket soon, and checks that it is what was sent: `sizes` of packets, with numbers. */
static void collect(struct udp *udp, const size_t *sizes, int count)
{
    int taken = 0;
    while (taken < count) {
        int came = receive(udp);
        if (came <= 0) return;
        for (int i = 0; i < came; ++i, ++taken) {
            CHECK(taken < count && packets[i]->size == sizes[taken] && packets[i]->data[sizes[taken] - 1] == (unsigned char)taken);
            packet_free(packets[i]);
        }
    }
}

static void send_sized(struct udp *udp, const size_t *sizes, int count)
{
    for (int i = 0; i < count; ++i) {
        struct packet *packet = packet_new(udp->pool);
        memset(packet_put(packet, sizes[i]), i, sizes[i]);
        udp_send(udp, packet);
    }
    CHECK_INT(udp_flush(udp), 0);
}

/* Packets of one size go as a run, where the kernel has them; a run that is refused goes packet by packet, and the next is tried. */
static void runs(uint64_t seed)
{
    struct random random;
    size_t sizes[UDP_BATCH];
    int on = 1, off = 0;
    open_both(&pool);
    udp_room(&server, 1 << 20);
    for (int i = 0; i < 40; ++i) sizes[i] = i < 39 ? 1000 : 500;
    send_sized(&client, sizes, 40);
    collect(&server, sizes, 40);
    if (client.segments) CHECK_INT(server.filled, 1);
    CHECK_INT((long)client.sent, 40);

    /* Without checksums the kernel makes no runs. */
    CHECK_INT(setsockopt(client.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    send_sized(&client, sizes, 40);
    CHECK(client.singly == 0 && client.failed == 0 && client.sent == 80);
    collect(&server, sizes, 40);
    CHECK_INT(setsockopt(client.fd, SOL_SOCKET, SO_NO_CHECK, &off, sizeof off), 0);
    send_sized(&client, sizes, 40);
    collect(&server, sizes, 40);
    if (client.segments) CHECK_INT(server.filled, 1);
    CHECK(client.failed == 0 && client.dropped == 0);

    /* Any sizes: equal ones in a row, shorter and longer ones between. */
    random_seed(&random, seed);
    for (int round = 0; round < 200; ++round) {
        int count = 1 + (int)random_below(&random, UDP_BATCH);
        size_t size = 1 + random_below(&random, 1400);
        for (int i = 0; i < count; ++i) {
            if (random_below(&random, 8) == 0) size = 1 + random_below(&random, ROOM);
            sizes[i] = size;
        }
        send_sized(&client, sizes, count);
        collect(&server, sizes, count);
    }
    CHECK(client.failed == 0 && client.dropped == 0 && server.dropped == 0);
    close_both();
}

/* Packets for several peers in one batch: each to its own, though those to one are next to each other or not. */
static void several_peers(uint64_t seed)
{
    struct udp clients[3];
    struct sockaddr_storage addresses[3];
    static const char *const texts[3] = {"to 0", "to 1", "to 2"};
    socklen_t size;
    struct random random;
    int i, j, sent[3] = {0, 0, 0};
    packet_pool_init(&pool, 0);
    open_at_loopback(&server, &pool);
    for (i = 0; i < 3; ++i) {
        open_at_loopback(&clients[i], &pool);
        udp_room(&clients[i], 1 << 20);
        CHECK_INT(udp_address(&clients[i], &addresses[i], &size), 0);
    }
    random_seed(&random, seed);
    for (i = 0, j = 0; i < 300; ++i) {
        if (random_below(&random, 3) == 0) j = (int)random_below(&random, 3);
        struct packet *packet = packet_from(&pool, texts[j], 4);
        packet->address = addresses[j];
        packet->address_size = size;
        sent[j] += 1;
        udp_send(&server, packet);
    }
    CHECK_INT(udp_flush(&server), 0);
    for (i = 0; i < 3; ++i) {
        all_come(&clients[i], sent[i], texts[i]);
        udp_close(&clients[i]);
    }
    udp_close(&server);
    pool_close(&pool);
}

/* One socket for peers of both families. */
static void both_families(void)
{
    struct udp six;
    struct sockaddr_in6 any;
    struct sockaddr_in own = loopback(0);
    struct sockaddr_storage address;
    socklen_t size;
    int count, heard = 0;
    memset(&any, 0, sizeof any);
    any.sin6_family = AF_INET6;
    any.sin6_addr = in6addr_any;
    packet_pool_init(&pool, 0);
    if (udp_bind(&server, (struct sockaddr *)&any, sizeof any, &pool) < 0) {
        printf("no IPv6 here\n");
        return;
    }
    CHECK_INT(udp_address(&server, &address, &size), 0);
    own.sin_port = ((struct sockaddr_in6 *)&address)->sin6_port;
    any = *(struct sockaddr_in6 *)&address;
    any.sin6_addr = in6addr_loopback;
    CHECK_INT(udp_connect(&client, (struct sockaddr *)&own, sizeof own, &pool), 0);
    send_text(&client, "4");
    if (udp_connect(&six, (struct sockaddr *)&any, sizeof any, &pool) < 0) {
        printf("no ::1 here\n");
        six.fd = -1;
        heard = 1;
    } else {
        send_text(&six, "6");
    }
    while (heard < 2) {
        count = receive(&server);
        if (count <= 0) break;
        heard += count;
        for (int i = 0; i < count; ++i) udp_send(&server, packets[i]);
    }
    udp_flush(&server);
    all_come(&client, 1, "4");
    if (six.fd >= 0) all_come(&six, 1, "6");
    udp_close(&six);
    close_both();
}

/*
 * A server at all addresses was asked at one and answered from another, which the system chose, so the client heard nothing. Alone, in
 * runs and whole; `any`: all addresses of a family.
 */
static void answer_came_from_another_address(const struct sockaddr *any, socklen_t any_size)
{
    enum { ASKED = 3, EACH = 9 };
    struct udp clients[ASKED];
    struct sockaddr_storage bound;
    socklen_t size;
    int count, heard = 0;
    packet_pool_init(&pool, 0);
    if (udp_bind(&server, any, any_size, &pool) < 0) {
        printf("no IPv6 here\n");
        return;
    }
    CHECK_INT(udp_address(&server, &bound, &size), 0);
    for (int i = 0; i < ASKED; ++i) {
        struct sockaddr_in asked = loopback(network_port(&bound));
        asked.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (unsigned)i);
        CHECK_INT(udp_connect(&clients[i], (struct sockaddr *)&asked, sizeof asked, &pool), 0);
    }
    for (int j = 0; j < EACH; ++j) {
        for (int i = 0; i < ASKED; ++i) udp_send(&clients[i], packet_from(&pool, "asked", 5));
    }
    for (int i = 0; i < ASKED; ++i) CHECK_INT(udp_flush(&clients[i]), 0);
    while (heard < ASKED * EACH) {
        count = receive(&server);
        if (count <= 0) break;
        for (int i = 0; i < count; ++i) {
            packets[i]->whole = ++heard % 4 == 0;
            udp_send(&server, packets[i]);
        }
    }
    CHECK_INT(udp_flush(&server), 0);
    CHECK(server.failed == 0 && server.sent == ASKED * EACH);
    for (int i = 0; i < ASKED; ++i) {
        all_come(&clients[i], EACH, "asked");
        udp_close(&clients[i]);
    }
    udp_close(&server);
    pool_close(&pool);
}

static void answers_came_from_another_address(void)
{
    struct sockaddr_in four = loopback(0);
    struct sockaddr_in6 six;
    four.sin_addr.s_addr = htonl(INADDR_ANY);
    answer_came_from_another_address((struct sockaddr *)&four, sizeof four);
    memset(&six, 0, sizeof six);
    six.sin6_family = AF_INET6; /* in6addr_any is all zeros */
    answer_came_from_another_address((struct sockaddr *)&six, sizeof six);
}

static void errors(void)
{
    struct udp other;
    struct sockaddr_storage address;
    socklen_t size;
    packet_pool_init(&pool, 0);
    open_at_loopback(&server, &pool);
    CHECK_INT(udp_address(&server, &address, &size), 0);
    CHECK(udp_bind(&other, (struct sockaddr *)&address, size, &pool) == -1 && errno == EADDRINUSE && other.fd == -1);
    udp_send(&server, packet_from(&pool, "to whom?", 8)); /* without an address */
    CHECK(udp_flush(&server) == 0 && server.failed == 1 && server.error == EDESTADDRREQ);
    close(server.fd);
    CHECK(udp_receive(&server, packets) == -1 && errno == EBADF);
    udp_send(&server, packet_from(&pool, "where?", 6));
    CHECK(udp_flush(&server) == 0 && server.failed == 2);
    server.fd = -1;
    udp_close(&server);
    pool_close(&pool);
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    runs(seed);
    several_peers(seed);
    echo();
    sizes();
    restart();
    full();
    starved();
    both_families();
    answers_came_from_another_address();
    errors();
    return check_result();
}
