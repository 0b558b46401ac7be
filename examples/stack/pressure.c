#include "pressure.h"

#include <limits.h>

int pressure_limit(const ikcpcb *kcp, uint32_t bytes_per_second, uint32_t milliseconds)
{
    uint64_t packets = (uint64_t)bytes_per_second * milliseconds / 1000 / kcp->mss;
    if (packets < 1) return 1;
    return packets < INT_MAX ? (int)packets : INT_MAX;
}

int pressure_has_room(const ikcpcb *kcp)
{
    return (uint64_t)ikcp_waitsnd(kcp) < 2 * (uint64_t)kcp->snd_wnd;
}

void pressure_video_init(struct pressure_video *video, int limit)
{
    *video = (struct pressure_video){limit, 0, 0, 0};
}

static int is_above_half(const struct pressure_video *video, const ikcpcb *kcp)
{
    return ikcp_waitsnd(kcp) > video->limit / 2;
}

int pressure_video_takes(struct pressure_video *video, const ikcpcb *kcp, enum pressure_frame frame)
{
    int takes;
    if (video->dropping) {
        takes = frame == PRESSURE_KEY && !is_above_half(video, kcp);
        if (takes) video->dropping = 0;
    } else if (frame == PRESSURE_DISPOSABLE) {
        takes = !is_above_half(video, kcp);
    } else {
        takes = ikcp_waitsnd(kcp) <= video->limit;
        if (!takes) video->dropping = 1;
    }
    *(takes ? &video->sent : &video->dropped) += 1;
    return takes;
}

int pressure_video_wants_key(const struct pressure_video *video, const ikcpcb *kcp)
{
    return video->dropping && !is_above_half(video, kcp);
}

void pressure_game_init(struct pressure_game *game, int limit, uint32_t patience)
{
    *game = (struct pressure_game){limit, patience, 0, 0};
}

int pressure_game_gives_up(struct pressure_game *game, const ikcpcb *kcp, uint32_t now)
{
    int waiting = ikcp_waitsnd(kcp);
    if (kcp->state != 0 || waiting / 4 >= game->limit) return 1;
    if (waiting <= game->limit) {
        game->over = 0;
        return 0;
    }
    if (!game->over) {
        game->over = 1;
        game->since = now;
    }
    return now - game->since > game->patience;
}
