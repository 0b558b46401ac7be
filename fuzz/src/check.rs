//! What must hold after every call and in every callback, found by walking the public lists.

use std::ptr;

use ikcp_core::{IKCPCB, IKCPSEG, IQUEUEHEAD};

use crate::world::End;

/// Calls `visit` with each segment of a list, in order, after checking its links. Returns the number of segments.
pub fn walk(head: &IQUEUEHEAD, mut visit: impl FnMut(&IKCPSEG)) -> u32 {
    let end = ptr::from_ref(head).cast_mut();
    let mut count = 0;
    let mut previous = end;
    let mut node = head.next.get();
    while node != end {
        // SAFETY: every node of the circle other than its head is a live segment; that is under test, and
        // AddressSanitizer watches the access.
        let segment = unsafe { &*node.cast::<IKCPSEG>() };
        assert_eq!(
            segment.node.prev.get(),
            previous,
            "a link points to the wrong node"
        );
        visit(segment);
        count += 1;
        previous = node;
        node = segment.node.next.get();
    }
    assert_eq!(head.prev.get(), previous, "the circle is not closed");
    count
}

fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// Checks the links, the length and the order of a list; returns its first and last `sn`.
fn ends_of(head: &IQUEUEHEAD, count: u32, ordered: bool) -> Option<(u32, u32)> {
    let mut ends: Option<(u32, u32)> = None;
    let walked = walk(head, |segment| {
        let sn = segment.sn.get();
        let first = ends.map_or(sn, |(first, last)| {
            assert!(!ordered || before(last, sn), "a list is out of order");
            first
        });
        ends = Some((first, sn));
    });
    assert_eq!(walked, count, "a list has the wrong length");
    ends
}

/// The lists are closed circles of the stated lengths, in order. Between two calls, also checks what holds only then.
pub fn object(end: &End, kcp: &IKCPCB, between_calls: bool) {
    let ordered = !end.renumbered.get();
    let sent = ends_of(&kcp.snd_buf, kcp.nsnd_buf.get(), ordered);
    let taken = ends_of(&kcp.rcv_queue, kcp.nrcv_que.get(), ordered);
    let early = ends_of(&kcp.rcv_buf, kcp.nrcv_buf.get(), ordered);
    assert_eq!(walk(&kcp.snd_queue, |_| {}), kcp.nsnd_que.get());
    let limit = end.widest_rcv.get();
    assert!(kcp.nrcv_que.get() <= limit);
    if !ordered {
        // Segments that a program skips by raising `rcv_nxt` stay in `rcv_buf`, besides those that its window admits.
        return;
    }
    assert!(kcp.nrcv_buf.get() <= limit);
    let next = kcp.snd_nxt.get();
    if !between_calls {
        return;
    }
    if let Some((_, last)) = sent {
        assert!(before(last, next), "snd_buf is ahead of snd_nxt");
    }
    let oldest = sent.map_or(next, |(first, _)| first);
    assert_eq!(
        kcp.snd_una.get(),
        oldest,
        "snd_una is not the oldest in flight"
    );
    if let Some((_, last)) = taken {
        assert_eq!(last.wrapping_add(1), kcp.rcv_nxt.get());
    }
    if let Some((first, last)) = early {
        let ahead = |sn: u32| sn.wrapping_sub(kcp.rcv_nxt.get());
        assert!(
            ahead(first) <= ahead(last) && ahead(last) < limit,
            "outside of the window"
        );
    }
}

/// The most sequence numbers in flight so far, on which the memory bound depends.
pub fn note_flight(end: &End, kcp: &IKCPCB) {
    if !end.renumbered.get() {
        let flight = kcp.snd_nxt.get().wrapping_sub(kcp.snd_una.get());
        end.widest_flight.set(end.widest_flight.get().max(flight));
    }
}

/// `sn`, `resendts` and `xmit` of the segments in flight, for messages.
pub fn in_flight(kcp: &IKCPCB) -> Vec<[u32; 3]> {
    let mut all = Vec::new();
    walk(&kcp.snd_buf, |segment| {
        all.push([&segment.sn, &segment.resendts, &segment.xmit].map(|field| field.get()));
    });
    all
}

