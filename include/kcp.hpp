/*
 * kcp.hpp: the C interface of ikcp.h for C++17. One header; only the library is linked.
 *
 *     kcp::connection peer(conv, [&](kcp::bytes packet) { socket.send(packet.data(), packet.size()); });
 *     peer.nodelay(1, 10, 2, 1);
 *     peer.send("hello");
 *     peer.update(kcp::now());               // every 10 ms or so, or when peer.check() says
 *     peer.input(packet);                    // each packet that arrives
 *     std::string message;
 *     while (peer.receive(message)) { ... }
 *
 * - A connection owns one ikcpcb. It can be moved, not copied. Each function has the name, arguments and result of its
 *   function in ikcp.h, which documents them. operator-> reaches the fields, as in `peer->stream = 1`.
 * - A callback is anything that can be called: a lambda, even with captures that can only be moved, a function, a
 *   std::ref. The connection stores a callback of up to four pointers' size; a larger one is allocated. This header
 *   allocates nothing else.
 * - An exception from a callback does not pass through C. Once the library has returned, the function that the program
 *   called throws it again. Until then further packets of that call are dropped, as if the network had lost them. The
 *   connection keeps working. Builds without exceptions work too.
 * - Inside its own callbacks a connection may be used, but not moved, assigned to, destroyed or given another callback.
 *
 * For threads the rules of ikcp.h hold.
 */
#ifndef KCP_HPP
#define KCP_HPP

#include <array>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ikcp.h"
#if __has_include("ikcpx.h")
#include "ikcpx.h"
#endif

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define KCP_HPP_EXCEPTIONS 1
#else
#define KCP_HPP_EXCEPTIONS 0
#endif

namespace kcp {

namespace detail {

template <class T>
inline constexpr bool is_byte = std::is_same_v<T, char> || std::is_same_v<T, signed char> ||
                                std::is_same_v<T, unsigned char> || std::is_same_v<T, std::byte>;

template <class T> inline constexpr bool is_char_array = false;
template <std::size_t N> inline constexpr bool is_char_array<char[N]> = true;
template <std::size_t N> inline constexpr bool is_char_array<const char[N]> = true;

/* What std::data() points to. */
template <class Container> using element = std::remove_pointer_t<decltype(std::data(std::declval<Container &>()))>;

template <class Container, class = void> inline constexpr bool is_readable = false;
template <class Container>
inline constexpr bool is_readable<Container, std::void_t<element<Container>>> =
    is_byte<std::remove_cv_t<element<Container>>>;

template <class Container, class = void> inline constexpr bool is_writable = false;
template <class Container>
inline constexpr bool is_writable<Container, std::void_t<element<Container>>> = is_byte<element<Container>>;

} // namespace detail

/* A view of bytes to read: of strings, and of anything with std::data() and std::size() of bytes. */
class bytes {
public:
    constexpr bytes() noexcept = default;
    bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const char *>(data)), size_(size) {}
    constexpr bytes(const char *text) noexcept : bytes(std::string_view(text)) {}
    constexpr bytes(std::string_view text) noexcept : data_(text.data()), size_(text.size()) {}
    template <class Container,
              class = std::enable_if_t<detail::is_readable<const Container> && !detail::is_char_array<Container>>>
    bytes(const Container &container) noexcept
        : bytes(static_cast<const void *>(std::data(container)), std::size(container))
    {
    }
    bytes(std::nullptr_t) = delete;
    /* Text or a buffer? Say which: a string_view, or {array, size}. */
    template <std::size_t N> bytes(char (&)[N]) = delete;

    constexpr const char *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const char *begin() const noexcept { return data_; }
    constexpr const char *end() const noexcept { return data_ + size_; }
    constexpr operator std::string_view() const noexcept { return {data_, size_}; }

private:
    const char *data_ = nullptr;
    std::size_t size_ = 0;
};

/* A view of bytes to write to. */
class buffer {
public:
    constexpr buffer() noexcept = default;
    buffer(void *data, std::size_t size) noexcept : data_(static_cast<char *>(data)), size_(size) {}
    template <class Container, class = std::enable_if_t<detail::is_writable<Container>>>
    buffer(Container &container) noexcept : buffer(static_cast<void *>(std::data(container)), std::size(container))
    {
    }

    constexpr char *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }

private:
    char *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

