#include "stats.h"

#define COUNTER(name) fprintf(file, ",\"" #name "\":%llu", (unsigned long long)stats.name)

int stats_line(FILE *file, ikcpcb *kcp, int64_t milliseconds) {
    struct IKCPX_STATS stats;
    if (ikcpx_stats(kcp, &stats, sizeof stats) < 0) {
        return -1;
    }
    fprintf(file, "{\"kcp_stats\":1,\"ms\":%lld,\"conv\":%lu", (long long)milliseconds, (unsigned long)kcp->conv);
    fprintf(file, ",\"nodelay\":%ld,\"interval\":%lu,\"resend\":%d,\"nocwnd\":%d", (long)kcp->nodelay, (unsigned long)kcp->interval,
            kcp->fastresend, kcp->nocwnd);
    fprintf(file, ",\"minrto\":%ld,\"rto\":%ld,\"mtu\":%lu", (long)kcp->rx_minrto, (long)kcp->rx_rto, (unsigned long)kcp->mtu);
    fprintf(file, ",\"snd_wnd\":%lu,\"rcv_wnd\":%lu,\"rmt_wnd\":%lu,\"cwnd\":%lu", (unsigned long)kcp->snd_wnd,
            (unsigned long)kcp->rcv_wnd, (unsigned long)kcp->rmt_wnd, (unsigned long)kcp->cwnd);
    fprintf(file, ",\"in_flight\":%lu,\"waiting\":%lu", (unsigned long)kcp->nsnd_buf, (unsigned long)kcp->nsnd_que);
    COUNTER(time);
    COUNTER(packets_sent);
    COUNTER(bytes_sent);
    COUNTER(packets_received);
    COUNTER(bytes_received);
    COUNTER(packets_refused);
    COUNTER(segments_sent);
    COUNTER(bytes_delivered);
    COUNTER(resent_timeout);
    COUNTER(resent_skipped);
    COUNTER(resent_path);
    COUNTER(resent_needless);
    COUNTER(segments_received);
    COUNTER(duplicates_received);
    COUNTER(acks_sent);
    COUNTER(acks_received);
    COUNTER(probes_sent);
    COUNTER(probes_received);
    COUNTER(windows_sent);
    COUNTER(windows_received);
    COUNTER(queue_time);
    COUNTER(limited_by_peer);
    COUNTER(limited_by_window);
    COUNTER(limited_by_control);
    COUNTER(queue_time_max);
    COUNTER(rtt_min);
    COUNTER(rtt_smoothed);
    COUNTER(delivery_rate);
    COUNTER(messages_dropped);
    COUNTER(messages_shortened);
    COUNTER(copies_sent);
    return fprintf(file, "}\n") < 0 || fflush(file) != 0 ? -1 : 0;
}
