/*
 * The library for Lua 5.1 to 5.4 and LuaJIT: the protocol alone. ikcp.lua makes connections over UDP of it.
 *
 * A callback runs as a protected call; what it raises is raised again when the call of the library has returned.
 */
#include <stdlib.h>
#include <string.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#include <lauxlib.h>
#include <lua.h>

#include "fields.h"
#include "ikcpx.h"

#define TYPE "ikcp.Kcp"

/* Functions that an object calls are in a table of its own. */
#if LUA_VERSION_NUM >= 502
#define get_own(L, index) lua_getuservalue(L, index)
#define set_own(L, index) lua_setuservalue(L, index)
#else
#define get_own(L, index) lua_getfenv(L, index)
#define set_own(L, index) lua_setfenv(L, index)
#endif

struct end {
    ikcpcb *kcp;
    lua_State *L; /* whose frame of the running call has the object at index 1 */
};

/* ---- arguments ---- */

static double within(lua_State *L, int index, double least, double most)
{
    double number = luaL_checknumber(L, index);
    luaL_argcheck(L, number >= least && number <= most, index, "out of range");
    return number;
}

/* Times wrap around, so those before 0 and beyond 32 bits are fine. */
static IUINT32 number(lua_State *L, int index)
{
    return (IUINT32)(long long)within(L, index, -9007199254740992.0, 9007199254740992.0);
}

static int integer(lua_State *L, int index)
{
    return (int)within(L, index, -2147483648.0, 2147483647.0);
}

/* All results are whole numbers: Lua 5.3 and later have a type for them. */
static void push(lua_State *L, double number)
{
#if LUA_VERSION_NUM >= 503
    lua_pushinteger(L, (lua_Integer)number);
#else
    lua_pushnumber(L, number);
#endif
}

static IUINT32 now(void)
{
#ifdef _WIN32
    return (IUINT32)GetTickCount64();
#else
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (IUINT32)((unsigned long long)time.tv_sec * 1000 + (unsigned long long)time.tv_nsec / 1000000);
#endif
}

/* The time that was given, or now. */
static IUINT32 current(lua_State *L)
{
    return lua_isnoneornil(L, 2) ? now() : number(L, 2);
}

static struct end *begin(lua_State *L)
{
    struct end *end = luaL_checkudata(L, 1, TYPE);
    if (end->kcp == NULL) luaL_error(L, "the connection is closed");
    return end;
}

/* ---- callbacks ---- */

/* Makes `call(L)` for the object, and raises what a callback raised. */
#define RUN(end, call)                                                                                                      \
    do {                                                                                                                    \
        lua_State *outer = (end)->L;                                                                                        \
        (end)->L = L;                                                                                                       \
        call;                                                                                                               \
        (end)->L = outer;                                                                                                   \
        raise(L);                                                                                                           \
    } while (0)

static void raise(lua_State *L)
{
    get_own(L, 1);
    lua_getfield(L, -1, "failed");
    if (lua_toboolean(L, -1)) {
        lua_pushboolean(L, 0);
        lua_setfield(L, -3, "failed");
        lua_getfield(L, -2, "error");
        lua_error(L);
    }
    lua_pop(L, 2);
}

/* Calls the function of this name with what `count` pushes. */
static void call(struct end *end, const char *name, const char *data, size_t size, int count)
{
    lua_State *L = end->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 6)) return;
    get_own(L, 1);
    lua_getfield(L, -1, "failed");
    if (!lua_toboolean(L, -1)) {
        lua_getfield(L, top + 1, name);
        if (count > 0) lua_pushlstring(L, data, size);
        if (lua_pcall(L, count, 0, 0) != 0) {
            lua_setfield(L, top + 1, "error");
            lua_pushboolean(L, 1);
            lua_setfield(L, top + 1, "failed");
        }
    }
    lua_settop(L, top);
}

static int output(const char *packet, int size, ikcpcb *kcp, void *user)
{
    (void)kcp;
    call(user, "output", packet, (size_t)size, 1);
    return size;
}

static void writelog(const char *line, ikcpcb *kcp, void *user)
{
    (void)kcp;
    call(user, "log", line, strlen(line), 1);
}

static void dead(ikcpcb *kcp, void *user)
{
    (void)kcp;
    call(user, "dead", NULL, 0, 0);
}