/* A function that takes an Argument: a move-only std::function with a known size below which it allocates nothing. */
template <class Argument> class callback {
    static constexpr std::size_t room = 4 * sizeof(void *);

    struct actions {
        void (*call)(void *at, Argument argument);
        void (*move)(void *from, void *to) noexcept;
        void (*destroy)(void *at) noexcept;
    };

    template <class Function>
    static constexpr bool fits = sizeof(Function) <= room && alignof(Function) <= alignof(void *) &&
                                 std::is_nothrow_move_constructible_v<Function>;

    /* For a function inside the storage, and for one that the storage points to. */
    template <class Function> static constexpr actions inside = {
        [](void *at, Argument argument) { std::invoke(*static_cast<Function *>(at), argument); },
        [](void *from, void *to) noexcept {
            ::new (to) Function(std::move(*static_cast<Function *>(from)));
            static_cast<Function *>(from)->~Function();
        },
        [](void *at) noexcept { static_cast<Function *>(at)->~Function(); },
    };
    template <class Function> static constexpr actions outside = {
        [](void *at, Argument argument) { std::invoke(**static_cast<Function **>(at), argument); },
        [](void *from, void *to) noexcept { ::new (to) Function *(*static_cast<Function **>(from)); },
        [](void *at) noexcept { delete *static_cast<Function **>(at); },
    };

public:
    callback() noexcept = default;
    template <class Given, class Function = std::decay_t<Given>,
              class = std::enable_if_t<!std::is_same_v<Function, callback> &&
                                       std::is_invocable_v<Function &, Argument>>>
    callback(Given &&given)
    {
        if constexpr (fits<Function>) {
            ::new (at()) Function(std::forward<Given>(given));
            actions_ = &inside<Function>;
        } else {
            ::new (at()) Function *(new Function(std::forward<Given>(given)));
            actions_ = &outside<Function>;
        }
    }
    callback(callback &&other) noexcept : actions_(std::exchange(other.actions_, nullptr))
    {
        if (actions_ != nullptr) actions_->move(other.at(), at());
    }
    callback &operator=(callback &&other) noexcept
    {
        if (this != &other) {
            this->~callback();
            ::new (this) callback(std::move(other));
        }
        return *this;
    }
    ~callback()
    {
        if (actions_ != nullptr) actions_->destroy(at());
    }

    explicit operator bool() const noexcept { return actions_ != nullptr; }
    void operator()(Argument argument) { actions_->call(at(), argument); }

private:
    void *at() noexcept { return &storage_; }

    const actions *actions_ = nullptr;
    alignas(void *) std::array<unsigned char, room> storage_;
};

} // namespace detail

/* Milliseconds of a clock that is never set back, for update() and check(). */
inline IUINT32 now() noexcept
{
    const auto time = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<IUINT32>(std::chrono::duration_cast<std::chrono::milliseconds>(time).count());
}

class connection {
public:
    /* No connection: its functions return what those of ikcp.h return for NULL. */
    connection() noexcept = default;

    /* `output` is called with each packet to send. Throws std::bad_alloc; without exceptions there is no connection. */
    template <class Output, class = std::enable_if_t<std::is_invocable_v<std::decay_t<Output> &, bytes>>>
    connection(IUINT32 conv, Output &&output) : output_(std::forward<Output>(output)), kcp_(ikcp_create(conv, this))
    {
        if (kcp_ != nullptr) {
            ikcp_setoutput(kcp_, send_packet);
        } else {
#if KCP_HPP_EXCEPTIONS
            throw std::bad_alloc();
#endif
        }
    }

    connection(connection &&other) noexcept
        : output_(std::move(other.output_)), log_(std::move(other.log_)), dead_(std::move(other.dead_)),
          kcp_(std::exchange(other.kcp_, nullptr))
    {
        if (kcp_ != nullptr) kcp_->user = this;
    }
    connection &operator=(connection &&other) noexcept
    {
        if (this != &other) {
            ikcp_release(kcp_);
            output_ = std::move(other.output_);
            log_ = std::move(other.log_);
            dead_ = std::move(other.dead_);
            kcp_ = std::exchange(other.kcp_, nullptr);
            if (kcp_ != nullptr) kcp_->user = this;
        }
        return *this;
    }
    connection(const connection &) = delete;
    connection &operator=(const connection &) = delete;
    ~connection() { ikcp_release(kcp_); }

