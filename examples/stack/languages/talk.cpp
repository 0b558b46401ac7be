/*
 * A client in C++, on client.h itself: logs in, says something on each channel, and prints what comes back.
 *
 *     talk HOST PORT SERVER_KEY NAME TOKEN
 *
 * It uses nothing of Linux; the Makefile says how it is built for Windows.
 */
#include <cstdio>
#include <cstring>
#include <string>

#include <sodium.h>

#include "client.h"
#include "clock.h"

namespace {

/* A session, and how many channels were heard on. */
struct talk {
    client link;
    int heard = 0;
    bool failed = false;

    void say()
    {
        for (int channel = 0; channel < CHANNELS; ++channel) {
            std::string text = "hello on channel " + std::to_string(channel);
            if (client_send(&link, channel, text.data(), text.size()) != 0) failed = true;
        }
    }
};

void on_open(void *user) { static_cast<talk *>(user)->say(); }

void on_message(void *user, int channel, const void *bytes, size_t size)
{
    std::printf("%d: %.*s\n", channel, static_cast<int>(size), static_cast<const char *>(bytes));
    if (size > 5) static_cast<talk *>(user)->heard |= 1 << channel;
}

void on_close(void *user, session_end end, int refusal)
{
    std::printf("%s (%d)\n", session_end_text(end), refusal);
    if (end != SESSION_CLOSED) static_cast<talk *>(user)->failed = true;
}

} // namespace

int main(int count, char **arguments)
{
    static client_config config;
    static talk talk;
    client_defaults(&config);
    if (count != 6 || sodium_init() < 0 || std::strlen(arguments[4]) > LOGIN_NAME || std::strlen(arguments[5]) > LOGIN_TOKEN ||
        sodium_hex2bin(config.server_key, KEYS_PUBLIC, arguments[3], std::strlen(arguments[3]), nullptr, nullptr, nullptr) != 0) {
        std::fprintf(stderr, "usage: %s HOST PORT SERVER_KEY NAME TOKEN\n", arguments[0]);
        return 2;
    }
    if (network_find(arguments[1], arguments[2], &config.address, &config.address_size) != 0) {
        std::fprintf(stderr, "%s: no such host\n", arguments[1]);
        return 1;
    }
    std::strcpy(config.request.name, arguments[4]);
    config.request.token_size = std::strlen(arguments[5]);
    std::memcpy(config.request.token, arguments[5], config.request.token_size);
    config.user = &talk;
    config.on_open = on_open;
    config.on_message = on_message;
    config.on_close = on_close;
    if (client_init(&talk.link, &config) < 0) return 1;
    uint32_t begun = clock_ms();
    while (talk.heard != 7 && !talk.failed && clock_ms() - begun < 10000) client_run(&talk.link, 100);
    client_stop(&talk.link);
    client_step(&talk.link);
    client_destroy(&talk.link);
    return talk.heard == 7 && !talk.failed ? 0 : 1;
}
