/* The tables of docs/tuning.md. Part of tuning.c. */

/* RTT of 60 ms and 5 % lost in each direction. */
static const Link LOSSY = {30, 50, 0, 0, 0};

static const char ECHO_HEAD[] = "mean ms | median ms | p99 ms | max ms | wire / payload |\n";
static const char ECHO_RULE[] = "---|---|---|---|---|\n";

static void echo_row(const char *name, Echoes echoes)
{
    printf("| %s | %ld | %ld | %ld | %ld | %ld.%02ld |\n", name, echoes.mean, echoes.median, echoes.p99, echoes.max,
           echoes.overhead / 100, echoes.overhead % 100);
}

static void echo_head(const char *first) { printf("| %s | %s|---|%s", first, ECHO_HEAD, ECHO_RULE); }

/* 10,000 messages of 200 bytes, 50 ms apart. */
static Echoes game(Settings settings, Link link) { return echo(settings, link, 10000, 200, 50); }

static void table_modes(void)
{
    Settings settings = TURBO;
    echo_head("settings");
    settings.nodelay = 0, settings.interval = 100, settings.resend = 0, settings.nc = 0;
    echo_row("as created: 0, 100, 0, 0", game(settings, LOSSY));
    settings.interval = 10;
    echo_row("0, 10, 0, 0", game(settings, LOSSY));
    settings.nc = 1;
    echo_row("0, 10, 0, 1", game(settings, LOSSY));
    echo_row("1, 10, 2, 1", game(TURBO, LOSSY));
    settings = TURBO;
    settings.flush = 1;
    echo_row("1, 10, 2, 1 and flush", game(settings, LOSSY));
    settings.nodelay = 2, settings.resend = 1, settings.minrto = 10;
    echo_row("2, 10, 1, 1, `rx_minrto` 10 and flush", game(settings, LOSSY));
}

static void table_interval(void)
{
    static const int intervals[] = {10, 20, 40, 100};
    size_t i;
    echo_head("interval, flush");
    for (i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        int flush;
        for (flush = 0; flush <= 1; flush++) {
            char name[40];
            Settings settings = TURBO;
            settings.interval = intervals[i];
            settings.flush = flush;
            snprintf(name, sizeof name, "%d ms%s", intervals[i], flush ? ", flush" : "");
            echo_row(name, game(settings, LOSSY));
        }
    }
}

static void table_nodelay(void)
{
    int nodelay;
    echo_head("nodelay");
    for (nodelay = 0; nodelay <= 2; nodelay++) {
        char name[8];
        Settings settings = TURBO;
        settings.nodelay = nodelay, settings.resend = 0;
        snprintf(name, sizeof name, "%d", nodelay);
        echo_row(name, game(settings, LOSSY));
    }
}

/* A message every 10 ms, since later packets are what tells of a loss; then with 10 % of the packets overtaken by three or four. */
static void table_resend(void)
{
    int resend, late;
    echo_head("resend");
    for (late = 0; late <= 1; late++) {
        for (resend = 0; resend <= 3; resend++) {
            char name[40];
            Settings settings = TURBO;
            Link link = LOSSY;
            settings.resend = resend;
            if (late) link.loss = 0, link.reorder = 100, link.held = 35;
            snprintf(name, sizeof name, "%d%s", resend, late ? ", nothing lost, 10 % late" : "");
            echo_row(name, echo(settings, link, 20000, 200, 10));
        }
    }
}

/* A near server: RTT of 10 ms, 2 % lost in each direction. */
static void table_minrto(void)
{
    static const int minrtos[] = {200, 100, 30, 20, 10};
    Link link = {5, 20, 0, 0, 0};
    size_t i;
    echo_head("`rx_minrto`");
    for (i = 0; i < sizeof minrtos / sizeof *minrtos; i++) {
        char name[16];
        Settings settings = TURBO;
        settings.minrto = minrtos[i];
        settings.flush = 1;
        snprintf(name, sizeof name, "%d ms", minrtos[i]);
        echo_row(name, game(settings, link));
    }
}