/* Keeps the function at `index` under a name. */
static void keep(lua_State *L, int index, const char *name)
{
    luaL_checktype(L, index, LUA_TFUNCTION);
    get_own(L, 1);
    lua_pushvalue(L, index);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* ---- life ---- */

static int new(lua_State *L)
{
    IUINT32 conv = (IUINT32)within(L, 1, 0, 4294967295.0);
    struct end *end;
    luaL_checktype(L, 2, LUA_TFUNCTION);
    end = lua_newuserdata(L, sizeof *end);
    end->kcp = NULL;
    end->L = NULL;
    luaL_getmetatable(L, TYPE);
    lua_setmetatable(L, -2);
    lua_newtable(L);
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "output");
    set_own(L, -2);
    end->kcp = ikcp_create(conv, end);
    if (end->kcp == NULL) return luaL_error(L, "no memory");
    ikcp_setoutput(end->kcp, output);
    return 1;
}

static int kcp_close(lua_State *L)
{
    struct end *end = luaL_checkudata(L, 1, TYPE);
    ikcpcb *kcp = end->kcp;
    end->kcp = NULL;
    ikcp_release(kcp);
    return 0;
}

static int closed(lua_State *L)
{
    lua_pushboolean(L, ((struct end *)luaL_checkudata(L, 1, TYPE))->kcp == NULL);
    return 1;
}

/* ---- messages and packets ---- */

static int sent(lua_State *L, int taken)
{
    if (taken >= 0) return 0;
    if (taken == -1) return luaL_error(L, "the time is negative");
    if (taken == -3) return luaL_error(L, "the message is larger than any window that the peer has announced");
    if (taken == -4) return luaL_error(L, "a stream has no messages that expire");
    return luaL_error(L, "the message is too long, or there is no memory");
}

static int kcp_send(lua_State *L)
{
    struct end *end = begin(L);
    size_t size;
    const char *message = luaL_checklstring(L, 2, &size);
    int taken = -2;
    if (size <= 0x7fffffff) RUN(end, taken = ikcp_send(end->kcp, message, (int)size));
    return sent(L, taken);
}

static int send_until(lua_State *L)
{
    struct end *end = begin(L);
    size_t size;
    const char *message = luaL_checklstring(L, 2, &size);
    int milliseconds = integer(L, 3), taken = -2;
    if (size <= 0x7fffffff) RUN(end, taken = ikcpx_send_until(end->kcp, message, (int)size, milliseconds));
    return sent(L, taken);
}

static int kcp_recv(lua_State *L)
{
    struct end *end = begin(L);
    char little[4096], *message = little;
    int size = ikcp_peeksize(end->kcp);
    if (size < 0) return 0;
    if ((size_t)size > sizeof little) message = lua_newuserdata(L, (size_t)size);
    RUN(end, size = ikcp_recv(end->kcp, message, size));
    lua_pushlstring(L, message, (size_t)size);
    return 1;
}

static int kcp_input(lua_State *L)
{
    struct end *end = begin(L);
    size_t size;
    const char *packet = luaL_checklstring(L, 2, &size);
    int code = -1;
    if (size <= 0x7fffffff) RUN(end, code = ikcp_input(end->kcp, packet, (long)size));
    if (code < 0) return luaL_error(L, "the packet does not belong to this connection");
    return 0;
}

static int getconv(lua_State *L)
{
    size_t size;
    const char *packet = luaL_checklstring(L, 1, &size);
    if (size < 4) return luaL_error(L, "the packet is too short");
    push(L, ikcp_getconv(packet));
    return 1;
}

static int kcp_now(lua_State *L)
{
    push(L, now());
    return 1;
}

/* ---- everything else ---- */

static int set_log(lua_State *L)
{
    struct end *end = begin(L);
    int mask = (int)number(L, 2);
    keep(L, 3, "log");
    end->kcp->writelog = writelog;
    end->kcp->logmask = mask;
    return 0;
}

static int check_code(lua_State *L, int code)
{
    return code == 0 ? 0 : luaL_error(L, "a value is out of range, or there is no memory");
}

/* A stub; nil: none. */
static int stub(lua_State *L)
{
    struct end *end = begin(L);
    size_t size = 0;
    const char *message = luaL_optlstring(L, 2, NULL, &size);
    int code = -1;
    if (size <= 0x7fffffff) RUN(end, code = ikcpx_stub(end->kcp, message, (int)size, message != NULL));
    return check_code(L, code);
}

