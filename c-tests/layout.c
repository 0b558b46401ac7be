/* Prints offset and size of each member of the public structs, and uses each member through a live object to see that library and
 * header agree. */
#include <stddef.h>
#include <stdio.h>

#include "ikcp.h"

#define SIZE(type) printf("%s %lu\n", #type, (unsigned long)sizeof(struct type))
#define MEMBER(type, member)                                                                                           \
    printf("%s.%s %lu %lu\n", #type, #member, (unsigned long)offsetof(struct type, member),                           \
           (unsigned long)sizeof(((struct type *)0)->member))

int main(void)
{
    int user = 0;
    ikcpcb *kcp = ikcp_create(0x01020304, &user);
    if (kcp == NULL || kcp->conv != 0x01020304 || kcp->user != &user || kcp->fastlimit != 5 || kcp->stream != 0 ||
        kcp->output != NULL || kcp->snd_queue.next != &kcp->snd_queue || kcp->dead_link != 20 || kcp->ccops != NULL) {
        return 1;
    }
    ikcp_release(kcp);

    SIZE(IQUEUEHEAD);
    MEMBER(IQUEUEHEAD, next);
    MEMBER(IQUEUEHEAD, prev);
    SIZE(IKCPSEG);
    MEMBER(IKCPSEG, node);
    MEMBER(IKCPSEG, conv);
    MEMBER(IKCPSEG, cmd);
    MEMBER(IKCPSEG, frg);
    MEMBER(IKCPSEG, wnd);
    MEMBER(IKCPSEG, ts);
    MEMBER(IKCPSEG, sn);
    MEMBER(IKCPSEG, una);
    MEMBER(IKCPSEG, len);
    MEMBER(IKCPSEG, resendts);
    MEMBER(IKCPSEG, rto);
    MEMBER(IKCPSEG, fastack);
    MEMBER(IKCPSEG, xmit);
    MEMBER(IKCPSEG, data);
    SIZE(IKCPCB);
    MEMBER(IKCPCB, conv);
    MEMBER(IKCPCB, mtu);
    MEMBER(IKCPCB, mss);
    MEMBER(IKCPCB, state);
    MEMBER(IKCPCB, snd_una);
    MEMBER(IKCPCB, snd_nxt);
    MEMBER(IKCPCB, rcv_nxt);
    MEMBER(IKCPCB, ts_recent);
    MEMBER(IKCPCB, ts_lastack);
    MEMBER(IKCPCB, ssthresh);
    MEMBER(IKCPCB, rx_rttval);
    MEMBER(IKCPCB, rx_srtt);
    MEMBER(IKCPCB, rx_rto);
    MEMBER(IKCPCB, rx_minrto);
    MEMBER(IKCPCB, snd_wnd);
    MEMBER(IKCPCB, rcv_wnd);
    MEMBER(IKCPCB, rmt_wnd);
    MEMBER(IKCPCB, cwnd);
    MEMBER(IKCPCB, probe);
    MEMBER(IKCPCB, current);
    MEMBER(IKCPCB, interval);
    MEMBER(IKCPCB, ts_flush);
    MEMBER(IKCPCB, xmit);
    MEMBER(IKCPCB, nrcv_buf);
    MEMBER(IKCPCB, nsnd_buf);
    MEMBER(IKCPCB, nrcv_que);
    MEMBER(IKCPCB, nsnd_que);
    MEMBER(IKCPCB, nodelay);
    MEMBER(IKCPCB, updated);
    MEMBER(IKCPCB, ts_probe);
    MEMBER(IKCPCB, probe_wait);
    MEMBER(IKCPCB, dead_link);
    MEMBER(IKCPCB, incr);
    MEMBER(IKCPCB, snd_queue);
    MEMBER(IKCPCB, rcv_queue);
    MEMBER(IKCPCB, snd_buf);
    MEMBER(IKCPCB, rcv_buf);
    MEMBER(IKCPCB, acklist);
    MEMBER(IKCPCB, ackcount);
    MEMBER(IKCPCB, ackblock);
    MEMBER(IKCPCB, user);
    MEMBER(IKCPCB, buffer);
    MEMBER(IKCPCB, fastresend);
    MEMBER(IKCPCB, fastlimit);
    MEMBER(IKCPCB, nocwnd);
    MEMBER(IKCPCB, stream);
    MEMBER(IKCPCB, logmask);
    MEMBER(IKCPCB, output);
    MEMBER(IKCPCB, writelog);
    MEMBER(IKCPCB, ackedlen);
    MEMBER(IKCPCB, ccops);
    MEMBER(IKCPCB, congest);
    SIZE(IKCPOPS);
    MEMBER(IKCPOPS, name);
    MEMBER(IKCPOPS, init);
    MEMBER(IKCPOPS, release);
    MEMBER(IKCPOPS, on_ack);
    MEMBER(IKCPOPS, on_fast_retransmit);
    MEMBER(IKCPOPS, on_timeout);
    MEMBER(IKCPOPS, on_tick);
    MEMBER(IKCPOPS, on_app_limited);
    MEMBER(IKCPOPS, on_rtt);
    MEMBER(IKCPOPS, on_pkt_sent);
    MEMBER(IKCPOPS, on_pkt_acked);
    MEMBER(IKCPOPS, get_info);
    MEMBER(IKCPOPS, pacing_rate);
    return 0;
}