static void table_windows(void)
{
    static const int windows[] = {32, 128, 512, 2048};
    size_t i;
    printf("| window | KB/s, nothing lost | KB/s, 1 %% lost | KB/s, 5 %% lost | sent again, 5 %% lost | window * mss / RTT |\n"
           "|---|---|---|---|---|---|\n");
    for (i = 0; i < sizeof windows / sizeof *windows; i++) {
        Link link = {25, 0, 0, 0, 0};
        Settings settings = TURBO;
        long none, one;
        Bulk five;
        settings.window = windows[i];
        settings.flush = 1;
        none = bulk(settings, link).rate;
        link.loss = 10;
        one = bulk(settings, link).rate;
        link.loss = 50;
        five = bulk(settings, link);
        printf("| %d | %ld | %ld | %ld | %ld.%ld %% | %ld |\n", windows[i], none, one, five.rate, five.extra / 10,
               five.extra % 10, (long)windows[i] * 1376 / 50);
    }
}

static void table_nc(void)
{
    static const int losses[] = {0, 1, 10, 50};
    size_t i;
    printf("| lost each way | KB/s with nc 0 | KB/s with nc 1 |\n|---|---|---|\n");
    for (i = 0; i < sizeof losses / sizeof *losses; i++) {
        Link link = {25, 0, 0, 0, 0};
        Settings with = TURBO, without = TURBO;
        link.loss = losses[i];
        with.nc = 0;
        printf("| %d.%d %% | %ld | %ld |\n", losses[i] / 10, losses[i] % 10, bulk(with, link).rate,
               bulk(without, link).rate);
    }
}

/* A link of 10 Mbit/s with a queue of 64 KiB, and a window that fills it. */
static void table_mtu(void)
{
    static const int mtus[] = {256, 576, 1200, 1400, 1472};
    size_t i;
    printf("| mtu | KB/s over 10 Mbit/s | of the bits | KB/s with a window of 32, no limit |\n|---|---|---|---|\n");
    for (i = 0; i < sizeof mtus / sizeof *mtus; i++) {
        Link limited = {25, 0, 0, 0, 1250}, free_link = {25, 0, 0, 0, 0};
        Settings settings = TURBO;
        long rate;
        settings.mtu = mtus[i];
        settings.flush = 1;
        settings.window = 64 * 1000 / (mtus[i] + UDP_IP_HEADERS) + 1; /* more would be dropped */
        rate = bulk(settings, limited).rate;
        settings.window = 32;
        printf("| %d | %ld | %ld %% | %ld |\n", mtus[i], rate, rate * 100 / 1250, bulk(settings, free_link).rate);
    }
}

/* 1,000 bytes each ms into a link of 4 Mbit/s. */
static void table_waitsnd(void)
{
    static const int limits[] = {0, 512, 256, 128, 32};
    Link link = {25, 0, 0, 0, 500};
    size_t i;
    printf("| stop at | most waiting | messages / s | median ms | p99 ms | max ms |\n|---|---|---|---|---|---|\n");
    for (i = 0; i < sizeof limits / sizeof *limits; i++) {
        Echoes result = produce(limits[i], link);
        if (limits[i] == 0) {
            printf("| never |");
        } else {
            printf("| %d |", limits[i]);
        }
        printf(" %ld | %ld | %ld | %ld | %ld |\n", result.queued, result.delivered, result.median, result.p99, result.max);
    }
}

/* One message a second. */
static void table_check(void)
{
    static const int intervals[] = {10, 40, 100};
    size_t i;
    printf("| interval | driven by | updates / s | mean ms | p99 ms |\n|---|---|---|---|---|\n");
    for (i = 0; i < sizeof intervals / sizeof *intervals; i++) {
        int check;
        for (check = 0; check <= 1; check++) {
            Settings settings = TURBO;
            Echoes result;
            settings.interval = intervals[i], settings.check = check, settings.flush = 1;
            result = echo(settings, LOSSY, 1000, 200, 1000);
            printf("| %d ms | %s | %ld | %ld | %ld |\n", intervals[i], check ? "`ikcp_check`" : "a clock of 1 ms",
                   result.updates, result.mean, result.p99);
        }
    }
}

