/* See ring.h. Can be taken alone; needs C11 for timespec_get, or ring_clock set. */
#include "ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifndef RING_LOCK
#define RING_LOCK()
#define RING_UNLOCK()
#endif

enum { HEADER = 24, PUSH = 81, ACK = 82, WASK = 83, WINS = 84 };
enum { OUT = 0, IN = 1 };

/* A segment that was sent or heard. */
struct event {
    int64_t at; /* microseconds */
    uint32_t conv, ts, sn, una, len;
    uint16_t wnd;
    uint8_t cmd, frg, way;
    uint8_t begins; /* the first of its packet */
};

static struct {
    struct event *events;
    size_t room, next, count;
    int begins; /* the next one is the first of its packet */
} ring;

static int64_t system_clock(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t (*ring_clock)(void) = system_clock;

int ring_start(size_t events) {
    struct event *room = events ? calloc(events, sizeof *room) : NULL;
    if (!room) {
        return -1;
    }
    RING_LOCK();
    free(ring.events);
    ring.events = room;
    ring.room = events;
    ring.next = ring.count = 0;
    RING_UNLOCK();
    return 0;
}

void ring_stop(void) {
    RING_LOCK();
    free(ring.events);
    memset(&ring, 0, sizeof ring);
    RING_UNLOCK();
}

void ring_watch(ikcpcb *kcp) {
    kcp->writelog = ring_event;
    kcp->logmask |= RING_MASK;
}

static void add(struct event event) {
    if (ring.room) {
        event.begins = (uint8_t)ring.begins;
        ring.begins = 0;
        ring.events[ring.next] = event;
        ring.next = (ring.next + 1) % ring.room;
        ring.count += ring.count < ring.room;
    }
}

static uint32_t word(const unsigned char *from) {
    return from[0] | (uint32_t)from[1] << 8 | (uint32_t)from[2] << 16 | (uint32_t)from[3] << 24;
}

/* The segments of a packet that goes out: it lies in the object's buffer when the log tells its size. */
static void add_packet(int64_t at, const ikcpcb *kcp, long size) {
    const unsigned char *packet = (const unsigned char *)kcp->buffer;
    while (packet && size >= HEADER) {
        struct event event = {.at = at, .conv = word(packet), .cmd = packet[4], .frg = packet[5], .way = OUT};
        event.wnd = (uint16_t)(packet[6] | packet[7] << 8);
        event.ts = word(packet + 8);
        event.sn = word(packet + 12);
        event.una = word(packet + 16);
        event.len = word(packet + 20);
        if (event.conv != kcp->conv || event.cmd < PUSH || event.cmd > WINS || event.len > (uint32_t)(size - HEADER)) {
            return; /* not a packet of this KCP: its output has changed it */
        }
        add(event);
        packet += HEADER + event.len;
        size -= HEADER + (long)event.len;
    }
}

void ring_event(const char *line, ikcpcb *kcp, void *user) {
    unsigned long sn, ts;
    long size, rtt;
    (void)user;
    RING_LOCK();
    /* What the header of a segment that came in said has taken effect before its line: the peer's window, and what it has. */
    struct event event = {.at = ring_clock(), .conv = kcp->conv, .way = IN, .una = kcp->snd_una, .wnd = (uint16_t)kcp->rmt_wnd};
    if (!strncmp(line, "[RI]", 4)) {
        ring.begins = 1;
    } else if (sscanf(line, "[RO] %ld", &size) == 1) {
        ring.begins = 1;
        add_packet(event.at, kcp, size);
    } else if (sscanf(line, "input ack: sn=%lu rtt=%ld", &sn, &rtt) == 2) {
        event.cmd = ACK;
        event.sn = (uint32_t)sn;
        event.ts = kcp->current - (uint32_t)rtt;
        add(event);
    } else if (sscanf(line, "input psh: sn=%lu ts=%lu", &sn, &ts) == 2) {
        event.cmd = PUSH;
        event.sn = (uint32_t)sn;
        event.ts = (uint32_t)ts;
        add(event); /* the line does not tell its length */
    } else if (!strncmp(line, "input probe", 11)) {
        event.cmd = WASK;
        add(event);
    } else if (!strncmp(line, "input wins", 10)) {
        event.cmd = WINS;
        add(event);
    }
    RING_UNLOCK();
}

static void put16(unsigned char *to, unsigned value) {
    to[0] = (unsigned char)value;
    to[1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *to, uint32_t value) {
    put16(to, value & 0xffff);
    put16(to + 2, value >> 16);
}

enum { IP = 20, UDP = 8, MOST = 64 };

/* How many events, of `count` that are left, go into one frame: those of one packet, up to one with payload, for that is cut off. */
static size_t frame_of(const struct event *const events[MOST], size_t count) {
    size_t size = 1;
    while (size < count && !events[size - 1]->len && !events[size]->begins && events[size]->conv == events[0]->conv &&
           events[size]->way == events[0]->way) {
        size++;
    }
    return size;
}

/* IPv4, UDP, and headers of KCP. The payload of the last one is said to be there, and cut off. */
static int write_frame(FILE *file, const struct event *const events[MOST], size_t count) {
    static const unsigned char ends[2][4] = {{192, 0, 2, 1}, {192, 0, 2, 2}}; /* this program, and the peer */
    unsigned char record[16 + IP + UDP + MOST * HEADER] = {0}, *ip = record + 16, *udp = ip + IP, *kcp = udp + UDP;
    size_t shown = IP + UDP + count * HEADER, whole = shown + events[count - 1]->len;
    unsigned from = events[0]->way, to = 1u - from;
    if (whole > 65535) {
        return 0;
    }
    put32(record, (uint32_t)(events[0]->at / 1000000));
    put32(record + 4, (uint32_t)(events[0]->at % 1000000));
    put32(record + 8, (uint32_t)shown);
    put32(record + 12, (uint32_t)whole);
    ip[0] = 0x45;
    ip[2] = (unsigned char)(whole >> 8);
    ip[3] = (unsigned char)whole;
    ip[8] = 64;
    ip[9] = 17;
    memcpy(ip + 12, ends[from], 4);
    memcpy(ip + 16, ends[to], 4);
    udp[1] = (unsigned char)(from + 1); /* ports 1 and 2 */
    udp[3] = (unsigned char)(to + 1);
    udp[4] = (unsigned char)((whole - IP) >> 8);
    udp[5] = (unsigned char)(whole - IP);
    for (size_t index = 0; index < count; index++, kcp += HEADER) {
        const struct event *event = events[index];
        put32(kcp, event->conv);
        kcp[4] = event->cmd;
        kcp[5] = event->frg;
        put16(kcp + 6, event->wnd);
        put32(kcp + 8, event->ts);
        put32(kcp + 12, event->sn);
        put32(kcp + 16, event->una);
        put32(kcp + 20, event->len);
    }
    return fwrite(record, 16 + shown, 1, file) == 1 ? 0 : -1;
}

int ring_dump(const char *path) {
    static const uint32_t header[6] = {0xa1b2c3d4, 0x00040002, 0, 0, 65535, 101 /* bare IP */};
    unsigned char bytes[sizeof header];
    FILE *file = fopen(path, "wb");
    int result = 0;
    if (!file) {
        return -1;
    }
    for (int index = 0; index < 6; index++) {
        put32(bytes + 4 * index, header[index]);
    }
    if (fwrite(bytes, sizeof bytes, 1, file) != 1) {
        result = -1;
    }
    RING_LOCK();
    for (size_t index = 0; index < ring.count && !result;) {
        const struct event *events[MOST];
        size_t left = ring.count - index, count;
        left = left < MOST ? left : MOST;
        for (count = 0; count < left; count++) {
            events[count] = &ring.events[(ring.next + ring.room - ring.count + index + count) % ring.room];
        }
        count = frame_of(events, left);
        result = write_frame(file, events, count);
        index += count;
    }
    RING_UNLOCK();
    return fclose(file) || result ? -1 : 0;
}