/// The correct answer of `ikcp_check`, from a walk over `snd_buf`.
pub fn expected_check(kcp: &IKCPCB, current: u32) -> u32 {
    if kcp.updated.get() == 0 {
        return current;
    }
    let mut flush = kcp.ts_flush.get();
    let distance = current.wrapping_sub(flush).cast_signed();
    if !(-10_000..10_000).contains(&distance) {
        flush = current;
    }
    let until_flush = flush.wrapping_sub(current).cast_signed();
    if until_flush <= 0 {
        return current;
    }
    let mut wait = until_flush.cast_unsigned();
    let mut due = false;
    walk(&kcp.snd_buf, |segment| {
        let left = segment.resendts.get().wrapping_sub(current).cast_signed();
        due |= left <= 0;
        if left > 0 {
            wait = wait.min(left.cast_unsigned());
        }
    });
    if due {
        return current;
    }
    current.wrapping_add(wait.min(kcp.interval.get()))
}

/// The correct answer of `ikcp_peeksize`, from a walk over `rcv_queue`.
pub fn expected_peeksize(kcp: &IKCPCB) -> i32 {
    let mut lengths = Vec::new();
    walk(&kcp.rcv_queue, |segment| {
        lengths.push((segment.frg.get(), u64::from(segment.len.get())));
    });
    let Some(&(frg, len)) = lengths.first() else {
        return -1;
    };
    let size = if frg == 0 {
        len
    } else if kcp.nrcv_que.get() < frg + 1 {
        return -1;
    } else {
        let last = lengths.iter().position(|(frg, _)| *frg == 0);
        let message = &lengths[..last.map_or(lengths.len(), |last| last + 1)];
        message.iter().map(|(_, len)| len).sum()
    };
    i32::try_from(size).unwrap_or(-1)
}

/// Bytes that one object may own: the formula of docs/memory.md, with the largest values that the object had so far.
pub fn memory_bound(end: &End, kcp: &IKCPCB) -> usize {
    const CONTROL: usize = 1024;
    /// What `ikcpx.h` remembers once it is asked for anything, and for redundancy and stubs.
    const EXTRAS: usize = 1024;
    const REDUNDANCY: usize = 2048;
    const CLASSES: usize = 2064;
    /// What an allocator may add to a block.
    const SLACK: usize = 32;
    let power = |n: u64| usize::try_from(n.next_power_of_two()).unwrap_or(usize::MAX);
    let segment = |len: usize| 64 + len.next_multiple_of(16) + SLACK;

    let mut listed = 0;
    // The last segment of a stream has room for a whole `mss`. It keeps that room when the program leaves stream mode, so that
    // other segments can follow it.
    let whole = segment(end.widest_mtu.get() as usize);
    for head in [&kcp.snd_queue, &kcp.snd_buf] {
        walk(head, |at| {
            let len = segment(at.len.get() as usize);
            listed += if end.streamed.get() || end.shortened.get() {
                len.max(whole)
            } else {
                len
            };
        });
    }
    for head in [&kcp.rcv_queue, &kcp.rcv_buf] {
        walk(head, |at| listed += segment(at.len.get() as usize));
    }
    let windows = u64::from(end.widest_snd.get()) + u64::from(end.widest_rcv.get());
    // Where a window is practically unlimited, the length of the input limits the pool.
    let pooled = usize::try_from(windows.min(4096)).unwrap_or(0);
    let ring = |span: u64, slot: usize| 512 + slot * power(span.max(64));
    let acks = u64::from(end.widest_rcv.get()) * 8 + u64::from(end.stored.get());
    CONTROL
        + EXTRAS
        + REDUNDANCY
        + 2 * (end.widest_mtu.get() as usize + SLACK)
        + CLASSES
        + listed
        + 2 * whole
        + pooled * (2048 + SLACK)
        + ring(u64::from(end.widest_flight.get()), 13)
        // Messages that expire in flight, in a queue that doubles.
        + if end.shortened.get() { ring(u64::from(end.widest_flight.get()), 24) } else { 0 }
        + ring(u64::from(end.widest_rcv.get()), 9)
        + 8 * power(acks + 1)
}
