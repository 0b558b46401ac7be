/*
 * The library for Node.js, through Node-API: one function for each of ikcp.h and ikcpx.h, on a handle. index.js makes the class Kcp of
 * them and its errors of their results. What a callback throws is kept, and thrown when the call of the library has returned.
 */
#include <stddef.h>
#include <string.h>

#include <node_api.h>

#include "fields.h"
#include "ikcpx.h"

#define MOST_ARGUMENTS 5

/* One end of a connection. The functions are held by the object in JavaScript; strong references here would never be collected. */
struct end {
    ikcpcb *kcp;
    napi_env env;
    napi_ref output, log, dead, error;
};

static void forget(napi_env env, napi_ref *reference)
{
    if (*reference != NULL) napi_delete_reference(env, *reference);
    *reference = NULL;
}

static void release(struct end *end)
{
    ikcpcb *kcp = end->kcp;
    end->kcp = NULL;
    ikcp_release(kcp);
}

static void finalize(napi_env env, void *data, void *hint)
{
    struct end *end = data;
    (void)hint;
    release(end);
    forget(env, &end->output);
    forget(env, &end->log);
    forget(env, &end->dead);
    forget(env, &end->error);
    free(end);
}

/* ---- callbacks ---- */

static void call(struct end *end, napi_ref reference, size_t count, const napi_value *arguments)
{
    napi_value function, nothing, error;
    if (end->error != NULL) return; /* one waits to be thrown */
    napi_get_undefined(end->env, &nothing);
    if (napi_get_reference_value(end->env, reference, &function) != napi_ok || function == NULL) return;
    if (napi_call_function(end->env, nothing, function, count, arguments, NULL) == napi_ok) return;
    if (napi_get_and_clear_last_exception(end->env, &error) != napi_ok) return;
    /* In an array, since what is thrown may be a number. */
    {
        napi_value box;
        napi_create_array_with_length(end->env, 1, &box);
        napi_set_element(end->env, box, 0, error);
        napi_create_reference(end->env, box, 1, &end->error);
    }
}

static int output(const char *packet, int size, ikcpcb *kcp, void *user)
{
    struct end *end = user;
    napi_handle_scope scope;
    napi_value buffer;
    (void)kcp;
    napi_open_handle_scope(end->env, &scope);
    /* A copy: sockets send it later. */
    if (napi_create_buffer_copy(end->env, (size_t)size, packet, NULL, &buffer) == napi_ok) call(end, end->output, 1, &buffer);
    napi_close_handle_scope(end->env, scope);
    return size;
}

static void writelog(const char *line, ikcpcb *kcp, void *user)
{
    struct end *end = user;
    napi_handle_scope scope;
    napi_value text;
    (void)kcp;
    napi_open_handle_scope(end->env, &scope);
    if (napi_create_string_utf8(end->env, line, NAPI_AUTO_LENGTH, &text) == napi_ok) call(end, end->log, 1, &text);
    napi_close_handle_scope(end->env, scope);
}

static void dead(ikcpcb *kcp, void *user)
{
    struct end *end = user;
    napi_handle_scope scope;
    (void)kcp;
    napi_open_handle_scope(end->env, &scope);
    call(end, end->dead, 0, NULL);
    napi_close_handle_scope(end->env, scope);
}

/* ---- arguments and results ---- */

/* The handle and the other arguments of a call; NULL after close(), and an error is thrown. */
static struct end *take(napi_env env, napi_callback_info info, napi_value *arguments)
{
    size_t count = MOST_ARGUMENTS;
    void *end = NULL;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    if (napi_get_value_external(env, arguments[0], &end) != napi_ok || ((struct end *)end)->kcp == NULL) {
        napi_throw_error(env, "ERR_KCP_CLOSED", "the connection is closed");
        return NULL;
    }
    ((struct end *)end)->env = env;
    return end;
}

static int number(napi_env env, napi_value value)
{
    int32_t result = 0;
    napi_get_value_int32(env, value, &result);
    return result;
}

static IUINT32 unsigned_number(napi_env env, napi_value value)
{
    uint32_t result = 0;
    napi_get_value_uint32(env, value, &result);
    return result;
}

