//! Probes of a closed window, and answers to them.

use crate::packet::*;
use crate::script::Script;

/// The first wait before a probe; 7 s in older versions.
const FIRST: u32 =
    if cfg!(any(feature = "profile-1-7", feature = "profile-1-7-1")) { 7000 } else { 5000 };

/// An object that learns at 0 ms that its peer's window is closed.
fn shut() -> Script {
    let s = Script::with([0, 100, 0, 1]);
    send!(s, [WINS { wnd: 0 }]);
    recv_nothing!(s);
    s
}

#[test]
fn a_closed_window_is_probed_after_seconds() {
    let s = shut();
    assert_eq!(s.probe_wait(), FIRST);
    recv_nothing!(s, time FIRST - 100);
    recv!(s, time FIRST, [WASK]);
    recv_nothing!(s, time FIRST + 100);
}

#[test]
#[cfg_attr(miri, ignore = "slow there, and about times alone")]
fn the_wait_between_probes_grows_by_half_up_to_two_minutes() {
    let s = shut();
    let times = s.departures(600_000, 1000);
    let waits: Vec<u32> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let mut wait = FIRST;
    assert_eq!(times[0], wait);
    assert!(waits.len() > 8);
    for seen in waits {
        wait = (wait + wait / 2).min(120_000);
        // The next flush sends the probe, and the wait begins there.
        assert!((wait..wait + 1000).contains(&seen), "{seen}, not {wait}");
    }
    assert_eq!(s.probe_wait(), 120_000);
}

#[test]
fn an_open_window_ends_the_probes_and_a_closed_one_begins_anew() {
    let s = shut();
    recv!(s, time FIRST, [WASK]);
    send!(s, [WINS { wnd: 3 }]);
    recv_nothing!(s, time FIRST + 100);
    assert_eq!(s.probe_wait(), 0);
    send!(s, [WINS { wnd: 0 }]);
    recv_nothing!(s, time FIRST + 200);
    recv_nothing!(s, time 2 * FIRST + 100);
    recv!(s, time 2 * FIRST + 200, [WASK]);
}

#[test]
fn a_probe_is_answered_with_the_window() {
    let s = Script::fast();
    send!(s, [PUSH { sn: 0, data: b"x" }]);
    s.flush();
    s.packets();
    send!(s, [WASK]);
    recv!(s, [WINS { una: 1, wnd: 127 }]);
    recv_nothing!(s);
}

#[test]
fn probes_between_two_flushes_have_one_answer() {
    let s = Script::fast();
    send!(s, [WASK, WASK], [WASK]);
    recv!(s, [WINS]);
}

#[test]
fn the_answer_opens_the_window() {
    let s = shut();
    s.send(b"m");
    recv_nothing!(s, time 100);
    send!(s, time 150, [WINS { wnd: 1 }]);
    recv!(s, time 200, [PUSH { sn: 0, data: b"m" }]);
}

#[test]
fn probe_and_answer_follow_the_acknowledgements_and_name_the_last() {
    let s = shut();
    send!(s, time FIRST, [WASK { wnd: 0 }, PUSH { sn: 0, ts: 77, wnd: 0, data: b"x" }]);
    recv!(
        s, time FIRST,
        [
            ACK { sn: 0, ts: 77, una: 1, wnd: 127 },
            WASK { sn: 0, ts: 77, una: 1, wnd: 127 },
            WINS { sn: 0, ts: 77, una: 1, wnd: 127 },
        ],
    );
}

#[test]
fn a_probe_goes_before_data() {
    let s = Script::fast();
    s.send(b"m");
    recv!(s, [PUSH { sn: 0, data: b"m" }]);
    send!(s, [WASK { wnd: 0 }]);
    recv!(s, time 210, [WINS, PUSH { sn: 0, data: b"m" }]);
}