/* Until a connection whose packets all get lost calls its link dead, in ms. */
static double until_dead(int nodelay, int rto, int dead_link)
{
    IUINT32 clock = 0;
    double time;
    ikcpcb *kcp = ikcp_create(1, NULL);
    if (kcp == NULL) abort();
    ikcp_nodelay(kcp, nodelay, 5000, 2, 1);
    kcp->rx_rto = rto;
    kcp->dead_link = (IUINT32)dead_link;
    ikcp_update(kcp, clock);
    ikcp_send(kcp, "m", 1);
    for (ikcp_flush(kcp); kcp->state == 0; ikcp_flush(kcp)) {
        IUINT32 next = ikcp_check(kcp, clock);
        clock = next > clock ? next : clock + 1;
        ikcp_update(kcp, clock);
    }
    time = (double)clock;
    ikcp_release(kcp);
    return time;
}

static void table_deadlink(void)
{
    static const int counts[] = {5, 8, 10, 15, 20};
    static const int timeouts[] = {200, 70};
    size_t i, j;
    int nodelay;
    printf("| `dead_link` | timeout | nodelay 0 | nodelay 1 | nodelay 2 |\n|---|---|---|---|---|\n");
    for (i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (j = 0; j < sizeof timeouts / sizeof *timeouts; j++) {
            printf("| %d | %d ms |", counts[i], timeouts[j]);
            for (nodelay = 0; nodelay <= 2; nodelay++) {
                double seconds = until_dead(nodelay, timeouts[j], counts[i]) / 1000;
                if (seconds < 100) {
                    printf(" %.1f s |", seconds);
                } else if (seconds < 3600) {
                    printf(" %.0f s |", seconds);
                } else {
                    printf(" %.0f h |", seconds / 3600);
                }
            }
            printf("\n");
        }
    }
}

static void outage_arrived(Pair *pair, int side, const char *message, int size)
{
    (void)side, (void)message, (void)size;
    pair->got++;
}

/* How long after an outage of so many ms a message comes that was sent at its beginning. */
static long after_outage(IUINT32 outage, int limit, int told)
{
    Link link = {30, 1000, 0, 0, 0};
    Pair pair;
    open_pair(&pair, TURBO, link, outage_arrived);
    ikcpx_backoff_limit(pair.kcp[CLIENT], limit);
    for (; pair.got == 0; now++) {
        if (now == 20) send_message(&pair, CLIENT, "m", 1);
        if (now == 20 + outage) {
            pair.pipe[CLIENT].link.loss = pair.pipe[SERVER].link.loss = 0;
            if (told) ikcpx_path_changed(pair.kcp[CLIENT]);
        }
        turn(&pair);
    }
    close_pair(&pair);
    return (long)(now - 1 - 20 - outage);
}

static void table_outage(void)
{
    static const int seconds[] = {2, 10, 60};
    size_t i;
    printf("| outage | by its timeout | with `ikcpx_backoff_limit(kcp, 500)` | with `ikcpx_path_changed` |\n|---|---|---|---|\n");
    for (i = 0; i < sizeof seconds / sizeof *seconds; i++) {
        IUINT32 outage = 1000u * (IUINT32)seconds[i];
        printf("| %d s | %ld ms | %ld ms | %ld ms |\n", seconds[i], after_outage(outage, 0, 0),
               after_outage(outage, 500, 0), after_outage(outage, 0, 1));
    }
}

static const struct {
    const char *name;
    void (*print)(void);
} TABLES[] = {
    {"modes", table_modes},     {"windows", table_windows}, {"interval", table_interval}, {"nodelay", table_nodelay},
    {"resend", table_resend},   {"minrto", table_minrto},   {"nc", table_nc},             {"mtu", table_mtu},
    {"waitsnd", table_waitsnd}, {"check", table_check},   {"deadlink", table_deadlink}, {"outage", table_outage},
};

int main(int argc, char **argv)
{
    size_t i;
    if (argc > 2) seed = (IUINT32)strtoul(argv[2], NULL, 10);
    for (i = 0; argc > 1 && i < sizeof TABLES / sizeof *TABLES; i++) {
        if (strcmp(argv[1], TABLES[i].name) == 0) {
            TABLES[i].print();
            return 0;
        }
    }
    fprintf(stderr, "usage: tuning TABLE [SEED]\nTABLE is one of:");
    for (i = 0; i < sizeof TABLES / sizeof *TABLES; i++) fprintf(stderr, " %s", TABLES[i].name);
    fprintf(stderr, "\n");
    return 2;
}
