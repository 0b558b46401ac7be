/* Can be taken alone; needs KCP. */
/*
 * Back-pressure: what to do when the network takes less than the program makes. ikcp_send takes all of it, and it waits in
 * memory; ikcp_waitsnd tells how many packets wait or have not been acknowledged yet. There are three answers, and which is
 * right depends on what the data is worth later:
 *
 *     a file        wait        pressure_has_room
 *     live video    drop        struct pressure_video
 *     a game        give up     struct pressure_game
 *
 * All of them only ask; what they answer the program has to do. See pressure.md.
 */
#ifndef PRESSURE_H
#define PRESSURE_H

#include <stdint.h>

#include "ikcp.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * As many packets as go over a link of that rate in that time, at least 1: from the delay that is still acceptable to the limit
 * to be set. With ikcp_setmtu called before.
 */
int pressure_limit(const ikcpcb *kcp, uint32_t bytes_per_second, uint32_t milliseconds);

/*
 * For a file: 1 while there is room for another piece, that is, while less than twice the send window waits. One window is
 * under way; the other is there to follow it at once. So what waits is at most twice the window and one piece.
 */
int pressure_has_room(const ikcpcb *kcp);

/* What other frames depend on a frame of a video. */
enum pressure_frame {
    PRESSURE_KEY,       /* it can be decoded by itself */
    PRESSURE_DELTA,     /* it needs the one before; the following ones need it */
    PRESSURE_DISPOSABLE /* it needs those before; none needs it */
};

/*
 * For live video, which is worth nothing late. Frames are dropped from when more than `limit` packets wait until no more than
 * half of that do, and on until a key frame begins anew, since those between need what was dropped. Disposable frames are
 * dropped from half the limit on: that may save the others.
 */
struct pressure_video {
    int limit;
    int dropping;                /* a frame was dropped that others need */
    unsigned long sent, dropped; /* frames */
};

/* `limit`: packets, see pressure_limit. The send window at most is sensible: beyond it a frame is queued behind queued ones. */
void pressure_video_init(struct pressure_video *video, int limit);

/* 1 to send the frame, 0 to drop it. To be asked once for each frame. */
int pressure_video_takes(struct pressure_video *video, const ikcpcb *kcp, enum pressure_frame frame);

/* 1 when the next frame should be a key frame: there is room again, and no other would be taken. */
int pressure_video_wants_key(const struct pressure_video *video, const ikcpcb *kcp);

/*
 * For a game, where all has to arrive and soon: a client that cannot keep up is to be disconnected, before it costs the server
 * memory without end and the player sees a past that is minutes old.
 */
struct pressure_game {
    int limit;
    uint32_t patience;
    int over;       /* more than `limit` wait, */
    uint32_t since; /* from this time on */
};

/* `limit`: packets; `patience`: milliseconds that more may wait, for a network that comes back. */
void pressure_game_init(struct pressure_game *game, int limit, uint32_t patience);

/*
 * 1 to disconnect the client: more than the limit has waited for longer than the patience, without being less in between; or
 * four times the limit waits, however short a time; or KCP gave it up. To be asked regularly, say with each tick of the game.
 */
int pressure_game_gives_up(struct pressure_game *game, const ikcpcb *kcp, uint32_t now);

#ifdef __cplusplus
}
#endif

#endif
