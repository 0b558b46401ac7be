/* The search for the largest packet, on paths that are made up here: with the test's own clock. */
#include "pmtu.h"

#include <string.h>

#include "check.h"
#include "random.h"

#define EVERY 15000
#define JUMBO 8972

/* A path, and how it treats probes. */
static struct {
    struct pmtu pmtu;
    size_t takes;  /* larger packets are lost */
    uint32_t round_trip;
    double loss;   /* percent, there and back together */
    int is_silent; /* nothing at all gets through */
    uint32_t now;
    /* Answers on their way. */
    struct {
        uint16_t round;
        size_t size;
        uint32_t due;
    } answers[16];
    size_t count;
    struct random dice;
} net;

static void begin(size_t most, size_t takes, uint64_t seed)
{
    memset(&net, 0, sizeof net);
    random_seed(&net.dice, seed);
    net.takes = takes;
    net.round_trip = 40;
    net.now = 0xffffe000; /* the clock wraps soon */
    pmtu_init(&net.pmtu, most, EVERY);
    pmtu_start(&net.pmtu, 0, net.now);
}

static void arrive(void)
{
    size_t kept = 0;
    for (size_t i = 0; i < net.count; ++i) {
        if ((int32_t)(net.now - net.answers[i].due) >= 0) {
            if (net.is_silent) continue;
            pmtu_hear(&net.pmtu);
            pmtu_answer(&net.pmtu, net.answers[i].round, net.answers[i].size, net.now);
        } else {
            net.answers[kept++] = net.answers[i];
        }
    }
    net.count = kept;
}

static void send_probe(void)
{
    size_t size = pmtu_update(&net.pmtu, net.now);
    if (size == 0) return;
    CHECK(size <= net.pmtu.top && net.pmtu.size <= size);
    if (size > net.takes || net.is_silent || random_chance(&net.dice, net.loss) || net.count == 16) return;
    net.answers[net.count].round = net.pmtu.round;
    net.answers[net.count].size = size;
    net.answers[net.count++].due = net.now + net.round_trip;
}

/* So many milliseconds, in which the owner does what pmtu_check says. */
static void run(uint32_t time, int is_used)
{
    uint32_t end = net.now + time;
    while ((int32_t)(end - net.now) > 0) {
        if (is_used) pmtu_use(&net.pmtu, net.pmtu.size);
        if (!net.is_silent) pmtu_hear(&net.pmtu); /* small packets come all the time */
        arrive();
        send_probe();
        uint32_t wait = pmtu_check(&net.pmtu, net.now);
        net.now += wait < 10 ? 1 : 10;
    }
}

static int is_found(void)
{
    size_t most = net.takes < net.pmtu.top ? net.takes : net.pmtu.top;
    return net.pmtu.done && net.pmtu.size <= most && most - net.pmtu.size <= PMTU_GRAIN;
}

/* What is usual is found at once. */
static void usual(void)
{
    begin(1472, 1472, 1);
    CHECK_INT(net.pmtu.size, PMTU_BASE);
    run(200, 0);
    CHECK_INT(net.pmtu.size, 1472);
    CHECK_INT(net.pmtu.probes, 2); /* the base, and that */
    begin(1472, 1452, 1);
    pmtu_start(&net.pmtu, 20, net.now); /* IPv6 */
    run(200, 0);
    CHECK_INT(net.pmtu.size, 1452);
    CHECK_INT(net.pmtu.probes, 2);
    begin(1472, 1452, 1);
    run(5000, 0);
    CHECK(is_found());
}

/* Every size, also below the base, and up to large ones. */
static void sizes(void)
{
    int failed = 0;
    for (size_t takes = PMTU_FLOOR; takes <= 1500; ++takes) {
        begin(1472, takes, takes);
        run(30000, 0);
        failed += !is_found();
        failed += (takes >= PMTU_BASE) != (net.pmtu.holes == 0);
    }
    for (size_t takes = 1200; takes <= 9100; takes += 61) {
        begin(JUMBO, takes, takes);
        run(30000, 0);
        failed += !is_found();
    }
    CHECK_INT(failed, 0);
}

/* A fifth of the probes or their answers is lost, and the round trip is long. */
static void bad_paths(uint64_t seed)
{
    int low = 0;
    for (int i = 0; i < 200; ++i) {
        size_t takes = PMTU_BASE + (size_t)i;
        begin(1472, takes, seed + (uint64_t)i);
        net.loss = 20;
        net.round_trip = 1 + (uint32_t)i * 5;
        run(60000, 0);
        CHECK(net.pmtu.size <= takes && net.pmtu.done);
        low += !is_found();
    }
    CHECK(low < 40); /* 1 of 125 sizes that get through is taken for one that does not, five of them in a search */
}

/* An answer may take longer than the unit waits, each time. */
static void answers_were_late(void)
{
    begin(1472, 1472, 1);
    net.round_trip = 1700;
    run(20000, 0);
    CHECK_INT(net.pmtu.size, 1472);
}

