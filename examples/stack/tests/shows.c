/* The programs video and game, by what they print: they are expected beside this test. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "check.h"

static char folder[4000];

/* What a program prints; its end status is 0. */
static void run(const char *command, char *output, size_t size)
{
    char line[4096];
    size_t length = 0;
    FILE *pipe;
    snprintf(line, sizeof line, "'%s'%s", folder, command);
    /* The name of the program ends the quotation: 'folder/'video 32 */
    pipe = popen(line, "r");
    CHECK(pipe != NULL);
    if (pipe != NULL) {
        length = fread(output, 1, size - 1, pipe);
        CHECK_INT(pclose(pipe), 0);
    }
    output[length] = 0;
}

struct video {
    unsigned shown, made, broken, dropped, latency;
};

static struct video show(const char *command)
{
    static char output[16384];
    struct video video = {0, 0, 1, 0, 0};
    const char *end;
    run(command, output, sizeof output);
    end = strstr(output, "\nshown ");
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

static void test_video(void)
{
    struct video adapts = show("video"), drops = show("video 32 fixed"), keeps = show("video 0");
    CHECK_INT(keeps.dropped, 0);
    CHECK(drops.dropped > 100 && drops.latency * 2 < keeps.latency);
    CHECK(adapts.shown > drops.shown + 100 && adapts.latency * 2 < keeps.latency);
}

static int is_out(const char *output, const char *name)
{
    char text[64];
    snprintf(text, sizeof text, " s: %s is disconnected", name);
    return strstr(output, text) != NULL;
}

static void test_game(void)
{
    static char output[16384];
    run("game", output, sizeof output);
    CHECK(is_out(output, "slow") && is_out(output, "gone"));
    CHECK(!is_out(output, "good") && !is_out(output, "away"));
    run("game 64 1000", output, sizeof output);
    CHECK(is_out(output, "slow") && is_out(output, "gone") && is_out(output, "away"));
    CHECK(!is_out(output, "good"));
    run("game 100000", output, sizeof output);
    CHECK(strstr(output, "disconnected") == NULL && strstr(output, "good: a tick") != NULL);
}

int main(int count, char **arguments)
{
    const char *end = strrchr(arguments[0], '/');
    (void)count;
    snprintf(folder, sizeof folder, "%.*s", end != NULL ? (int)(end + 1 - arguments[0]) : 0, arguments[0]);
    test_video();
    test_game();
    return check_result();
}