    /* The C object, for its fields and for functions of C. `user` and the callbacks belong to the connection. */
    ikcpcb *get() const noexcept { return kcp_; }
    ikcpcb *operator->() const noexcept { return kcp_; }
    explicit operator bool() const noexcept { return kcp_ != nullptr; }

    /* Replaces the function that sends packets. */
    template <class Output, class = std::enable_if_t<std::is_invocable_v<std::decay_t<Output> &, bytes>>>
    void setoutput(Output &&output)
    {
        output_ = detail::callback<bytes>(std::forward<Output>(output));
    }

    /* Passes log lines whose bit is in `mask` to `log`, as std::string_view. */
    template <class Log, class = std::enable_if_t<std::is_invocable_v<std::decay_t<Log> &, std::string_view>>>
    void setlog(int mask, Log &&log)
    {
        log_ = detail::callback<std::string_view>(std::forward<Log>(log));
        if (kcp_ != nullptr) {
            kcp_->writelog = write_log;
            kcp_->logmask = mask;
        }
    }

    /* A message that is too long for an int is too long for the protocol, and so for ikcp_send(). */
    int send(bytes message)
    {
        if (message.size() > INT_MAX) return kcp_ != nullptr ? -2 : -1;
        return finish(ikcp_send(kcp_, from(message), static_cast<int>(message.size())));
    }

    int input(bytes packet)
    {
        if (packet.size() > INT_MAX) return -1;
        return finish(ikcp_input(kcp_, packet.data(), static_cast<long>(packet.size())));
    }

    int recv(buffer room)
    {
        const std::size_t size = room.size() < INT_MAX ? room.size() : INT_MAX;
        return finish(ikcp_recv(kcp_, room.data(), static_cast<int>(size)));
    }

    /* Receives the next message, if there is one, into a string, a vector or the like, which takes the message's size. */
    template <class Container, class = std::enable_if_t<detail::is_writable<Container>>>
    bool receive(Container &message)
    {
        const int size = ikcp_peeksize(kcp_);
        if (size < 0) return false;
        message.resize(static_cast<std::size_t>(size));
        char none = 0; // an empty message must be received too, and NULL has another meaning
        buffer room = message.empty() ? buffer(&none, 0) : buffer(message);
        return recv(room) == size;
    }

    void update(IUINT32 current) { finish((ikcp_update(kcp_, current), 0)); }
    void flush() { finish((ikcp_flush(kcp_), 0)); }

    IUINT32 check(IUINT32 current) const noexcept { return ikcp_check(kcp_, current); }
    int peeksize() const noexcept { return ikcp_peeksize(kcp_); }
    int waitsnd() const noexcept { return ikcp_waitsnd(kcp_); }

    int setmtu(int mtu) noexcept { return ikcp_setmtu(kcp_, mtu); }
    int wndsize(int sndwnd, int rcvwnd) noexcept { return ikcp_wndsize(kcp_, sndwnd, rcvwnd); }
    int nodelay(int nodelay, int interval, int resend, int nc) noexcept
    {
        return ikcp_nodelay(kcp_, nodelay, interval, resend, nc);
    }

    /* The hooks are functions of C: no exception may leave them. */
    int setcc(const IKCPOPS *ops) { return finish(ikcp_setcc(kcp_, ops)); }

#ifdef IKCPX_H
    /* Functions of ikcpx.h: the two controls, time-based loss detection, redundancy, and the state of a control, which is
     * all 0 while neither is on. In a library without hooks the controls return -1, as setcc() does. */
    int bbr() { return setcc(ikcpx_bbr()); }
    int cubic() { return setcc(ikcpx_cubic()); }
    int redundancy(int percent) noexcept { return ikcpx_redundancy(kcp_, percent); }
    int rack(bool on) noexcept { return ikcpx_rack(kcp_, on ? 1 : 0); }

    /* The counters; the first call begins to count. All 0 without memory. */
    IKCPX_STATS stats() noexcept
    {
        IKCPX_STATS counted = {};
        ikcpx_stats(kcp_, &counted, sizeof counted);
        return counted;
    }
    /* When update_due(), which is ikcpx_update(), next has something to send. Before input() after a sleep:
     * `peer->current = kcp::now()`, since input() measures the round trip by it. */
    IUINT32 next(IUINT32 current) noexcept { return ikcpx_next(kcp_, current); }
    void update_due(IUINT32 current) { finish((ikcpx_update(kcp_, current), 0)); }

