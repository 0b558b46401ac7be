/* D3: ikcp_log with a line over 1023 bytes. The line is cut there. */
#include "deviation.h"

static char line[2000];
static int lines;

static void keep(const char *log, ikcpcb *kcp, void *user)
{
    (void)kcp, (void)user;
    ++lines;
    memcpy(line, log, strlen(log) + 1);
}

/* Logs `len` bytes; the line must have the first `expected` of them. */
static void logged(size_t len, size_t expected)
{
    static char text[70001];
    ikcpcb *kcp = ikcp_create(CONV, NULL);
    size_t i;
    for (i = 0; i < len; i++) {
        text[i] = (char)('a' + i % 26);
    }
    text[len] = '\0';
    kcp->writelog = keep;
    kcp->logmask = IKCP_LOG_INPUT;
    lines = 0;
    ikcp_log(kcp, IKCP_LOG_INPUT, "%s", text);
    CHECK_INT(lines, 1);
    CHECK_INT(strlen(line), (long)expected);
    CHECK(memcmp(line, text, expected) == 0);
    ikcp_log(kcp, IKCP_LOG_OUTPUT, "%s", text);
    CHECK_INT(lines, 1);
    ikcp_release(kcp);
}

static void below(void)
{
    logged(0, 0);
    logged(1022, 1022);
    logged(1023, 1023);
}

static void one_too_many(void)
{
    logged(1024, 1023);
}

static void many_too_many(void)
{
    logged(5000, 1023);
    logged(70000, 1023);
}

static void with_numbers(void)
{
    ikcpcb *kcp = ikcp_create(CONV, NULL);
    char expected[1200];
    kcp->writelog = keep;
    kcp->logmask = -1;
    ikcp_log(kcp, 1, "%1020d %s %d", -7, "cut here", 12345);
    sprintf(expected, "%1020d", -7);
    CHECK_INT(strlen(line), 1023);
    CHECK(memcmp(line, expected, 1020) == 0);
    CHECK(strcmp(line + 1020, " cu") == 0);
    ikcp_release(kcp);
}

int main(int argc, char **argv)
{
    static const struct part parts[] = {
        {"below", below},
        {"one_too_many", one_too_many},
        {"many_too_many", many_too_many},
        {"with_numbers", with_numbers},
    };
    return run_parts(argc, argv, parts, sizeof parts / sizeof parts[0]);
}
