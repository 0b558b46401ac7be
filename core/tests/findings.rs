//! What fuzzing found, each as a test named after what went wrong.

mod common;

use common::endpoint::{Endpoint, Settings};
use common::heap;

fn endpoint() -> Endpoint {
    heap::install();
    Endpoint::new(
        &Settings {
            conv: 1,
            first_sn: 0,
            stream: false,
            mtu: 100,
            window: 256,
            modes: [1, 10, 2, 1],
        },
        0,
    )
}

/// The program sets `snd_nxt` so far ahead that the ends of `snd_buf` are more than half a circle apart. New segments were
/// taken for sent ones and never left.
#[test]
fn segments_behind_a_leap_of_snd_nxt_leave() {
    for leap in [
        0x4000_0000,
        0x7fff_fffe,
        0x8000_0000,
        0xc000_0000,
        u32::MAX - 3,
    ] {
        let mut end = endpoint();
        let mut now = 0;
        let mut expected = 0;
        for batch in 0..6 {
            if batch > 0 {
                let next = end.kcp().snd_nxt.get().wrapping_add(leap);
                // Half a circle is what a window may span, so the sender counts from where the program says.
                end.kcp().snd_nxt.set(next);
                end.kcp().snd_una.set(next);
            }
            for _ in 0..10 {
                end.send(5);
                expected += 1;
            }
            now += 1;
            end.update(now);
            end.kcp().flush();
            let left = end.packets().concat().len() / 29;
            assert_eq!(left, 10, "leap {leap:#x}, batch {batch}");
        }
        assert_eq!(end.kcp().nsnd_buf.get(), expected);
    }
}
