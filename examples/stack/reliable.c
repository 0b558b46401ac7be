#include "reliable.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 24 /* bytes of a segment's, in KCP */
#define FILLED 64 /* a packet gets one byte more for so many, at most */
#define FORGETS 100 /* milliseconds, in which a sixteenth of the longest round trip is forgotten */

/*
 * The last fragment of a message is a few bytes shorter than the others, which would end a run of packets (udp.h). KCP ignores what is
 * behind a packet and too short for a header.
 */
static void fill_up(struct reliable *reliable, struct packet *packet)
{
    size_t missing = reliable->last_size > packet->size ? reliable->last_size - packet->size : 0;
    if (missing < HEADER && missing * FILLED <= packet->size && reliable->last_size <= reliable->kcp->mtu &&
        missing <= packet_tailroom(packet)) {
        memset(packet_put(packet, missing), 0, missing);
    }
    reliable->last_size = packet->size;
}

static int output(const char *bytes, int size, ikcpcb *kcp, void *user)
{
    struct reliable *reliable = user;
    struct packet *packet = packet_from(reliable->pool, bytes, (size_t)size);
    (void)kcp;
    if (packet == NULL) {
        reliable->starved += 1; /* as if lost: KCP sends it again */
    } else {
        fill_up(reliable, packet);
        layer_down(&reliable->layer, packet);
    }
    return size;
}

/* Hands messages that are complete to the program. */
static void deliver(struct reliable *reliable)
{
    int size;
    while (!reliable->broken && (size = ikcp_peeksize(reliable->kcp)) >= 0) {
        if ((size_t)size > reliable->largest) {
            reliable->broken = 1; /* KCP takes as many fragments as its window has room for */
            return;
        }
        if ((size_t)size > reliable->room) {
            char *larger = realloc(reliable->buffer, (size_t)size);
            if (larger == NULL) return; /* it stays where it is, until the next packet */
            reliable->buffer = larger;
            reliable->room = (size_t)size;
        }
        size = ikcp_recv(reliable->kcp, reliable->buffer, (int)reliable->room);
        if (size < 0) return;
        reliable->message(reliable->user, reliable->buffer, (size_t)size);
    }
}

static void receive_packet(struct layer *layer, struct packet *packet)
{
    struct reliable *reliable = (struct reliable *)layer;
    if (ikcp_input(reliable->kcp, (const char *)packet->data, (long)packet->size) < 0) reliable->refused += 1;
    packet_free(packet);
    deliver(reliable);
}

static void heed_variation(struct reliable *reliable, uint32_t now)
{
    ikcpcb *kcp = reliable->kcp;
    if (ikcp_waitsnd(kcp) <= RELIABLE_MANY) {
        if (reliable->longest > 0) kcp->rx_minrto = reliable->least_timeout;
        reliable->longest = 0;
        return;
    }
    if (reliable->longest == 0) {
        reliable->least_timeout = kcp->rx_minrto;
        reliable->forgot = now;
    } else if (now - reliable->forgot >= FORGETS) {
        reliable->longest -= reliable->longest / 16;
        reliable->forgot = now;
    }
    if (kcp->rx_srtt >= reliable->longest) reliable->longest = kcp->rx_srtt + 1;
    kcp->rx_minrto = reliable->longest * 2 > reliable->least_timeout ? reliable->longest * 2 : reliable->least_timeout;
    if (kcp->rx_rto < kcp->rx_minrto) kcp->rx_rto = kcp->rx_minrto;
}

/* What is offered to the other end: the parts of a message that wait for the rest are room already taken. */
static IUINT32 offered(const struct reliable *reliable)
{
    const ikcpcb *kcp = reliable->kcp;
    uint64_t share = (uint64_t)kcp->rcv_wnd * reliable->share / RELIABLE_WHOLE;
    if (share < RELIABLE_LEAST) share = RELIABLE_LEAST;
    share += kcp->nrcv_que;
    return share < kcp->rcv_wnd ? (IUINT32)share : kcp->rcv_wnd;
}

/* KCP's turn: it sends what is due, or all that it may. */
static void flush(struct reliable *reliable, uint32_t now, int at_once)
{
    ikcpcb *kcp = reliable->kcp;
    uint32_t due = kcp->ts_flush;
    IUINT32 window = kcp->rcv_wnd;
    kcp->rcv_wnd = offered(reliable);
    /* The time first, since after a pause the last update is long past, and the round trip is measured with it. */
    ikcp_update(kcp, now);
    if (at_once && kcp->ts_flush == due) ikcp_flush(kcp); /* or it has just done so */
    kcp->rcv_wnd = window;
}

static void update(struct layer *layer, uint32_t now)
{
    heed_variation((struct reliable *)layer, now);
    flush((struct reliable *)layer, now, 0);
}

