/*
 * Live video over a link that becomes too slow for a while: frames are dropped before they are sent, so that those which are
 * sent arrive soon. In virtual time, so it takes a moment and prints what 20 seconds look like.
 *
 *   video [LIMIT [fixed [SEED]]]        LIMIT: packets that may wait, 32 when not given; 0: nothing is dropped, for comparison.
 *                                       fixed: the encoder keeps its rate. SEED: which packets get lost
 *
 * The video has 30 frames a second and 150 KB/s: a key frame every two seconds, and between them frames that the following ones
 * need and frames that none needs, in turn. The link carries 250 KB/s and loses 1 %; from the third second to the thirteenth 60 KB/s and 5 %.
 *
 * Drops keep the latency down, but what is dropped is seen, and a key frame must follow, which is large. So they are also a word
 * to the encoder to make less: after a second with many it makes a third less, after one with none a tenth more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bottleneck.h"
#include "pressure.h"
#include "reliable.h"

#define SECONDS 20
#define RATE 30      /* frames a second */
#define KEY_EVERY 60 /* frames */
#define LARGEST 25000

/* A frame on the way: number, number of the frame that it needs, time in milliseconds, kind. */
#define HEADER 13

struct camera {
    struct reliable reliable;
    struct bottleneck link;
    struct pressure_video pressure;
    uint32_t number; /* of the next frame */
    uint32_t needed; /* number of the last frame that others need */
    int since_key;   /* frames */
    int adapts;
    unsigned quality; /* percent of the full rate */
};

struct screen {
    struct reliable reliable;
    struct bottleneck link;
    uint32_t now;
    uint32_t needed;                 /* as the camera's, of those that arrived */
    unsigned shown, broken, latency; /* in this second: frames, those without what they need, the longest in milliseconds */
    unsigned all_shown, all_broken, worst;
};

static void take_nothing(void *user, const void *bytes, size_t size)
{
    (void)user;
    (void)bytes;
    (void)size;
}

static void take_frame(void *user, const void *bytes, size_t size)
{
    struct screen *screen = user;
    const unsigned char *at = bytes;
    if (size < HEADER) return; /* none of ours */
    uint32_t latency = screen->now - get_u32(at + 8);
    screen->shown += 1;
    if (at[12] != PRESSURE_KEY && get_u32(at + 4) != screen->needed) screen->broken += 1;
    if (at[12] != PRESSURE_DISPOSABLE) screen->needed = get_u32(at);
    if (latency > screen->latency) screen->latency = latency;
}

/* One frame of the encoder, which is sent or dropped. */
static void make_frame(struct camera *camera, uint32_t now)
{
    static unsigned char frame[LARGEST];
    const ikcpcb *kcp = camera->reliable.kcp;
    enum pressure_frame kind = camera->since_key % 2 == 1 ? PRESSURE_DISPOSABLE : PRESSURE_DELTA;
    size_t size = kind == PRESSURE_DISPOSABLE ? 3000 : 6000;
    /* Encoders can be asked for a key frame. */
    if (camera->number == 0 || camera->since_key >= KEY_EVERY || pressure_video_wants_key(&camera->pressure, kcp)) {
        kind = PRESSURE_KEY;
        size = LARGEST;
        camera->since_key = 0;
    }
    size = size * camera->quality / 100;
    put_u32(frame, camera->number);
    put_u32(frame + 4, camera->needed);
    put_u32(frame + 8, now);
    frame[12] = (unsigned char)kind;
    if (pressure_video_takes(&camera->pressure, kcp, kind) && reliable_send(&camera->reliable, frame, size) < 0) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    if (kind != PRESSURE_DISPOSABLE) camera->needed = camera->number; /* the encoder does not know of drops */
    camera->number += 1;
    camera->since_key += 1;
}

static void end_second(struct camera *camera, struct screen *screen, unsigned second, unsigned long *dropped)
{
    unsigned long drops = camera->pressure.dropped - *dropped;
    printf("%6u %8u %8u %8u %8lu %8u %9d %8u\n", second, (unsigned)camera->link.bytes_per_second / 1000, camera->quality,
           screen->shown, drops, screen->broken, ikcp_waitsnd(camera->reliable.kcp), screen->latency);
    if (camera->adapts && drops > RATE / 10 && camera->quality > 15) camera->quality = camera->quality * 2 / 3;
    if (camera->adapts && drops == 0) camera->quality = camera->quality < 90 ? camera->quality * 11 / 10 : 100;
    *dropped = camera->pressure.dropped;
    screen->all_shown += screen->shown;
    screen->all_broken += screen->broken;
    if (screen->latency > screen->worst) screen->worst = screen->latency;
    screen->shown = screen->broken = screen->latency = 0;
}

static int open_end(struct reliable *reliable, struct bottleneck *link, struct packet_pool *pool, reliable_message message,
                    void *user, uint32_t seed)
{
    if (reliable_init(reliable, 1, pool, message, user) < 0) return -1;
    bottleneck_init(link, seed, 0);
    link->delay = 20;
    link->queue = 200;
    layer_join(&reliable->layer, &link->layer);
    ikcp_wndsize(reliable->kcp, 32, 256); /* more than the link carries in a round trip would only fill its queue */
    return reliable_mtu(reliable, 1400);
}

int main(int count, char **arguments)
{
    static struct camera camera;
    static struct screen screen;
    struct packet_pool pool;
    unsigned long dropped = 0;
    int limit = count > 1 ? atoi(arguments[1]) : 32;
    uint32_t seed = count > 3 ? (uint32_t)atoi(arguments[3]) : 1;
    if (limit < 0 || (limit == 0 && count > 1 && strcmp(arguments[1], "0") != 0)) {
        fprintf(stderr, "usage: %s [LIMIT [fixed [SEED]]], in packets\n", arguments[0]);
        return 2;
    }
    packet_pool_init(&pool, 0);
    if (open_end(&camera.reliable, &camera.link, &pool, take_nothing, NULL, seed) < 0 ||
        open_end(&screen.reliable, &screen.link, &pool, take_frame, &screen, seed) < 0) {
        fprintf(stderr, "no memory\n");
        return 1;
    }
    bottleneck_cross(&camera.link, &screen.link);
    camera.quality = 100;
    camera.adapts = count <= 2;
    pressure_video_init(&camera.pressure, limit > 0 ? limit : 1 << 30);
    printf("second     KB/s  quality    shown  dropped   broken   waiting  latency ms\n");
    for (uint32_t now = 0; now < SECONDS * 1000; ++now) {
        int is_bad = now >= 3000 && now < 13000;
        camera.link.bytes_per_second = is_bad ? 60000 : 250000;
        camera.link.loss = is_bad ? 5 : 1;
        screen.link.loss = 1;
        if (now * RATE / 1000 >= camera.number) make_frame(&camera, now);
        screen.now = now;
        layer_update(&camera.reliable.layer, now);
        layer_update(&screen.reliable.layer, now);
        if (now % 1000 == 999) end_second(&camera, &screen, now / 1000, &dropped);
    }
    printf("shown %u of %u frames, %u of them broken; dropped %lu; latency at most %u ms\n", screen.all_shown,
           (unsigned)camera.number, screen.all_broken, camera.pressure.dropped, screen.worst);
    bottleneck_destroy(&camera.link);
    bottleneck_destroy(&screen.link);
    reliable_destroy(&camera.reliable);
    reliable_destroy(&screen.reliable);
    packet_pool_destroy(&pool);
    return screen.all_broken == 0 ? 0 : 1;
}
