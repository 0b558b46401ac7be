/* What this library has beyond the original (ikcpx.h), through sessions: redundancy, congestion control, counters, while packets get lost. */
#include "usual.h"

#include "peer.h"

#ifdef __has_include
#if __has_include("ikcpx.h")
#include "ikcpx.h"
#define HAS_EXTENSIONS
#endif
#endif

#ifdef HAS_EXTENSIONS

static int is_bulk; /* a stream, with a control; else messages now and then, with redundancy */

static void extend(ikcpcb *kcp)
{
    struct IKCPX_STATS stats;
    if (is_bulk) {
        ikcp_wndsize(kcp, 1024, 1024);
        CHECK_INT(ikcp_setcc(kcp, ikcpx_bbr()), 0);
    } else {
        CHECK_INT(ikcpx_redundancy(kcp, 30), 0);
    }
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), 0); /* counting begins */
}

static void extend_peer(void *user, struct peer *peer)
{
    (void)user;
    extend(server_session(peer)->channels.reliable.kcp);
}

/* What one end's counters say of the extensions: copies went out and some came after all; segments were found lost by later ones. */
static int has_worked(ikcpcb *kcp)
{
    struct IKCPX_STATS stats;
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), 0);
    if (stats.packets_sent <= 100 || stats.packets_received <= 100) return 0;
    return is_bulk ? stats.resent_skipped > 0 : stats.copies_sent > 0 && stats.duplicates_received > 0;
}

/* Which packets get lost is chance: more messages go until the extensions have been at work. */
static int has_extended(const struct stage *running)
{
    struct stage_client *client = &stage.clients[0];
    struct stage_flow *flow = &client->flows[CHANNEL_RELIABLE];
    (void)running;
    if (flow->sent < flow->wanted) return 0;
    if (has_worked(client->client.session.channels.reliable.kcp)) return 1;
    flow->wanted += 10;
    return 0;
}

/* Everything arrives, once and in order, which the stage checks; and the extensions were at work. */
static void session(int bulk)
{
    struct IKCPX_STATS stats;
    is_bulk = bulk;
    CHECK_INT(stage_init(&stage, seed), 0);
    stage_be_patient(&stage);
    stage.ways.loss = 5;
    stage.ways.delay = 10;
    struct stage_client *client = stage_begin(1);
    CHECK(stage_run(&stage, 60000, stage_all_udp));
    ikcpcb *kcp = client->client.session.channels.reliable.kcp;
    extend(kcp);
    server_each(stage.server, extend_peer, NULL);
    stage_flow(client, CHANNEL_RELIABLE, is_bulk ? 2000 : 200, is_bulk ? 1000 : 100, is_bulk ? 200 : 2);
    CHECK(stage_run(&stage, 180000, has_extended));
    CHECK(stage_run(&stage, 60000, stage_is_done));
    CHECK_INT(ikcpx_stats(kcp, &stats, sizeof stats), 0);
    CHECK(stats.packets_refused == 0);
    printf("%s: %llu segments sent, %llu again after a timeout, %llu since later ones had arrived; %llu duplicates came\n",
           is_bulk ? "BBR" : "redundancy", (unsigned long long)stats.segments_sent, (unsigned long long)stats.resent_timeout,
           (unsigned long long)stats.resent_skipped, (unsigned long long)stats.duplicates_received);
    CHECK_INT(client->closes, 0);
    stage_finish_unbroken();
}

int main(int count, char **arguments)
{
    seed = random_argument(count, arguments);
    session(0);
    session(1);
    return check_result();
}

#else

int main(void)
{
    printf("this KCP has no extensions\n");
    return 0;
}

#endif