    /* A message that is dropped, or becomes the stub, when it is late: so many milliseconds after the time that the
     * connection was told last. */
    int send_until(bytes message, int milliseconds)
    {
        if (message.size() > INT_MAX) return kcp_ != nullptr ? -2 : -1;
        return finish(ikcpx_send_until(kcp_, from(message), static_cast<int>(message.size()), milliseconds));
    }
    /* At most 64 bytes. An empty view turns it off: for an empty message as the stub there is empty_stub(). */
    int stub(bytes stub) noexcept
    {
        return ikcpx_stub(kcp_, stub.data(), static_cast<int>(stub.size() < INT_MAX ? stub.size() : INT_MAX), 0);
    }
    int empty_stub() noexcept { return ikcpx_stub(kcp_, nullptr, 0, 1); }

    int large_messages(bool on) noexcept { return ikcpx_large_messages(kcp_, on ? 1 : 0); }
    void path_changed() { finish((ikcpx_path_changed(kcp_), 0)); }
    int backoff_limit(int milliseconds) noexcept { return ikcpx_backoff_limit(kcp_, milliseconds); }

    /* Calls `dead` when segments were in flight for that time and none was acknowledged. What is refused changes nothing. */
    template <class Dead, class = std::enable_if_t<std::is_invocable_v<std::decay_t<Dead> &>>>
    int dead_link(int milliseconds, Dead &&dead)
    {
        detail::callback<nothing> call(
            [dead = std::forward<Dead>(dead)](nothing) mutable { std::invoke(dead); });
        const int result = ikcpx_dead_link(kcp_, milliseconds, tell_dead);
        if (result == 0) dead_ = std::move(call);
        return result;
    }
    /* The link is dead after `dead_link` transmissions again, as in ikcp.h. */
    int dead_link() noexcept { return ikcpx_dead_link(kcp_, 0, nullptr); }

    IKCPX_CCINFO ccinfo() const noexcept
    {
        IKCPX_CCINFO info = {};
        const IKCPOPS *ops = kcp_ != nullptr ? kcp_->ccops : nullptr;
        if (ops != nullptr && (ops == ikcpx_bbr() || ops == ikcpx_cubic())) ops->get_info(kcp_, &info, sizeof info);
        return info;
    }
#endif

private:
    /* NULL means "bytes of 0" to ikcp_send(), which is not what an empty view means. */
    static const char *from(bytes view) noexcept { return view.data() != nullptr ? view.data() : ""; }

    static int send_packet(const char *data, int size, ikcpcb *, void *user) noexcept
    {
        auto *self = static_cast<connection *>(user);
        self->guard(self->output_, bytes(data, static_cast<std::size_t>(size)));
        return size;
    }

    static void write_log(const char *line, ikcpcb *, void *user) noexcept
    {
        auto *self = static_cast<connection *>(user);
        self->guard(self->log_, std::string_view(line));
    }

    struct nothing {};

    static void tell_dead(ikcpcb *, void *user) noexcept
    {
        auto *self = static_cast<connection *>(user);
        self->guard(self->dead_, nothing());
    }

    /* Calls back, unless an exception waits to be thrown. */
    template <class Argument> void guard(detail::callback<Argument> &call, Argument argument) noexcept
    {
#if KCP_HPP_EXCEPTIONS
        if (error_ != nullptr) return;
        try {
            call(argument);
        } catch (...) {
            error_ = std::current_exception();
        }
#else
        call(argument);
#endif
    }

    int finish(int result)
    {
#if KCP_HPP_EXCEPTIONS
        if (error_ != nullptr) std::rethrow_exception(std::exchange(error_, nullptr));
#endif
        return result;
    }

    detail::callback<bytes> output_;
    detail::callback<std::string_view> log_;
    detail::callback<nothing> dead_;
#if KCP_HPP_EXCEPTIONS
    std::exception_ptr error_;
#endif
    ikcpcb *kcp_ = nullptr;
};

/* The connection number of a packet; 0 when the packet is too short to have one. */
inline IUINT32 getconv(bytes packet) noexcept
{
    return packet.size() < 4 ? 0 : ikcp_getconv(packet.data());
}

} // namespace kcp

#endif
