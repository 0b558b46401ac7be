/* The programs video and game, by what they print: they are expected beside this test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "check.h"
#include "random.h"

static char folder[4000];
static char output[16384]; /* of the program that ran last */

/* Its end status is 0. */
static void run(const char *command)
{
    char line[4096];
    size_t length = 0;
    snprintf(line, sizeof line, "'%s'%s", folder, command);
    /* The name of the program ends the quotation: 'folder/'video 32 */
    FILE *pipe = popen(line, "r");
    CHECK(pipe != NULL);
    if (pipe != NULL) {
        length = fread(output, 1, sizeof output - 1, pipe);
        CHECK_INT(pclose(pipe), 0);
    }
    output[length] = 0;
}

struct video {
    unsigned shown, made, broken, dropped, latency;
};

static struct video show(const char *command)
{
    struct video video = {0, 0, 1, 0, 0};
    run(command);
    const char *end = strstr(output, "\nshown ");
    CHECK(end != NULL);
    if (end != NULL) {
        CHECK_INT(sscanf(end, " shown %u of %u frames, %u of them broken; dropped %u; latency at most %u ms", &video.shown,
                         &video.made, &video.broken, &video.dropped, &video.latency), 5);
        printf("%s: %s", command, end + 1);
    }
    CHECK_INT(video.made, 600);
    CHECK_INT(video.broken, 0);
    return video;
}

/* What stands in a second's line of the table, in one of the columns behind it; 0 for a dash. */
static int entry(int second, int column)
{
    char start[16];
    snprintf(start, sizeof start, "\n%6d ", second);
    const char *at = strstr(output, start);
    CHECK(at != NULL);
    for (; at != NULL && column >= 0; --column) {
        at += strspn(at, "\n ");
        at += strcspn(at, " ");
    }
    return at != NULL ? atoi(at) : -1;
}

static void test_video(unsigned seed)
{
    enum { DROPPED = 3, LATENCY = 6 };
    struct video adapts = show("video"), drops, keeps;
    char command[64];
    int bad = 0, good = 0;
    snprintf(command, sizeof command, "video 0 fixed %u", seed);
    keeps = show(command);
    CHECK(keeps.dropped == 0 && keeps.latency > 5000);
    snprintf(command, sizeof command, "video 32 fixed %u", seed);
    drops = show(command);
    /* 1.4 to 3.1 s with 400 seeds: 32 packets, which take 0.8 s, and what of them is lost and sent again. */
    CHECK(drops.latency < 4000 && drops.shown > 240);
    for (int second = 0; second < 20; ++second) *(second >= 3 && second < 13 ? &bad : &good) += entry(second, DROPPED);
    CHECK(bad > 100 && good < 60);
    CHECK(entry(19, LATENCY) < 500);
    CHECK(adapts.shown > drops.shown + 100 && adapts.latency * 2 < keeps.latency);
}

/* When a player was disconnected, in seconds; 0: not at all. */
static double out(const char *name)
{
    char text[64];
    snprintf(text, sizeof text, " s: %s is disconnected", name);
    const char *at = strstr(output, text);
    if (at == NULL) return 0;
    while (at > output && at[-1] != '\n') --at;
    return atof(at);
}

/* Milliseconds that a tick took to arrive, at most. */
static int worst(const char *name)
{
    char text[64];
    const char *at;
    snprintf(text, sizeof text, "\n%s: a tick took at most ", name);
    at = strstr(output, text);
    CHECK(at != NULL);
    return at != NULL ? atoi(at + strlen(text)) : -1;
}

static void test_game(unsigned seed)
{
    enum { GOOD, AWAY, SLOW, GONE };
    char command[64];
    int stays = 0;
    for (unsigned i = 0; i < 3; ++i) {
        snprintf(command, sizeof command, "game 64 2000 %u", seed + i);
        run(command);
        CHECK(out("slow") > 3 && out("slow") < 12 && out("gone") > 5 && out("gone") < 12);
        CHECK(out("good") == 0 && worst("good") < 1000 && entry(19, GOOD) < 10);
        stays += out("away") == 0 && worst("away") > 2900 && entry(19, AWAY) < 10;
    }
    /* With 2 of 10,000 seeds, a packet that was sent again and again while the link was gone is lost once more after it, and waits
     * so long for its next turn that the player is disconnected later. */
    CHECK(stays >= 2);
    run("game 64 1000");
    CHECK(out("slow") > 0 && out("gone") > 0 && out("away") > 0 && out("good") == 0);
    snprintf(command, sizeof command, "game 100000 2000 %u", seed);
    run(command);
    CHECK(strstr(output, "disconnected") == NULL);
    CHECK(entry(19, SLOW) > 300 && entry(19, GONE) > 300); /* 10 seconds behind */
}

int main(int count, char **arguments)
{
    const char *end = strrchr(arguments[0], '/');
    unsigned seed = (unsigned)(random_argument(count, arguments) % 1000000);
    snprintf(folder, sizeof folder, "%.*s", end != NULL ? (int)(end + 1 - arguments[0]) : 0, arguments[0]);
    test_video(seed);
    test_game(seed);
    return check_result();
}