static int dead_link(lua_State *L)
{
    struct end *end = begin(L);
    check_code(L, ikcpx_dead_link(end->kcp, integer(L, 2), dead));
    keep(L, 3, "dead");
    return 0;
}

/* A call without a result, one with a number, and a setting of `count` numbers, which are in `v`. Arguments are looked at before the
 * call begins, since a wrong one raises an error. */
#define CALL(name, expression)                                                                                              \
    static int name(lua_State *L)                                                                                           \
    {                                                                                                                       \
        struct end *end = begin(L);                                                                                         \
        IUINT32 time = current(L);                                                                                          \
        (void)time;                                                                                                         \
        RUN(end, (expression));                                                                                             \
        return 0;                                                                                                           \
    }
#define NUMBER(name, expression)                                                                                            \
    static int name(lua_State *L)                                                                                           \
    {                                                                                                                       \
        struct end *end = begin(L);                                                                                         \
        push(L, (expression));                                                                                    \
        return 1;                                                                                                           \
    }
#define SETTING(name, count, expression)                                                                                    \
    static int name(lua_State *L)                                                                                           \
    {                                                                                                                       \
        struct end *end = begin(L);                                                                                         \
        int v[4] = {0}, code;                                                                                               \
        for (code = 0; code < (count); ++code) v[code] = setting(L, code + 2);                                              \
        RUN(end, code = (expression));                                                                                      \
        return check_code(L, code);                                                                                         \
    }

static int setting(lua_State *L, int index)
{
    return lua_isboolean(L, index) ? lua_toboolean(L, index) : integer(L, index);
}

CALL(update, ikcp_update(end->kcp, time))
CALL(flush, ikcp_flush(end->kcp))
CALL(update_due, ikcpx_update(end->kcp, time))
CALL(path_changed, ikcpx_path_changed(end->kcp))
NUMBER(check, ikcp_check(end->kcp, current(L)))
NUMBER(next, ikcpx_next(end->kcp, current(L)))
NUMBER(peeksize, ikcp_peeksize(end->kcp))
NUMBER(waitsnd, ikcp_waitsnd(end->kcp))
SETTING(setmtu, 1, ikcp_setmtu(end->kcp, v[0]))
SETTING(wndsize, 2, ikcp_wndsize(end->kcp, v[0], v[1]))
SETTING(nodelay, 4, ikcp_nodelay(end->kcp, v[0], v[1], v[2], v[3]))
SETTING(bbr, 0, ikcp_setcc(end->kcp, ikcpx_bbr()))
SETTING(cubic, 0, ikcp_setcc(end->kcp, ikcpx_cubic()))
SETTING(builtin, 0, ikcp_setcc(end->kcp, NULL))
SETTING(rack, 1, ikcpx_rack(end->kcp, v[0]))
SETTING(redundancy, 1, ikcpx_redundancy(end->kcp, v[0]))
SETTING(large_messages, 1, ikcpx_large_messages(end->kcp, v[0]))
SETTING(backoff_limit, 1, ikcpx_backoff_limit(end->kcp, v[0]))

/* ---- structs ---- */

#define LONG_OF(name) {#name, offsetof(struct IKCPX_STATS, name), LONG}
#define SHORT_OF(name) {#name, offsetof(struct IKCPX_STATS, name), UNSIGNED}
#define INFO_OF(name) {#name, offsetof(struct IKCPX_CCINFO, name), UNSIGNED}

static const struct member stats_members[] = {
    LONG_OF(time), LONG_OF(packets_sent), LONG_OF(bytes_sent), LONG_OF(packets_received), LONG_OF(bytes_received),
    LONG_OF(packets_refused), LONG_OF(segments_sent), LONG_OF(bytes_delivered), LONG_OF(resent_timeout), LONG_OF(resent_skipped),
    LONG_OF(resent_path), LONG_OF(resent_needless), LONG_OF(segments_received), LONG_OF(duplicates_received), LONG_OF(acks_sent),
    LONG_OF(acks_received), LONG_OF(probes_sent), LONG_OF(probes_received), LONG_OF(windows_sent), LONG_OF(windows_received),
    LONG_OF(queue_time), LONG_OF(limited_by_peer), LONG_OF(limited_by_window), LONG_OF(limited_by_control),
    SHORT_OF(queue_time_max), SHORT_OF(rtt_min), SHORT_OF(rtt_smoothed), SHORT_OF(delivery_rate), LONG_OF(messages_dropped),
    LONG_OF(messages_shortened), LONG_OF(copies_sent),
};

