/*
 * Sends a file over KCP and UDP, and stops reading it while twice the send window waits: so it takes little memory, however
 * large the file is and however slow the network.
 *
 *   file receive PORT PATH                            PORT 0: any, which is printed
 *   file send HOST PORT PATH [RATE [LOSS]]            RATE: as if the link carried so many KB/s; LOSS: percent
 *
 * For instance, in two shells: file receive 9000 copy, and file send 127.0.0.1 9000 original 500 5. The end status is 0 when
 * all has been received and written.
 *
 * This shows back-pressure and nothing else: who can reach the port can send. Between KCP and UDP belong seal.h and keys.h.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck.h"
#include "clock.h"
#include "pressure.h"
#include "reliable.h"
#include "udp.h"

#define CONVERSATION 0x656C6966
#define PIECE 8192    /* bytes that are read and sent at a time */
#define SILENCE 10000 /* milliseconds after which the other end is given up */
#define FAREWELL 3000 /* milliseconds in which the receiver tries to tell that it has all */

struct transfer {
    struct packet_pool pool;
    struct reliable reliable;
    struct bottleneck link;
    struct layer peer; /* of the receiver: finds out who sends */
    struct udp udp;
    FILE *file;
    uint64_t size, done; /* bytes: of the file, and what has been sent or received of it */
    int is_announced;    /* the size is known */
    int is_confirmed;    /* the receiver has all */
    int failed;
    int most_waiting;
    uint32_t heard;
};

/* The sender hears one message: that all has arrived. */
static void take_confirmation(void *user, const void *bytes, size_t size)
{
    struct transfer *transfer = user;
    if (size == 8 && get_u64(bytes) == transfer->size) transfer->is_confirmed = 1;
}

/* The receiver hears the size first, then the pieces. */
static void take_piece(void *user, const void *bytes, size_t size)
{
    struct transfer *transfer = user;
    if (!transfer->is_announced) {
        if (size != 8) {
            transfer->failed = 1;
            return;
        }
        transfer->size = get_u64(bytes);
        transfer->is_announced = 1;
    } else if (size > transfer->size - transfer->done || fwrite(bytes, 1, size, transfer->file) != size) {
        transfer->failed = 1;
    } else {
        transfer->done += size;
    }
}

/* Every packet that arrives passes here: the first of ours decides who the other end is. */
static void hear(struct layer *layer, struct packet *packet)
{
    struct transfer *transfer = (struct transfer *)((char *)layer - offsetof(struct transfer, peer));
    if (!transfer->udp.connected) {
        if (packet->size < 24 || ikcp_getconv(packet->data) != CONVERSATION ||
            connect(transfer->udp.fd, (struct sockaddr *)&packet->address, packet->address_size) < 0) {
            packet_free(packet);
            return;
        }
        transfer->udp.connected = 1;
    }
    transfer->heard = clock_ms();
    reliable_tell(&transfer->reliable, transfer->heard); /* the last update was before poll */
    layer_up(layer, packet);
}

static const struct layer_ops peer_ops = {layer_down, hear, NULL, NULL, 0};

/* Over an open socket. */
static int open_stack(struct transfer *transfer, reliable_message message)
{
    if (reliable_init(&transfer->reliable, CONVERSATION, &transfer->pool, message, transfer) < 0) return -1;
    bottleneck_init(&transfer->link, 1, clock_ms());
    transfer->peer.ops = &peer_ops;
    layer_join(&transfer->reliable.layer, &transfer->link.layer);
    layer_join(&transfer->link.layer, &transfer->peer);
    layer_join(&transfer->peer, &transfer->udp.layer);
    transfer->heard = clock_ms();
    return reliable_mtu(&transfer->reliable, 1400);
}

/* Sends as much as there is room for. */
static void send_pieces(struct transfer *transfer)
{
    unsigned char piece[PIECE];
    if (!transfer->is_announced) {
        put_u64(piece, transfer->size);
        if (reliable_send(&transfer->reliable, piece, 8) < 0) transfer->failed = 1;
        transfer->is_announced = 1;
    }
    while (!transfer->failed && transfer->done < transfer->size && pressure_has_room(transfer->reliable.kcp)) {
        uint64_t rest = transfer->size - transfer->done;
        size_t size = fread(piece, 1, rest < PIECE ? (size_t)rest : PIECE, transfer->file);
        if (size == 0 || reliable_send(&transfer->reliable, piece, size) < 0) {
            transfer->failed = 1; /* the file has become shorter, or there is no memory */
            return;
        }
        transfer->done += size;
    }
    if (ikcp_waitsnd(transfer->reliable.kcp) > transfer->most_waiting) {
        transfer->most_waiting = ikcp_waitsnd(transfer->reliable.kcp);
    }
}

/* Sends what is due. */
static void send_due(struct transfer *transfer)
{
    if (transfer->udp.connected) reliable_flush(&transfer->reliable, clock_ms());
    layer_update(&transfer->reliable.layer, clock_ms());
}