/* The bytes of a Uint8Array; false, and an error is thrown, for anything else. */
static int view(napi_env env, napi_value value, char **data, size_t *size)
{
    static char none;
    napi_typedarray_type type;
    void *at = NULL;
    if (napi_get_typedarray_info(env, value, &type, size, &at, NULL, NULL) != napi_ok ||
        (type != napi_uint8_array && type != napi_uint8_clamped_array)) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "a Buffer or Uint8Array is expected");
        return 0;
    }
    *data = at != NULL ? at : &none; /* NULL has a meaning of its own */
    return 1;
}

/* Throws what a callback threw. */
static napi_value finish(struct end *end, napi_value result)
{
    napi_value box, error;
    if (end->error == NULL) return result;
    napi_get_reference_value(end->env, end->error, &box);
    napi_get_element(end->env, box, 0, &error);
    forget(end->env, &end->error);
    napi_throw(end->env, error);
    return NULL;
}

static napi_value finish_number(struct end *end, double value)
{
    napi_value result;
    napi_create_double(end->env, value, &result);
    return finish(end, result);
}

/* ---- functions ---- */

static napi_value create(napi_env env, napi_callback_info info)
{
    size_t count = 2;
    napi_value arguments[2], handle;
    struct end *end = calloc(1, sizeof *end);
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    if (end != NULL) end->kcp = ikcp_create(unsigned_number(env, arguments[0]), end);
    if (end == NULL || end->kcp == NULL) {
        free(end);
        napi_throw_error(env, "ERR_KCP_MEMORY", "no memory");
        return NULL;
    }
    end->env = env;
    napi_create_reference(env, arguments[1], 0, &end->output);
    ikcp_setoutput(end->kcp, output);
    napi_create_external(env, end, finalize, NULL, &handle);
    return handle;
}

static napi_value kcp_close(napi_env env, napi_callback_info info)
{
    size_t count = 1;
    napi_value handle;
    void *end = NULL;
    napi_get_cb_info(env, info, &count, &handle, NULL, NULL);
    if (napi_get_value_external(env, handle, &end) == napi_ok) release(end);
    return NULL;
}

static napi_value set_log(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    if (end == NULL) return NULL;
    forget(env, &end->log);
    napi_create_reference(env, arguments[2], 0, &end->log);
    end->kcp->writelog = writelog;
    end->kcp->logmask = number(env, arguments[1]);
    return NULL;
}

static napi_value dead_link(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    if (end == NULL) return NULL;
    forget(env, &end->dead);
    napi_create_reference(env, arguments[2], 0, &end->dead);
    return finish_number(end, ikcpx_dead_link(end->kcp, number(env, arguments[1]), dead));
}

static napi_value kcp_send(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    char *data;
    size_t size;
    if (end == NULL || !view(env, arguments[1], &data, &size)) return NULL;
    return finish_number(end, size > INT32_MAX ? -2 : ikcp_send(end->kcp, data, (int)size));
}

static napi_value send_until(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    char *data;
    size_t size;
    if (end == NULL || !view(env, arguments[1], &data, &size)) return NULL;
    return finish_number(end, size > INT32_MAX ? -2 : ikcpx_send_until(end->kcp, data, (int)size, number(env, arguments[2])));
}

static napi_value stub(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    char *data;
    size_t size;
    if (end == NULL || !view(env, arguments[1], &data, &size)) return NULL;
    return finish_number(end, size > INT32_MAX ? -1 : ikcpx_stub(end->kcp, data, (int)size, number(env, arguments[2])));
}

static napi_value input(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    char *data;
    size_t size;
    if (end == NULL || !view(env, arguments[1], &data, &size)) return NULL;
    return finish_number(end, size > INT32_MAX ? -1 : ikcp_input(end->kcp, data, (long)size));
}

/* The next message in a new Buffer, or undefined. */
static napi_value kcp_recv(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS], result = NULL;
    struct end *end = take(env, info, arguments);
    void *data = NULL;
    char none;
    int size;
    if (end == NULL || (size = ikcp_peeksize(end->kcp)) < 0) return NULL;
    if (napi_create_buffer(env, (size_t)size, &data, &result) != napi_ok) return NULL;
    ikcp_recv(end->kcp, size > 0 ? data : &none, size);
    return finish(end, result);
}

