/* The program file: what it sends over a slow and lossy link is what is received, and little of it waits at any time. It is
 * expected beside this test. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "random.h"

#define SIZE 1500000

static char program[4096];

/* Starts the program with its output to be read. -1 in `process` if that fails. */
static FILE *start(pid_t *process, const char *const arguments[])
{
    int ends[2];
    *process = -1;
    if (pipe(ends) < 0) return NULL;
    *process = fork();
    if (*process == 0) {
        if (dup2(ends[1], STDOUT_FILENO) < 0) _exit(126);
        close(ends[0]);
        close(ends[1]);
        execv(program, (char *const *)arguments);
        _exit(127);
    }
    close(ends[1]);
    return fdopen(ends[0], "r");
}

static int status_of(pid_t process)
{
    int status = -1;
    if (process < 0 || waitpid(process, &status, 0) < 0 || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

static int is_same(const char *path, const unsigned char *bytes, size_t size)
{
    unsigned char *found = malloc(size + 1);
    FILE *file = fopen(path, "rb");
    int same = found != NULL && file != NULL && fread(found, 1, size + 1, file) == size && memcmp(found, bytes, size) == 0;
    if (file != NULL) fclose(file);
    free(found);
    return same;
}

static void transfer(const char *folder, const unsigned char *bytes, size_t size, const char *rate, const char *loss)
{
    char original[64], copy[64], port[16] = "", line[256] = "";
    const char *receive[] = {"file", "receive", "0", copy, NULL};
    const char *send[] = {"file", "send", "127.0.0.1", port, original, rate, loss, NULL};
    pid_t receiver, sender;
    unsigned long long sent = 0;
    double seconds;
    int most = -1, sender_status;
    snprintf(original, sizeof original, "%s/original", folder);
    snprintf(copy, sizeof copy, "%s/copy", folder);
    FILE *file = fopen(original, "wb");
    CHECK(file != NULL && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    FILE *from_receiver = start(&receiver, receive);
    CHECK(from_receiver != NULL && fgets(line, sizeof line, from_receiver) != NULL);
    CHECK_INT(sscanf(line, "receiving on UDP port %15[0-9]", port), 1);
    FILE *from_sender = start(&sender, send);
    CHECK(from_sender != NULL && fgets(line, sizeof line, from_sender) != NULL);
    printf("%s", line);
    CHECK_INT(sscanf(line, "received: %llu bytes in %lf s, at most %d packets", &sent, &seconds, &most), 3);
    CHECK(sent == size);
    CHECK(most > 0 && most < 2 * 256 + 6); /* twice the send window and a piece */
    sender_status = status_of(sender);
    CHECK_INT(sender_status, 0);
    if (sender_status != 0 && receiver > 0) kill(receiver, SIGTERM); /* it would wait for another */
    CHECK_INT(status_of(receiver), 0);
    CHECK(is_same(copy, bytes, size));
    if (from_receiver != NULL) fclose(from_receiver);
    if (from_sender != NULL) fclose(from_sender);
    unlink(original);
    unlink(copy);
}

int main(int count, char **arguments)
{
    static unsigned char bytes[SIZE];
    char folder[] = "/tmp/kcp-file-XXXXXX";
    const char *end = strrchr(arguments[0], '/');
    struct random random;
    random_seed(&random, random_argument(count, arguments));
    random_bytes(&random, bytes, sizeof bytes);
    snprintf(program, sizeof program, "%.*sfile", end != NULL ? (int)(end + 1 - arguments[0]) : 0, arguments[0]);
    CHECK(mkdtemp(folder) != NULL);
    transfer(folder, bytes, SIZE, "1500", "5");
    transfer(folder, bytes, SIZE, "0", "0");
    transfer(folder, bytes, 0, "100", "0");
    CHECK_INT(rmdir(folder), 0);
    return check_result();
}