/* Sends, waits for a packet or for the next time that something is due, and receives. -1 if it is in vain. */
static int turn(struct transfer *transfer)
{
    struct pollfd wait = {transfer->udp.fd, POLLIN, 0};
    send_due(transfer);
    uint32_t pause = layer_check(&transfer->reliable.layer, clock_ms());
    poll(&wait, 1, pause < 1000 ? (int)pause : 1000);
    if (udp_poll(&transfer->udp, 1000) < 0 || transfer->failed || reliable_is_dead(&transfer->reliable)) return -1;
    return transfer->udp.connected && clock_ms() - transfer->heard > SILENCE ? -1 : 0;
}

static void close_stack(struct transfer *transfer)
{
    bottleneck_destroy(&transfer->link);
    reliable_destroy(&transfer->reliable);
    udp_close(&transfer->udp);
    packet_pool_destroy(&transfer->pool);
}

static int send_file(struct transfer *transfer, const struct sockaddr_storage *to, socklen_t to_size, uint32_t rate, uint32_t loss)
{
    uint32_t start = clock_ms();
    if (udp_connect(&transfer->udp, (const struct sockaddr *)to, to_size, &transfer->pool) < 0) return -1;
    if (open_stack(transfer, take_confirmation) < 0) return -1;
    transfer->link.bytes_per_second = rate * 1000;
    transfer->link.loss = loss;
    transfer->link.queue = 200;
    while (!transfer->is_confirmed && !transfer->failed) {
        send_pieces(transfer);
        if (turn(transfer) < 0) transfer->failed = 1;
    }
    send_due(transfer); /* acknowledges the confirmation */
    for (; transfer->link.queued.first != NULL; send_due(transfer)) poll(NULL, 0, 1); /* which the slow link may have still */
    printf("%s: %llu bytes in %.1f s, at most %d packets waiting, the send window is %lu\n",
           transfer->is_confirmed ? "received" : "failed", (unsigned long long)transfer->done, (clock_ms() - start) / 1000.0,
           transfer->most_waiting, (unsigned long)transfer->reliable.kcp->snd_wnd);
    close_stack(transfer);
    return transfer->is_confirmed ? 0 : 1;
}

static int receive_file(struct transfer *transfer, uint16_t port)
{
    struct sockaddr_in any;
    struct sockaddr_storage own;
    socklen_t own_size;
    unsigned char confirmation[8];
    uint32_t end;
    memset(&any, 0, sizeof any);
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* this machine only; INADDR_ANY for all */
    any.sin_port = htons(port);
    if (udp_bind(&transfer->udp, (struct sockaddr *)&any, sizeof any, &transfer->pool) < 0) return -1;
    if (udp_address(&transfer->udp, &own, &own_size) < 0 || open_stack(transfer, take_piece) < 0) return -1;
    printf("receiving on UDP port %d\n", network_port(&own));
    fflush(stdout);
    while (!transfer->failed && !(transfer->is_announced && transfer->done == transfer->size)) {
        if (turn(transfer) < 0) transfer->failed = 1;
    }
    if (!transfer->failed && fflush(transfer->file) != 0) transfer->failed = 1;
    printf("%s: %llu bytes\n", transfer->failed ? "failed" : "received", (unsigned long long)transfer->done);
    if (!transfer->failed) {
        put_u64(confirmation, transfer->size);
        reliable_send(&transfer->reliable, confirmation, sizeof confirmation);
        end = clock_ms() + FAREWELL;
        while (turn(transfer) == 0 && ikcp_waitsnd(transfer->reliable.kcp) > 0 && (int32_t)(end - clock_ms()) > 0) continue;
    }
    close_stack(transfer);
    return transfer->failed;
}

static int usage(const char *name)
{
    fprintf(stderr, "usage: %s receive PORT PATH\n       %s send HOST PORT PATH [RATE [LOSS]]\n", name, name);
    return 2;
}

int main(int count, char **arguments)
{
    static struct transfer transfer;
    struct sockaddr_storage to;
    socklen_t to_size;
    int result, sends = count >= 5 && strcmp(arguments[1], "send") == 0;
    const char *port = count >= 4 ? arguments[sends ? 3 : 2] : "", *path = count >= 4 ? arguments[sends ? 4 : 3] : "";
    if (!sends && (count != 4 || strcmp(arguments[1], "receive") != 0)) return usage(arguments[0]);
    if (atoi(port) < 0 || atoi(port) > 65535) return usage(arguments[0]);
    if (sends && network_find(arguments[2], port, &to, &to_size) != 0) return usage(arguments[0]);
    transfer.file = fopen(path, sends ? "rb" : "wb");
    if (transfer.file == NULL) {
        perror(path);
        return 1;
    }
    packet_pool_init(&transfer.pool, 0);
    if (sends) {
        off_t size = fseeko(transfer.file, 0, SEEK_END) == 0 ? ftello(transfer.file) : -1;
        if (size < 0 || fseeko(transfer.file, 0, SEEK_SET) != 0) {
            perror(path);
            fclose(transfer.file);
            return 1;
        }
        transfer.size = (uint64_t)size;
        result = send_file(&transfer, &to, to_size, count > 5 ? (uint32_t)atoi(arguments[5]) : 0,
                           count > 6 ? (uint32_t)atoi(arguments[6]) : 0);
    } else {
        result = receive_file(&transfer, (uint16_t)atoi(port));
    }
    if (result < 0) perror("socket");
    if (fclose(transfer.file) != 0 && result == 0) {
        perror(path);
        result = 1;
    }
    return result == 0 ? 0 : 1;
}
