//! Bytes that a library requests from its allocator hooks.

use std::alloc::{Layout, alloc, dealloc};
use std::cell::RefCell;
use std::ffi::c_void;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use kcp_abi::{Kcp, Library};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// Just created.
    New,
    /// 200 messages of 64 bytes sent before the first update.
    Queued,
    /// 200 messages of 1,376 bytes sent and not acknowledged.
    InFlight,
    /// A minute after a burst of 1,000 messages each way, with an update every 10 ms.
    AfterBurst,
    /// The same with updates only when `ikcp_check` asks for them.
    AfterBurstChecked,
}

static LIVE: AtomicI64 = AtomicI64::new(0);
/// Holds the size before each block and keeps its alignment.
const PREFIX: usize = 16;

fn block(size: usize) -> Layout {
    Layout::from_size_align(size + PREFIX, PREFIX).expect("a sane size")
}

unsafe extern "C" fn counting_malloc(size: usize) -> *mut c_void {
    // SAFETY: the layout is never empty; the size is stored in the prefix, which no one else knows of.
    unsafe {
        let start = alloc(block(size));
        if start.is_null() {
            return start.cast();
        }
        start.cast::<usize>().write(size);
        LIVE.fetch_add(size as i64, Relaxed);
        start.add(PREFIX).cast()
    }
}

unsafe extern "C" fn counting_free(pointer: *mut c_void) {
    if pointer.is_null() {
        return;
    }
    // SAFETY: the library frees only what it got from `counting_malloc`: the hooks change only while it has no object.
    unsafe {
        let start = pointer.cast::<u8>().sub(PREFIX);
        let size = start.cast::<usize>().read();
        LIVE.fetch_sub(size as i64, Relaxed);
        dealloc(start, block(size));
    }
}

/// Bytes per connection.
pub fn measure(library: &'static Library, footprint: Footprint) -> f64 {
    // SAFETY: no object of this library is alive: every measurement releases its own.
    unsafe { (library.functions.allocator)(Some(counting_malloc), Some(counting_free)) };
    LIVE.store(0, Relaxed);
    let bytes = match footprint {
        Footprint::New => {
            let _kcp = silent(library);
            live()
        }
        Footprint::Queued => {
            let mut kcp = silent(library);
            (0..200).for_each(|_| assert!(kcp.send(&[7; 64]) >= 0));
            live()
        }
        Footprint::InFlight => {
            let mut kcp = silent(library);
            kcp.nodelay(1, 10, 2, 1);
            kcp.wndsize(256, 256);
            kcp.edit(|fields| fields.rmt_wnd = 256);
            (0..200).for_each(|_| assert!(kcp.send(&[7; 1376]) >= 0));
            kcp.update(0);
            assert_eq!(kcp.fields().nsnd_buf, 200);
            live()
        }
        Footprint::AfterBurst => after_burst(library, false) / 2.0,
        Footprint::AfterBurstChecked => after_burst(library, true) / 2.0,
    };
    assert_eq!(LIVE.load(Relaxed), 0, "release gives everything back");
    // SAFETY: as above.
    unsafe { (library.functions.allocator)(None, None) };
    bytes
}

fn live() -> f64 {
    LIVE.load(Relaxed) as f64
}

fn silent(library: &'static Library) -> Kcp<impl FnMut(&[u8]) -> i32 + use<>> {
    Kcp::new(library, 1, |_: &[u8]| 0).expect("memory for a connection")
}

/// Bytes of two connections that were busy and have been idle since. With `checked` they are updated when `ikcp_check` says so,
/// otherwise every 10 ms.
fn after_burst(library: &'static Library, checked: bool) -> f64 {
    let packets = || Rc::new(RefCell::new(Vec::<Vec<u8>>::new()));
    let wires = [packets(), packets()];
    let mut ends: Vec<_> = wires
        .iter()
        .map(|wire| {
            let wire = Rc::clone(wire);
            let mut kcp = Kcp::new(library, 1, move |packet: &[u8]| {
                wire.borrow_mut().push(packet.to_vec());
                0
            })
            .expect("memory for a connection");
            kcp.nodelay(1, 10, 2, 1);
            kcp.wndsize(1024, 1024);
            (0..1000).for_each(|_| assert!(kcp.send(&[7; 1376]) >= 0));
            kcp
        })
        .collect();
    let mut received = 0;
    let mut buffer = [0; 1376];
    let mut next = [0, 0];
    for now in 0..60_000 {
        for (end, other) in [(0, 1), (1, 0)] {
            if now < next[end] {
                continue;
            }
            ends[end].update(now);
            next[end] = if checked {
                // The clock of the loop has steps of 1 ms.
                ends[end].check(now).max(now + 1)
            } else {
                now + 10
            };
            let packets = wires[end].take();
            packets
                .iter()
                .for_each(|packet| assert_eq!(ends[other].input(packet), 0));
            if checked && !packets.is_empty() {
                next[other] = ends[other].check(now).max(now);
            }
            while ends[other].recv(&mut buffer) >= 0 {
                received += 1;
            }
        }
    }
    assert_eq!(received, 2000, "the burst was delivered");
    live()
}