static const struct member info_members[] = {
    INFO_OF(phase), INFO_OF(bandwidth), INFO_OF(pacing_rate), INFO_OF(min_rtt), INFO_OF(inflight), INFO_OF(inflight_target),
    INFO_OF(cwnd), INFO_OF(ssthresh), INFO_OF(lost), INFO_OF(needless),
};

static void add(lua_State *L, const void *object, const struct member *members, size_t count)
{
    size_t i;
    for (i = 0; i < count; ++i) {
        push(L, member_value(object, &members[i]));
        lua_setfield(L, -2, members[i].name);
    }
}

static const struct member *field(lua_State *L)
{
    const char *name = luaL_checkstring(L, 2);
    const struct member *found = field_named(name);
    if (found != NULL) return found;
    luaL_error(L, "no field %s", name);
    return NULL;
}

static int get(lua_State *L)
{
    struct end *end = begin(L);
    push(L, member_value(end->kcp, field(L)));
    return 1;
}

static int set(lua_State *L)
{
    struct end *end = begin(L);
    const struct member *member = field(L);
    IUINT32 bits = number(L, 3);
    memcpy((char *)end->kcp + member->offset, &bits, sizeof bits);
    return 0;
}

static int stats(lua_State *L)
{
    struct end *end = begin(L);
    struct IKCPX_STATS counted;
    check_code(L, ikcpx_stats(end->kcp, &counted, sizeof counted));
    lua_newtable(L);
    add(L, &counted, stats_members, COUNT(stats_members));
    return 1;
}

static int ccinfo(lua_State *L)
{
    struct end *end = begin(L);
    struct IKCPX_CCINFO info;
    const struct IKCPOPS *ops = end->kcp->ccops;
    if (ops == NULL || (ops != ikcpx_bbr() && ops != ikcpx_cubic())) return 0;
    if (ops->get_info(end->kcp, &info, sizeof info) == 0) return 0;
    lua_newtable(L);
    lua_pushstring(L, info.phase_name);
    lua_setfield(L, -2, "phase_name");
    add(L, &info, info_members, COUNT(info_members));
    return 1;
}

static const luaL_Reg methods[] = {
    {"close", kcp_close}, {"closed", closed}, {"send", kcp_send}, {"recv", kcp_recv}, {"input", kcp_input}, {"update", update},
    {"check", check}, {"flush", flush}, {"next", next}, {"update_due", update_due}, {"peeksize", peeksize}, {"waitsnd", waitsnd},
    {"setmtu", setmtu}, {"wndsize", wndsize}, {"nodelay", nodelay}, {"get", get}, {"set", set}, {"setlog", set_log}, {"bbr", bbr},
    {"cubic", cubic}, {"builtin", builtin}, {"ccinfo", ccinfo}, {"rack", rack}, {"redundancy", redundancy}, {"stats", stats},
    {"large_messages", large_messages}, {"path_changed", path_changed}, {"backoff_limit", backoff_limit}, {"dead_link", dead_link},
    {"send_until", send_until}, {"stub", stub}, {NULL, NULL},
};

static void set_functions(lua_State *L, const luaL_Reg *all)
{
    for (; all->name != NULL; ++all) {
        lua_pushcfunction(L, all->func);
        lua_setfield(L, -2, all->name);
    }
}

#ifdef _WIN32
__declspec(dllexport)
#endif
int luaopen_ikcp_core(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", new}, {"getconv", getconv}, {"now", kcp_now}, {NULL, NULL}};
    static const luaL_Reg events[] = {{"__gc", kcp_close}, {"__close", kcp_close}, {NULL, NULL}};
    luaL_newmetatable(L, TYPE);
    set_functions(L, events);
    lua_newtable(L);
    set_functions(L, methods);
    lua_setfield(L, -2, "__index");
    lua_newtable(L);
    set_functions(L, functions);
    return 1;
}