static napi_value recv_into(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    char *data;
    size_t size;
    if (end == NULL || !view(env, arguments[1], &data, &size)) return NULL;
    return finish_number(end, ikcp_recv(end->kcp, data, size > INT32_MAX ? INT32_MAX : (int)size));
}

static napi_value getconv(napi_env env, napi_callback_info info)
{
    size_t count = 1, size;
    napi_value packet, result = NULL;
    char *data;
    napi_get_cb_info(env, info, &count, &packet, NULL, NULL);
    if (view(env, packet, &data, &size) && size >= 4) napi_create_uint32(env, ikcp_getconv(data), &result);
    return result;
}

#define FUNCTION(name, expression)                                                                                          \
    static napi_value name(napi_env env, napi_callback_info info)                                                           \
    {                                                                                                                       \
        napi_value arguments[MOST_ARGUMENTS];                                                                               \
        struct end *end = take(env, info, arguments);                                                                       \
        return end == NULL ? NULL : finish_number(end, (expression));                                                       \
    }
#define INT(index) number(env, arguments[index])
#define TIME unsigned_number(env, arguments[1])

FUNCTION(update, (ikcp_update(end->kcp, TIME), 0))
FUNCTION(check, ikcp_check(end->kcp, TIME))
FUNCTION(flush, (ikcp_flush(end->kcp), 0))
FUNCTION(peeksize, ikcp_peeksize(end->kcp))
FUNCTION(waitsnd, ikcp_waitsnd(end->kcp))
FUNCTION(setmtu, ikcp_setmtu(end->kcp, INT(1)))
FUNCTION(wndsize, ikcp_wndsize(end->kcp, INT(1), INT(2)))
FUNCTION(nodelay, ikcp_nodelay(end->kcp, INT(1), INT(2), INT(3), INT(4)))
FUNCTION(bbr, ikcp_setcc(end->kcp, ikcpx_bbr()))
FUNCTION(cubic, ikcp_setcc(end->kcp, ikcpx_cubic()))
FUNCTION(builtin, ikcp_setcc(end->kcp, NULL))
FUNCTION(rack, ikcpx_rack(end->kcp, INT(1)))
FUNCTION(redundancy, ikcpx_redundancy(end->kcp, INT(1)))
FUNCTION(next, ikcpx_next(end->kcp, TIME))
FUNCTION(update_due, (ikcpx_update(end->kcp, TIME), 0))
FUNCTION(large_messages, ikcpx_large_messages(end->kcp, INT(1)))
FUNCTION(path_changed, (ikcpx_path_changed(end->kcp), 0))
FUNCTION(backoff_limit, ikcpx_backoff_limit(end->kcp, INT(1)))

/* ---- structs ---- */

static void add(napi_env env, napi_value object, const void *from, const struct member *members, size_t count)
{
    size_t i;
    napi_value value;
    for (i = 0; i < count; ++i) {
        napi_create_double(env, member_value(from, &members[i]), &value);
        napi_set_named_property(env, object, members[i].name, value);
    }
}

#define STAT(js, c) {#js, offsetof(struct IKCPX_STATS, c), LONG}
#define STAT32(js, c) {#js, offsetof(struct IKCPX_STATS, c), UNSIGNED}
static const struct member stats_members[] = {
    STAT(time, time), STAT(packetsSent, packets_sent), STAT(bytesSent, bytes_sent), STAT(packetsReceived, packets_received),
    STAT(bytesReceived, bytes_received), STAT(packetsRefused, packets_refused), STAT(segmentsSent, segments_sent),
    STAT(bytesDelivered, bytes_delivered), STAT(resentTimeout, resent_timeout), STAT(resentSkipped, resent_skipped),
    STAT(resentPath, resent_path), STAT(resentNeedless, resent_needless), STAT(segmentsReceived, segments_received),
    STAT(duplicatesReceived, duplicates_received), STAT(acksSent, acks_sent), STAT(acksReceived, acks_received),
    STAT(probesSent, probes_sent), STAT(probesReceived, probes_received), STAT(windowsSent, windows_sent),
    STAT(windowsReceived, windows_received), STAT(queueTime, queue_time), STAT(limitedByPeer, limited_by_peer),
    STAT(limitedByWindow, limited_by_window), STAT(limitedByControl, limited_by_control),
    STAT32(queueTimeMax, queue_time_max), STAT32(rttMin, rtt_min), STAT32(rttSmoothed, rtt_smoothed),
    STAT32(deliveryRate, delivery_rate), STAT(messagesDropped, messages_dropped), STAT(messagesShortened, messages_shortened),
    STAT(copiesSent, copies_sent),
};

