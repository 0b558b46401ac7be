// The C interface from C++: lambdas as callbacks, owners that release connections, containers as buffers, list macros on const
// objects.
#include "ikcp.h"

#include <memory>
#include <string>
#include <vector>

#include "check.h"

namespace {

struct Release {
    void operator()(ikcpcb *kcp) const { ikcp_release(kcp); }
};

class Endpoint {
public:
    explicit Endpoint(IUINT32 conv) : kcp_(ikcp_create(conv, this))
    {
        ikcp_setoutput(kcp_.get(), [](const char *buf, int len, ikcpcb *, void *user) -> int {
            static_cast<Endpoint *>(user)->packets.emplace_back(buf, static_cast<std::size_t>(len));
            return len;
        });
        kcp_->writelog = [](const char *log, ikcpcb *, void *user) { static_cast<Endpoint *>(user)->log.push_back(log); };
        ikcp_nodelay(kcp_.get(), 1, 10, 2, 1);
        ikcp_update(kcp_.get(), 0);
    }

    ikcpcb *operator->() const { return kcp_.get(); }
    ikcpcb *get() const { return kcp_.get(); }

    void deliver(Endpoint &from) const
    {
        for (const std::string &packet : from.packets) {
            CHECK_INT(ikcp_input(get(), packet.data(), static_cast<long>(packet.size())), 0);
        }
        from.packets.clear();
    }

    std::string receive() const
    {
        const int size = ikcp_peeksize(get());
        std::string message(size < 0 ? 0 : static_cast<std::size_t>(size), '\0');
        CHECK_INT(ikcp_recv(get(), &message[0], size), size);
        return message;
    }

    std::vector<std::string> packets;
    std::vector<std::string> log;

private:
    std::unique_ptr<ikcpcb, Release> kcp_;
};

void messages_arrive()
{
    Endpoint a(0xdeadbeef), b(0xdeadbeef);
    const std::string text(4000, 'k');
    CHECK_INT(ikcp_send(a.get(), text.data(), static_cast<int>(text.size())), text.size());
    CHECK_INT(ikcp_send(a.get(), "", 0), 0);
    a->logmask = b->logmask = IKCP_LOG_OUTPUT | IKCP_LOG_IN_DATA;
    ikcp_flush(a.get());
    CHECK_INT(a.packets.size(), 3);
    CHECK_INT(a.log.size(), 3);
    b.deliver(a);
    CHECK_INT(b.log.size(), 4);
    CHECK(b.log.front() == "input psh: sn=0 ts=0");
    CHECK(b.receive() == text);
    CHECK(b.receive().empty());
    CHECK_INT(ikcp_peeksize(b.get()), -1);
    ikcp_log(a.get(), IKCP_LOG_OUTPUT, "%s/%d", text.substr(0, 3).c_str(), 42);
    CHECK(a.log.back() == "kkk/42");

    const ikcpcb *watched = a.get();
    int inflight = 0;
    const IKCPSEG *segment;
    IQUEUE_FOREACH(segment, &watched->snd_buf, const IKCPSEG, node) { inflight += static_cast<int>(segment->len); }
    CHECK_INT(inflight, 4000);
    ikcp_flush(b.get());
    a.deliver(b);
    CHECK_INT(ikcp_waitsnd(watched), 0);
    CHECK(ikcp_check(watched, 3) <= 10);
}

void congestion_control_is_a_table_of_lambdas()
{
    static int acked;
    static const IKCPOPS ops = {
        "fixed",
        [](ikcpcb *kcp) -> int { kcp->cwnd = 2; return 0; },
        nullptr,
        [](ikcpcb *, IUINT32 segments, IUINT32, IUINT32) { acked += static_cast<int>(segments); },
        nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
    };
    Endpoint a(1), b(1);
    CHECK_INT(ikcp_setcc(a.get(), &ops), 0);
    for (int i = 0; i < 5; i++) {
        ikcp_send(a.get(), "x", 1);
    }
    ikcp_flush(a.get());
    CHECK_INT(a->nsnd_buf, 2);
    b.deliver(a);
    ikcp_flush(b.get());
    a.deliver(b);
    CHECK_INT(acked, 2);
}

} // namespace

int main()
{
    messages_arrive();
    congestion_control_is_a_table_of_lambdas();
    return check_result();
}