/* The path shrinks while there is traffic: found by itself, or at once when the owner suspects something. */
static void black_hole(int is_suspected)
{
    begin(1472, 1472, 1);
    run(1000, 1);
    net.takes = 1300;
    uint32_t began = net.now;
    while (net.pmtu.size > net.takes && net.now - began < 60000) {
        if (is_suspected) pmtu_suspect(&net.pmtu, net.now);
        run(10, 1);
    }
    CHECK(net.now - began < (is_suspected ? 1100u : EVERY + 1100u));
    CHECK_INT(net.pmtu.holes, 1);
    run(10000, 1);
    CHECK(is_found());
    /* Sizes that did not get through are tried again later, not before. */
    net.takes = 1472;
    run(PMTU_RAISE - 30000, 1);
    CHECK(net.pmtu.size <= 1300);
    run(60000, 1);
    CHECK_INT(net.pmtu.size, 1472);
    CHECK_INT(net.pmtu.holes, 1);
}

/* Down to a size below all, which no search helps: it is tried again, and grows when the path does. */
static void no_size_is_left(void)
{
    begin(1472, 1472, 1);
    run(1000, 1);
    net.takes = 300;
    run(60000, 1);
    CHECK_INT(net.pmtu.size, PMTU_FLOOR);
    net.takes = 1472;
    run(60000, 1);
    CHECK_INT(net.pmtu.size, 1472);
}

/* Lost packets do not pass for a smaller path: neither a silent path nor suspicions that are wrong. */
static void losses_pass_for_nothing(uint64_t seed)
{
    begin(1472, 1472, seed);
    run(1000, 1);
    net.is_silent = 1;
    pmtu_suspect(&net.pmtu, net.now);
    run(10000, 1);
    net.is_silent = 0;
    CHECK_INT(net.pmtu.size, 1472);
    net.loss = 10;
    for (int i = 0; i < 500; ++i) {
        pmtu_suspect(&net.pmtu, net.now);
        run(1000, 1);
    }
    CHECK_INT(net.pmtu.size, 1472);
    CHECK_INT(net.pmtu.holes, 0);
    CHECK(net.pmtu.probes < 400); /* and suspicions cost little */
}

/* A session that says nothing costs nothing, and one that talks little. */
static void costs(void)
{
    begin(1472, 1472, 1);
    run(1000, 0);
    unsigned long probes = net.pmtu.probes;
    run(3600000, 0);
    CHECK_INT(net.pmtu.probes, (long)probes);
    CHECK_INT(pmtu_check(&net.pmtu, net.now), PMTU_IDLE);
    pmtu_use(&net.pmtu, 100); /* small packets get through anyway */
    CHECK_INT(pmtu_check(&net.pmtu, net.now), PMTU_IDLE);
    run(3600000, 1);
    CHECK(net.pmtu.probes - probes <= 3600000 / EVERY + 10);
}

/* What a peer may say that lies, or is late by a search. */
static void answers_that_do_not_count(void)
{
    begin(1472, 1300, 1);
    pmtu_answer(&net.pmtu, net.pmtu.round, 1473, net.now);
    pmtu_answer(&net.pmtu, net.pmtu.round, 65535, net.now);
    pmtu_answer(&net.pmtu, net.pmtu.round, 100, net.now);
    CHECK_INT(net.pmtu.size, PMTU_BASE);
    CHECK_INT(net.pmtu.confirmed, 0);
    uint16_t before = net.pmtu.round;
    pmtu_start(&net.pmtu, 0, net.now); /* another path */
    pmtu_answer(&net.pmtu, before, 1472, net.now);
    CHECK_INT(net.pmtu.size, PMTU_BASE);
    pmtu_stop(&net.pmtu);
    pmtu_answer(&net.pmtu, net.pmtu.round, 1472, net.now);
    CHECK_INT(net.pmtu.size, PMTU_BASE);
    CHECK_INT(pmtu_update(&net.pmtu, net.now + 1000), 0);
    CHECK_INT(pmtu_check(&net.pmtu, net.now + 1000), PMTU_IDLE);
}

/* A size that is fixed is never probed. */
static void fixed(void)
{
    begin(1472, 1472, 1);
    pmtu_fix(&net.pmtu, 1400);
    pmtu_start(&net.pmtu, 0, net.now);
    pmtu_suspect(&net.pmtu, net.now);
    run(100000, 1);
    CHECK_INT(net.pmtu.size, 1400);
    CHECK_INT(net.pmtu.probes, 0);
    /* The largest size may be less than the usual first. */
    begin(900, 1472, 1);
    CHECK_INT(net.pmtu.size, 900);
    run(1000, 1);
    CHECK_INT(net.pmtu.size, 900);
    CHECK(net.pmtu.confirmed);
}

int main(int count, char **arguments)
{
    uint64_t seed = random_argument(count, arguments);
    usual();
    sizes();
    bad_paths(seed);
    answers_were_late();
    black_hole(0);
    black_hole(1);
    no_size_is_left();
    losses_pass_for_nothing(seed);
    costs();
    answers_that_do_not_count();
    fixed();
    return check_result();
}