static uint32_t check(struct layer *layer, uint32_t now)
{
    const ikcpcb *kcp = ((const struct reliable *)layer)->kcp;
    uint32_t due = ikcp_check(kcp, now);
    if (kcp->updated == 0) return 0;
    /* Nothing to send and nothing to acknowledge: ikcp_check still wants a flush every interval, which would do nothing. */
    if (ikcp_waitsnd(kcp) == 0 && kcp->ackcount == 0 && kcp->probe == 0) return LAYER_IDLE;
    /* A segment is due, but ikcp_update sends it only with the next flush: to come back at once would be in vain. */
    return layer_sooner(LAYER_IDLE, now, due == now ? kcp->ts_flush : due);
}

static const struct layer_ops ops = {NULL, receive_packet, update, check, 0};

int reliable_init(struct reliable *reliable, uint32_t conv, struct packet_pool *pool, reliable_message message, void *user)
{
    memset(reliable, 0, sizeof *reliable);
    reliable->layer.ops = &ops;
    reliable->pool = pool;
    reliable->message = message;
    reliable->user = user;
    reliable->share = RELIABLE_WHOLE;
    reliable->kcp = ikcp_create(conv, reliable);
    if (reliable->kcp == NULL) return -1;
    ikcp_setoutput(reliable->kcp, output);
    ikcp_nodelay(reliable->kcp, 1, 10, 2, 1);
    ikcp_wndsize(reliable->kcp, 256, 256);
    reliable->largest = RELIABLE_FRAGMENTS * (size_t)reliable->kcp->mss;
    return 0;
}

int reliable_mtu(struct reliable *reliable, size_t link_mtu)
{
    size_t mtu = layer_mtu(&reliable->layer, link_mtu);
    if (mtu > PACKET_LARGEST) return -1;
    if (ikcp_setmtu(reliable->kcp, (int)mtu) < 0) return -1;
    reliable->largest = RELIABLE_FRAGMENTS * (size_t)reliable->kcp->mss;
    reliable->mtu = reliable->kcp->mtu;
    return 0;
}

/* Not with ikcp_setmtu: its buffer has to hold what was cut before. */
void reliable_resize(struct reliable *reliable, size_t link_mtu)
{
    ikcpcb *kcp = reliable->kcp;
    uint32_t header = kcp->mtu - kcp->mss;
    size_t mtu = layer_mtu(&reliable->layer, link_mtu);
    if (mtu > reliable->mtu) mtu = reliable->mtu;
    if (mtu <= header) return;
    kcp->mtu = (IUINT32)mtu;
    kcp->mss = (IUINT32)mtu - header;
}

int reliable_send(struct reliable *reliable, const void *bytes, size_t size)
{
    ikcpcb *kcp = reliable->kcp;
    IUINT32 usual = kcp->mss, alike;
    size_t fragments = (size + usual - 1) / usual;
    if (size > reliable->largest) return -2;
    if (fragments > RELIABLE_FRAGMENTS) fragments = RELIABLE_FRAGMENTS;
    alike = fragments > 0 ? (IUINT32)((size + fragments - 1) / fragments) : 0;
    /* A stream fills fragments up, but has no more of them either. */
    if (kcp->stream == 0 ? fragments > 1 : alike > usual) kcp->mss = alike;
    int taken = ikcp_send(kcp, bytes, (int)size);
    kcp->mss = usual;
    return taken < 0 ? taken : 0; /* versions differ in what they say when all is well */
}

/* Nothing waits, nothing is under way, nothing is to be acknowledged: a flush would do nothing. */
static int has_nothing(const ikcpcb *kcp)
{
    return kcp->nsnd_buf == 0 && kcp->nsnd_que == 0 && kcp->ackcount == 0 && kcp->probe == 0 && kcp->rmt_wnd != 0;
}

void reliable_tell(struct reliable *reliable, uint32_t now)
{
    if (reliable->kcp->updated) {
        reliable->kcp->current = now;
    } else {
        ikcp_update(reliable->kcp, now);
    }
}

void reliable_push(struct reliable *reliable, uint32_t now)
{
    ikcpcb *kcp = reliable->kcp;
    heed_variation(reliable, now);
    if (kcp->updated && has_nothing(kcp)) {
        kcp->current = now;
    } else {
        flush(reliable, now, 1);
    }
}

void reliable_flush(struct reliable *reliable, uint32_t now)
{
    reliable_push(reliable, now);
    if (reliable->layer.below != NULL) layer_update(reliable->layer.below, now);
}

int reliable_is_dead(const struct reliable *reliable)
{
    return reliable->kcp->state != 0;
}

void reliable_destroy(struct reliable *reliable)
{
    if (reliable->kcp != NULL) ikcp_release(reliable->kcp);
    free(reliable->buffer);
    memset(reliable, 0, sizeof *reliable);
}
