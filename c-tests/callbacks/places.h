/* Where a callback runs. */
#ifndef CALLBACKS_PLACES_H
#define CALLBACKS_PLACES_H

enum place {
    IN_OUTPUT,
    IN_LOG_OUTPUT,
    IN_LOG_INPUT,
    IN_LOG_RECV,
    IN_LOG_DATA,
    IN_LOG_ACK,
    IN_LOG_PROBE,
    IN_LOG_WINS,
    /* The rest exist only in 2.x. */
    IN_INIT,
    IN_RELEASE,
    IN_ACK,
    IN_FAST_RETRANSMIT,
    IN_TIMEOUT,
    IN_TICK,
    IN_APP_LIMITED,
    IN_RTT,
    IN_PKT_SENT,
    IN_PKT_ACKED,
    IN_PACING_RATE,
    PLACES,
    IN_OWN_LOG = PLACES /* a line that the program itself logs with ikcp_log() */
};

static const char *const place_names[PLACES + 1] = {
    "output",     "log output", "log input",          "log recv",   "log data", "log ack",        "log probe",
    "log wins",   "init",       "release",            "on_ack",     "on_fast_retransmit", "on_timeout", "on_tick",
    "on_app_limited", "on_rtt", "on_pkt_sent",        "on_pkt_acked", "pacing_rate", "own log"};

#endif
