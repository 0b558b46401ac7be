/* D8: round-trip samples of 268,435,456 ms and more. On every machine the estimator computes what the original does if gcc compiles
 * it on LP64: products and the sum for rx_srtt wrap in 32 bits, the sum for rx_rttval has 64 bits. */
#include "deviation.h"

static struct wire wire;

struct step {
    long sample, srtt, rttval, rto;
};

static void samples(const struct step *steps, size_t count)
{
    ikcpcb *kcp = wire_endpoint(CONV, &wire, 0);
    size_t i;
    kcp->current = 0x7fffffff;
    for (i = 0; i < count; i++) {
        CHECK_INT(put_ack(kcp, 99, (IUINT32)(0x7fffffff - steps[i].sample), 0), 0);
        CHECK_INT(kcp->rx_srtt, steps[i].srtt);
        CHECK_INT(kcp->rx_rttval, steps[i].rttval);
        CHECK_INT(kcp->rx_rto, steps[i].rto);
    }
    ikcp_release(kcp);
}

#define SAMPLES(...)                                                                                                   \
    static const struct step steps[] = {__VA_ARGS__};                                                                 \
    samples(steps, sizeof steps / sizeof steps[0])

/* The first sample is srtt, and half of it rttval; four times rttval may wrap. */
static void first_sample(void)
{
    SAMPLES({0x10000000, 0x10000000, 0x8000000, 60000});
    {
        SAMPLES({0x7fffffff, 0x7fffffff, 0x3fffffff, 60000});
    }
}

/* 8 * 2^28 is 2^31: the sum for srtt wraps to -2^31, an eighth of that is negative, and srtt is 1 at least.
 * rttval is (3 * 2^27 + 0) / 4 = 100663296. */
static void the_srtt_sum_wraps(void)
{
    SAMPLES({0x10000000, 0x10000000, 134217728, 60000}, {0x10000000, 1, 100663296, 60000});
}

/* 3 * 0x3fffffff wraps to -1073741827 before the distance of 0 is added; a quarter of it is -268435456. Four times that wraps
 * to 2^30 * -1, which as an unsigned number is above the interval, and with srtt = 1 above the upper bound. */
static void the_rttval_product_wraps(void)
{
    SAMPLES({0x7fffffff, 0x7fffffff, 0x3fffffff, 60000}, {0x7fffffff, 1, -268435456, 60000});
}

/* The distance to the smoothed time is added in 64 bits: 3 * 0x2aaaaaaa is 0x7ffffffe, and 0x55555553 more is beyond 32
 * bits. (0x7ffffffe + 0x55555553) / 4 = 894784852. The sum for srtt, 7 * 0x55555554 + 1, wraps to 0x5555554d. */
static void the_rttval_sum_does_not_wrap(void)
{
    SAMPLES({0x55555554, 0x55555554, 0x2aaaaaaa, 60000}, {1, 0x5555554d / 8, 894784852, 60000});
}

/* Below the limit nothing wraps: the original's values on every machine. */
static void below_the_limit(void)
{
    SAMPLES({80, 80, 40, 240}, {120, 85, 40, 245}, {0, 74, 51, 278});
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"first_sample", first_sample},
        {"the_srtt_sum_wraps", the_srtt_sum_wraps},
        {"the_rttval_product_wraps", the_rttval_product_wraps},
        {"the_rttval_sum_does_not_wrap", the_rttval_sum_does_not_wrap},
        {"below_the_limit", below_the_limit},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