#define INFO(js, c) {#js, offsetof(struct IKCPX_CCINFO, c), UNSIGNED}
static const struct member info_members[] = {
    INFO(phase, phase), INFO(bandwidth, bandwidth), INFO(pacingRate, pacing_rate), INFO(minRtt, min_rtt), INFO(inflight, inflight),
    INFO(inflightTarget, inflight_target), INFO(cwnd, cwnd), INFO(ssthresh, ssthresh), INFO(lost, lost), INFO(needless, needless),
};

static const struct member *field(napi_env env, napi_value value)
{
    char name[32] = "";
    const struct member *found;
    napi_get_value_string_utf8(env, value, name, sizeof name, NULL);
    found = field_named(name);
    if (found != NULL) return found;
    napi_throw_range_error(env, "ERR_KCP_FIELD", "no such field");
    return NULL;
}

static napi_value get(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    const struct member *member = end != NULL ? field(env, arguments[1]) : NULL;
    return member != NULL ? finish_number(end, member_value(end->kcp, member)) : NULL;
}

static napi_value set(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS];
    struct end *end = take(env, info, arguments);
    const struct member *member = end != NULL ? field(env, arguments[1]) : NULL;
    IUINT32 value;
    if (member == NULL) return NULL;
    value = unsigned_number(env, arguments[2]);
    memcpy((char *)end->kcp + member->offset, &value, sizeof value);
    return NULL;
}

static napi_value stats(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS], object;
    struct end *end = take(env, info, arguments);
    struct IKCPX_STATS counted;
    if (end == NULL || ikcpx_stats(end->kcp, &counted, sizeof counted) != 0) return NULL;
    napi_create_object(env, &object);
    add(env, object, &counted, stats_members, COUNT(stats_members));
    return object;
}

static napi_value ccinfo(napi_env env, napi_callback_info info)
{
    napi_value arguments[MOST_ARGUMENTS], object, name;
    struct end *end = take(env, info, arguments);
    struct IKCPX_CCINFO state;
    const struct IKCPOPS *ops = end != NULL ? end->kcp->ccops : NULL;
    if (ops == NULL || (ops != ikcpx_bbr() && ops != ikcpx_cubic())) return NULL;
    if (ops->get_info(end->kcp, &state, sizeof state) == 0) return NULL;
    napi_create_object(env, &object);
    napi_create_string_utf8(env, state.phase_name, NAPI_AUTO_LENGTH, &name);
    napi_set_named_property(env, object, "phaseName", name);
    add(env, object, &state, info_members, COUNT(info_members));
    return object;
}

#define EXPORT(js, c) {#js, NULL, c, NULL, NULL, NULL, napi_default, NULL}

NAPI_MODULE_INIT()
{
    const napi_property_descriptor all[] = {
        EXPORT(create, create), EXPORT(close, kcp_close), EXPORT(setlog, set_log), EXPORT(deadLink, dead_link), EXPORT(send, kcp_send),
        EXPORT(input, input), EXPORT(recv, kcp_recv), EXPORT(recvInto, recv_into), EXPORT(getconv, getconv), EXPORT(update, update),
        EXPORT(check, check), EXPORT(flush, flush), EXPORT(peeksize, peeksize), EXPORT(waitsnd, waitsnd),
        EXPORT(setmtu, setmtu), EXPORT(wndsize, wndsize), EXPORT(nodelay, nodelay), EXPORT(bbr, bbr), EXPORT(cubic, cubic),
        EXPORT(builtin, builtin), EXPORT(rack, rack), EXPORT(redundancy, redundancy), EXPORT(next, next),
        EXPORT(updateDue, update_due), EXPORT(largeMessages, large_messages), EXPORT(pathChanged, path_changed),
        EXPORT(backoffLimit, backoff_limit), EXPORT(get, get), EXPORT(set, set), EXPORT(stats, stats), EXPORT(ccinfo, ccinfo),
        EXPORT(sendUntil, send_until), EXPORT(stub, stub),
    };
    napi_define_properties(env, exports, COUNT(all), all);
    return exports;
}
