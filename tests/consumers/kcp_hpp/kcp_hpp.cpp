// kcp.hpp as programs use it. Counts the allocations of C++, to test that nothing else is allocated.
#include "kcp.hpp"
#include "kcp.hpp"

#include <array>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>
#if __cplusplus >= 202002L
#include <span>
#endif

#include "check.h"

static int allocations;

// Not inlined: where gcc sees only half of the pair, it warns of free() for memory from new.
__attribute__((noinline)) void *operator new(std::size_t size)
{
    ++allocations;
    if (void *memory = std::malloc(size)) return memory;
    std::abort();
}
__attribute__((noinline)) void operator delete(void *memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void *memory, std::size_t) noexcept { std::free(memory); }

namespace {

using packets = std::vector<std::string>;

static_assert(std::is_nothrow_move_constructible_v<kcp::connection>);
static_assert(std::is_nothrow_move_assignable_v<kcp::connection>);
static_assert(!std::is_copy_constructible_v<kcp::connection>);
static_assert(!std::is_copy_assignable_v<kcp::connection>);
static_assert(!std::is_convertible_v<char (&)[8], kcp::bytes>, "text or buffer: the program has to say");
static_assert(!std::is_convertible_v<std::vector<int>, kcp::bytes>);
static_assert(!std::is_convertible_v<const std::string &, kcp::buffer>);
static_assert(!std::is_constructible_v<kcp::connection, IUINT32, int>);

// An output that keeps packets.
auto into(packets &kept)
{
    return [&kept](kcp::bytes packet) { kept.emplace_back(packet.data(), packet.size()); };
}

void tune(kcp::connection &peer)
{
    CHECK_INT(peer.nodelay(1, 10, 2, 1), 0);
    CHECK_INT(peer.wndsize(128, 128), 0);
    peer.update(0);
}

void deliver(packets &from, kcp::connection &to)
{
    for (const std::string &packet : from) CHECK_INT(to.input(packet), 0);
    from.clear();
}

void every_kind_of_bytes_arrives()
{
    packets wire, back;
    kcp::connection a(7, into(wire)), b(7, into(back));
    tune(a), tune(b);

    const std::vector<unsigned char> vector{'v', 'e', 'c'};
    const std::array<std::byte, 2> array{std::byte{'a'}, std::byte{'r'}};
    const unsigned char plain[] = {'p', 'l', 0};
    char room[8] = {'r', 'o', 'o', 'm'};
    CHECK_INT(a.send("literal"), 7);
    CHECK_INT(a.send(std::string("string")), 6);
    CHECK_INT(a.send(std::string_view("view")), 4);
    CHECK_INT(a.send(vector), 3);
    CHECK_INT(a.send(array), 2);
    CHECK_INT(a.send(plain), 3);
    CHECK_INT(a.send({room, 4}), 4);
    CHECK_INT(a.send({}), 0);
    std::vector<std::string> expected{"literal", "string", "view", "vec", "ar", std::string("pl\0", 3), "room", ""};
#if __cplusplus >= 202002L
    CHECK_INT(a.send(std::span<const std::byte>(array)), 2);
    expected.push_back("ar");
#endif
    a.flush();
    deliver(wire, b);
    for (const std::string &text : expected) {
        std::string found = "left over";
        CHECK(b.receive(found));
        CHECK(found == text);
    }
    std::string found = "untouched";
    CHECK(!b.receive(found));
    CHECK(found == "untouched");
    CHECK_INT(b.peeksize(), -1);

    // Into a buffer of the program, and into a vector. waitsnd is const.
    CHECK_INT(b.send("reply"), 5);
    CHECK_INT(b.send("again"), 5);
    b.flush();
    deliver(back, a);
    CHECK_INT(std::as_const(a).peeksize(), 5);
    std::array<char, 4> small{};
    CHECK_INT(a.recv(small), -3);
    CHECK_INT(a.recv(room), 5);
    CHECK(std::string_view(room, 5) == "reply");
    std::vector<std::byte> bytes;
    CHECK(a.receive(bytes));
    CHECK(std::string_view(kcp::bytes(bytes)) == "again");
    CHECK(std::as_const(a).waitsnd() == 0);
    CHECK(std::as_const(a).check(5) >= 5);
}

void function_of_c(kcp::bytes) {}

struct counter {
    int count = 0;
    void operator()(std::string_view) { ++count; }
};

void every_callable_is_a_callback()
{
    counter shared;
    auto only_moves = [owned = std::make_unique<int>(0)](kcp::bytes) { ++*owned; };
    int sum = 0;
    auto returns = [&sum](const kcp::bytes &packet) { return sum += static_cast<int>(packet.size()); };
    kcp::connection peers[] = {{1, function_of_c}, {1, &function_of_c}, {1, std::ref(shared)},
                               {1, std::move(only_moves)}, {1, returns}, {1, counter{}}};
    for (kcp::connection &peer : peers) {
        tune(peer);
        CHECK_INT(peer.send("x"), 1);
        peer.flush();
    }
    CHECK_INT(shared.count, 1);
    CHECK_INT(sum, 25);
    peers[0].setoutput(std::ref(shared));
    peers[0].send("y");
    peers[0].flush();
    CHECK_INT(shared.count, 2);
}

void moves_keep_the_connection()
{
    packets wire;
    std::unordered_map<IUINT32, kcp::connection> table;
    for (IUINT32 conv = 0; conv < 100; ++conv) { // moves when a vector grows, stays in a map
        std::vector<kcp::connection> grows;
        grows.emplace_back(conv, into(wire));
        tune(grows[0]);
        grows.emplace_back(conv + 1000, into(wire));
        grows.reserve(grows.capacity() + 1);
        table.emplace(conv, std::move(grows[0]));
        CHECK(!grows[0]);
        CHECK_INT(grows[0].send("nobody"), -1);
    }
    for (auto &[conv, peer] : table) {
        CHECK(peer->user == &peer && peer.get() == peer.operator->());
        CHECK_INT(peer.send("moved"), 5);
        peer.flush();
        CHECK_INT(kcp::getconv(wire.back()), conv);
    }
    CHECK_INT(wire.size(), 100);

    kcp::connection &first = table.at(0);
    first = std::move(table.at(1)); // releases the previous connection
    first->conv = 77;
    CHECK_INT(first.send("x"), 1);
    first.flush();
    CHECK_INT(kcp::getconv(wire.back()), 77);
    kcp::connection &same = first;
    first = std::move(same);
    CHECK(static_cast<bool>(first));

    std::array<char, 100> large{};
    large[99] = 'z';
    char seen = 0;
    kcp::connection a(5, [large, &seen](kcp::bytes) { seen = large[99]; });
    kcp::connection b(std::move(a));
    tune(b);
    b.send("x");
    b.flush();
    CHECK(seen == 'z');
}

void nothing_is_a_connection_too()
{
    kcp::connection none;
    CHECK(!none && none.get() == nullptr);
    CHECK_INT(none.send("x"), -1);
    CHECK_INT(none.input("x"), -1);
    CHECK_INT(none.recv({}), -1);
    CHECK_INT(none.waitsnd(), -1);
    CHECK_INT(none.setmtu(1000), -1);
    CHECK_INT(none.setcc(nullptr), -1);
    CHECK_INT(none.check(9), 9);
    CHECK_INT(kcp::getconv({}), 0);
    none.update(1);
    none.flush();
    none.setlog(-1, [](std::string_view) {});
    std::string message;
    CHECK(!none.receive(message));
    kcp::connection moved = std::move(none);
    CHECK(!moved);
}

void only_large_callables_are_allocated()
{
    int sum = 0;
    std::array<char, 100> large{};
    const int before = allocations;
    {
        kcp::connection a(1, [&sum](kcp::bytes packet) { sum += static_cast<int>(packet.size()); });
        tune(a);
        a.setlog(-1, [&sum](std::string_view line) { sum += static_cast<int>(line.size()); });
        for (int i = 0; i < 100; ++i) a.send("message");
        a.flush();
        kcp::connection b = std::move(a);
        b.update(100);
        CHECK_INT(allocations, before);
        b.setoutput([large, &sum](kcp::bytes) { sum += large[0]; });
        CHECK_INT(allocations, before + 1);
        kcp::connection c = std::move(b);
        CHECK_INT(allocations, before + 1);
    }
    CHECK(sum > 700);
}

void the_log_is_a_callback()
{
    std::vector<std::string> lines;
    kcp::connection peer(3, [](kcp::bytes) {});
    peer.setlog(IKCP_LOG_OUTPUT, [&](std::string_view line) { lines.emplace_back(line); });
    tune(peer);
    peer.send("x");
    peer.flush();
    CHECK(!lines.empty());
    ikcp_log(peer.get(), IKCP_LOG_INPUT, "%s", "masked");
    ikcp_log(peer.get(), IKCP_LOG_OUTPUT, "%d lines", 2);
    CHECK(lines.back() == "2 lines");
}

void callbacks_use_their_connection()
{
    kcp::connection *self = nullptr;
    int packets_seen = 0;
    kcp::connection peer(4, [&](kcp::bytes) {
        if (++packets_seen == 1) CHECK_INT(self->send("from inside"), 11);
    });
    self = &peer;
    tune(peer);
    peer.send("x");
    peer.flush();
    peer.flush();
    CHECK_INT(packets_seen, 2);
}

#if KCP_HPP_EXCEPTIONS
void exceptions_pass_around_c()
{
    packets wire, back;
    bool fails = true;
    kcp::connection a(9, [&](kcp::bytes packet) {
        if (fails) throw std::runtime_error("no route");
        wire.emplace_back(packet.data(), packet.size());
    });
    kcp::connection b(9, into(back));
    tune(a), tune(b);
    for (int i = 0; i < 5; ++i) a.send(std::string(1376, 'm'));
    std::string caught;
    try {
        a.flush();
    } catch (const std::runtime_error &error) {
        caught = error.what();
    }
    CHECK(caught == "no route");
    CHECK(wire.empty());
    CHECK_INT(a.waitsnd(), 5);

    // The dropped packets are sent again.
    fails = false;
    int received = 0;
    std::string message;
    for (IUINT32 time = 10; time < 2000 && received < 5; time += 10) {
        a.update(time), b.update(time);
        deliver(wire, b);
        deliver(back, a);
        while (b.receive(message)) ++received;
    }
    CHECK_INT(received, 5);

    // Thrown in the log, passed on by input.
    b.setlog(IKCP_LOG_INPUT, [](std::string_view) { throw 42; });
    int number = 0;
    a.send("last");
    a.update(3000);
    CHECK(!wire.empty());
    for (const std::string &packet : wire) {
        try {
            b.input(packet);
        } catch (int thrown) {
            number += thrown;
        }
    }
    CHECK_INT(number, 42 * wire.size());
    b->logmask = 0;
    CHECK(b.receive(message) && message == "last"); // the packet was accepted nevertheless
}
#endif

void controls_are_turned_on()
{
    kcp::connection peer(1, [](kcp::bytes) {});
    CHECK(peer.ccinfo().phase_name == nullptr);
    CHECK_INT(peer.bbr(), 0);
    CHECK(peer.ccinfo().phase_name != nullptr && peer->ccops == ikcpx_bbr());
    CHECK_INT(peer.cubic(), 0);
    CHECK(peer->ccops == ikcpx_cubic());
    CHECK_INT(peer.setcc(nullptr), 0);
    CHECK_INT(peer.rack(true), 0);
    CHECK(peer.ccinfo().phase_name == nullptr);
    CHECK_INT(kcp::connection().bbr(), -1);
}

// It would be read as text at the address 0.
static_assert(!std::is_convertible_v<std::nullptr_t, kcp::bytes>);

void extras_are_asked_for()
{
    int sent = 0, dead = 0;
    kcp::connection peer(1, [&](kcp::bytes) { sent++; });
    peer.nodelay(1, 10, 2, 1);
    CHECK_INT(peer.stats().packets_sent, 0);
    CHECK_INT(peer.large_messages(true), 0);
    CHECK_INT(peer.backoff_limit(200), 0);
    CHECK_INT(peer.dead_link(1000, [&dead, keep = std::make_unique<int>(1)] { dead += *keep; }), 0);
    // A time that is refused leaves the callback of before.
    CHECK_INT(peer.dead_link(-1, [&dead] { dead = -1; }), -1);
    peer.update_due(0);
    CHECK_INT(peer.next(0), 0x7fffffff);
    peer.send("m");
    CHECK_INT(peer.next(1), 1);
    peer.update_due(1);
    CHECK_INT(sent, 1);
    CHECK_INT(peer.next(1), 201);
    peer.path_changed();
    CHECK_INT(sent, 2);
    CHECK_INT(peer.stats().packets_sent, 2);
    CHECK_INT(peer.stats().resent_path, 1);
    kcp::connection moved(std::move(peer));
    while (dead == 0 && moved->current < 5000) moved.update_due(moved.next(moved->current));
    CHECK_INT(moved->current, 1001);
    CHECK_INT(dead, 1);
    CHECK_INT(moved.dead_link(), 0);
    CHECK_INT(moved->dead_link, 20);
    CHECK_INT(kcp::connection().backoff_limit(1), -1);
    CHECK_INT(kcp::connection().send_until("m", 1), -1);
    CHECK_INT(moved.redundancy(20), 0);
    CHECK_INT(moved.stub("-"), 0);
    CHECK_INT(moved.stub(std::string(65, '-')), -1);
    moved.wndsize(2, 0);
    CHECK(moved.send_until("in flight", 20) >= 0 && moved.send_until("in the queue", 20) >= 0);
    const IUINT32 sent_at = moved->current;
    moved.update_due(sent_at);
    moved.update_due(sent_at + 30);
    CHECK_INT(moved.stats().messages_shortened, 1);
    CHECK_INT(moved.stats().messages_dropped, 1);
    CHECK_INT(moved.empty_stub(), 0);
    CHECK_INT(moved.stub(kcp::bytes()), 0);
#if KCP_HPP_EXCEPTIONS
    CHECK_INT(moved.dead_link(10, [] { throw 7; }), 0);
    int thrown = 0;
    for (IUINT32 now = moved->current; thrown == 0 && now < 9000; now += 10) {
        try {
            moved.update_due(now);
        } catch (int what) {
            thrown = what;
        }
    }
    CHECK_INT(thrown, 7);
#endif
}

} // namespace

int main()
{
    every_kind_of_bytes_arrives();
    every_callable_is_a_callback();
    moves_keep_the_connection();
    nothing_is_a_connection_too();
    only_large_callables_are_allocated();
    the_log_is_a_callback();
    callbacks_use_their_connection();
    controls_are_turned_on();
    extras_are_asked_for();
#if KCP_HPP_EXCEPTIONS
    exceptions_pass_around_c();
#endif
    return check_result();
}
