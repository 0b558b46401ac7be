/* Hosts and names in their slots, and cookies: who gets which, and for how long. */
#include "tally.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "check.h"
#include "cookie.h"
#include "random.h"

static struct sockaddr_storage make_address(const char *text)
{
    struct sockaddr_storage address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)&address;
    struct sockaddr_in *four = (struct sockaddr_in *)&address;
    memset(&address, 0, sizeof address);
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = 17;
    } else {
        CHECK_INT(inet_pton(AF_INET6, text, &six->sin6_addr), 1);
        six->sin6_family = AF_INET6;
    }
    return address;
}

static uint32_t slot(const struct tally *tally, const char *text)
{
    struct sockaddr_storage address = make_address(text);
    return tally_host(tally, &address);
}

static void hosts(void)
{
    struct tally tally, other;
    CHECK_INT(tally_init(&tally, 10000), 0);
    CHECK_INT(tally_init(&other, 10000), 0);
    CHECK(tally.mask >= 32767);
    CHECK(slot(&tally, "192.0.2.1") != slot(&tally, "192.0.2.2"));
    CHECK_INT(slot(&tally, "::ffff:192.0.2.1"), slot(&tally, "192.0.2.1")); /* as a socket of IPv6 sees it */
    CHECK_INT(slot(&tally, "2001:db8::1"), slot(&tally, "2001:db8::ffff:1:2:3")); /* one network has one */
    CHECK(slot(&tally, "2001:db8::1") != slot(&tally, "2001:db8:0:1::1"));
    CHECK(slot(&tally, "192.0.2.1") != slot(&other, "192.0.2.1") || slot(&tally, "192.0.2.2") != slot(&other, "192.0.2.2"));
    tally_destroy(&tally);
    tally_destroy(&other);
}

/* Names are spread: of as many as there are sessions few share a slot, and never more than some. */
static void spread(void)
{
    struct tally tally;
    uint32_t most = 0;
    CHECK_INT(tally_init(&tally, 10000), 0);
    for (uint32_t i = 0; i < 10000; ++i) {
        uint32_t *count = &tally.counts[tally_slot(&tally, &i, sizeof i)];
        *count += 1;
        if (*count > most) most = *count;
    }
    CHECK(most >= 2 && most <= 9);
    tally_destroy(&tally);
}

static void cookies(struct random *dice)
{
    struct sockaddr_storage address = make_address("192.0.2.1"), other = make_address("192.0.2.2"),
                            six = make_address("2001:db8::1");
    unsigned char cookie[COOKIE_SIZE], guess[COOKIE_SIZE];
    struct cookie_jar jar, another;
    uint32_t made = 0xfffff000, age; /* the clock wraps soon */
    CHECK_INT(cookie_init(&jar), 0);
    CHECK_INT(cookie_init(&another), 0);
    cookie_make(&jar, &address, made, cookie);
    CHECK(cookie_is_good(&jar, &address, made, cookie));
    CHECK(cookie_is_good(&jar, &address, made + 8000, cookie));
    CHECK(!cookie_is_good(&jar, &other, made, cookie));
    CHECK(!cookie_is_good(&jar, &six, made, cookie));
    CHECK(!cookie_is_good(&another, &address, made, cookie));
    for (age = 16384; age < 200000; age += 1000) CHECK(!cookie_is_good(&jar, &address, made + age, cookie));
    for (int i = 0; i < 64; ++i) {
        memcpy(guess, cookie, sizeof guess);
        guess[i / 8] ^= (unsigned char)(1 << i % 8);
        CHECK(!cookie_is_good(&jar, &address, made, guess));
    }
    for (int i = 0; i < 1000; ++i) {
        random_bytes(dice, guess, sizeof guess);
        CHECK(!cookie_is_good(&jar, &address, made, guess));
    }
    ((struct sockaddr_in *)&address)->sin_port = 99; /* the port is another at the second time */
    CHECK(cookie_is_good(&jar, &address, made, cookie));
    cookie_make(&jar, &six, made, cookie);
    CHECK(cookie_is_good(&jar, &six, made, cookie));
}

int main(int count, char **arguments)
{
    struct random dice;
    random_seed(&dice, random_argument(count, arguments));
    hosts();
    spread();
    cookies(&dice);
    return check_result();
}
