// Echo client with kcp.hpp: sends messages to the server over a link that loses packets, and checks what comes back.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "kcp.hpp"

int main(int count, char **arguments)
{
    constexpr std::size_t messages = 100;
    sockaddr_in server{};
    server.sin_family = AF_INET;
    server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.sin_port = htons(static_cast<in_port_t>(count > 1 ? std::atoi(arguments[1]) : 0));
    const int udp = socket(AF_INET, SOCK_DGRAM, 0);

    kcp::connection peer(1, [udp, server](kcp::bytes packet) {
        sendto(udp, packet.data(), packet.size(), 0, reinterpret_cast<const sockaddr *>(&server), sizeof server);
    });
    peer.nodelay(1, 10, 2, 1);
    peer.wndsize(256, 256);
    peer.redundancy(20); // up to 20 % of the payload once more, once packets are lost

    const IUINT32 start = kcp::now();
    peer.stats(); // counts from here on
    std::vector<std::string> sent, received;
    for (std::size_t n = 0; n < messages; ++n) {
        sent.emplace_back(n * 31, static_cast<char>(n)); // up to 3 KB: more than a packet
        peer.send(sent.back());
    }
    peer.update_due(start);

    // Sleeps until something is due or arrives, at most so many ms, and does it.
    std::string message;
    std::vector<char> packet(65536);
    const auto drive = [&](int longest) {
        const IUINT32 now = kcp::now();
        if (now - start > 20000) {
            std::fprintf(stderr, "only %zu echoes came back\n", received.size());
            std::exit(1);
        }
        pollfd readable{udp, POLLIN, 0};
        poll(&readable, 1, std::min(longest, static_cast<int>(peer.next(now) - now)));
        const ssize_t size = recv(udp, packet.data(), packet.size(), MSG_DONTWAIT);
        peer->current = kcp::now(); // by which input() measures the round trip
        if (size > 0) peer.input({packet.data(), static_cast<std::size_t>(size)});
        peer.update_due(kcp::now());
        while (peer.receive(message)) received.push_back(message);
    };
    while (received.size() < messages) drive(1000);
    if (received != sent) {
        std::fprintf(stderr, "the echoes are not what was sent\n");
        return 1;
    }
    std::printf("%zu echoes, all equal, in %u ms\n", messages, static_cast<unsigned>(kcp::now() - start));

    // Positions, which are worth nothing when they come late.
    received.clear();
    peer.stub("-"); // what has expired on its way comes as this
    for (std::size_t n = 0; n < messages; ++n) {
        peer.send_until("position " + std::to_string(n), 5); // ms
        peer.update_due(kcp::now());
        for (const IUINT32 next = kcp::now() + 10; kcp::now() < next;) drive(10);
    }
    peer.send("end");
    peer.update_due(kcp::now());
    while (std::count(received.begin(), received.end(), "end") == 0) drive(1000);
    const auto in_time = std::count_if(received.begin(), received.end(),
                                       [](const std::string &one) { return one.rfind("position", 0) == 0; });
    std::printf("of %zu positions %d came in time\n", messages, static_cast<int>(in_time));
    close(udp);

    const IKCPX_STATS stats = peer.stats();
    std::printf("%u packets; of %u segments %u were sent again\n", static_cast<unsigned>(stats.packets_sent),
                static_cast<unsigned>(stats.segments_sent),
                static_cast<unsigned>(stats.resent_timeout + stats.resent_skipped));
}
