// The same in C++, through kcp.hpp.
#include <cstdio>
#include <string>

#include "kcp.hpp"

int main()
{
    std::string wire, found;
    kcp::connection a(1, [&wire](kcp::bytes packet) { wire.assign(packet.data(), packet.size()); });
    kcp::connection b(1, [](kcp::bytes) {});
    a.nodelay(1, 10, 2, 1);
    a.update(0);
    a.send("over the wire");
    a.flush();
    b.input(wire);
    if (!b.receive(found) || found != "over the wire") return 1;
    std::puts("C++");
    return 0;
}
