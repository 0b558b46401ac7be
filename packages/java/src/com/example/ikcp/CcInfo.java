package com.example.ikcp;

import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/** struct IKCPX_CCINFO: the state of a congestion control. */
@FieldOrder({
    "phase_name", "phase", "bandwidth", "pacing_rate", "min_rtt", "inflight", "inflight_target", "cwnd", "ssthresh", "lost", "needless"
})
public class CcInfo extends Structure {
    public String phase_name;
    public int phase, bandwidth, pacing_rate, min_rtt, inflight, inflight_target, cwnd, ssthresh, lost, needless;
}
