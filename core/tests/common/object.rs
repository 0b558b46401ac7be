//! An object of the core, and the packets that it has passed to `output`.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::slice;

#[cfg(feature = "extensions")]
use ikcp_core::IKCPX_STATS;
use ikcp_core::{Datagram, IKCPCB, IKCPSEG, IQUEUEHEAD, Kcp};

use super::heap;

/// Where `output` puts packets. It is in a box, and the address of the box is an object's `user`.
pub struct Outbox(*mut RefCell<Vec<Vec<u8>>>);

impl Outbox {
    pub fn new() -> Outbox {
        Outbox(Box::into_raw(Box::default()))
    }

    pub fn user(&self) -> *mut c_void {
        self.0.cast()
    }

    /// Takes the packets since the last call.
    pub fn take(&self) -> Vec<Vec<u8>> {
        // SAFETY: it lives until the outbox is dropped.
        unsafe { (*self.0).take() }
    }

    pub fn is_empty(&self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.0).borrow().is_empty() }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and its owner has released the object that knew of it.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

/// An `output` for objects whose `user` is an outbox.
pub unsafe extern "C" fn output(
    data: *const c_char,
    size: c_int,
    _kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: `user` is the address of an outbox, and the packet has that many bytes.
    unsafe {
        let packet = slice::from_raw_parts(data.cast::<u8>(), size.unsigned_abs() as usize);
        let out = &*user.cast::<RefCell<Vec<Vec<u8>>>>();
        out.borrow_mut().push(packet.to_vec());
    }
    0
}

/// The counters, which begin with the first call.
#[cfg(feature = "extensions")]
pub fn stats(kcp: Kcp<'_>) -> IKCPX_STATS {
    let mut stats = std::mem::MaybeUninit::uninit();
    // SAFETY: the struct has its size, and the library fills all of it.
    unsafe {
        assert_eq!(kcp.stats(stats.as_mut_ptr(), size_of::<IKCPX_STATS>()), 0);
        stats.assume_init()
    }
}

/// The segments in flight.
pub fn in_flight<'k>(kcp: &'k Kcp<'_>) -> Vec<&'k IKCPSEG> {
    listed(&kcp.snd_buf)
}

/// The segments of a list.
pub fn listed(head: &IQUEUEHEAD) -> Vec<&IKCPSEG> {
    let mut at = head.next.get();
    let mut found = Vec::new();
    while !std::ptr::eq(at, head) {
        // SAFETY: the list links only segments and its head.
        let segment = unsafe { &*at.cast::<IKCPSEG>() };
        found.push(segment);
        at = segment.node.next.get();
    }
    found
}

pub struct Object {
    kcp: *mut IKCPCB,
    outbox: Outbox,
}

impl Object {
    pub fn new(conv: u32) -> Object {
        // What was allocated before another test installed the hooks would be freed by them.
        heap::install();
        let outbox = Outbox::new();
        let kcp = Kcp::create(conv, outbox.user());
        let object = Object { kcp, outbox };
        object.kcp().set_output(Some(output));
        object
    }

    pub fn kcp(&self) -> Kcp<'_> {
        // SAFETY: `create` made it, and it is released when the object is dropped.
        unsafe { Kcp::from_ptr(self.kcp) }.expect("an object")
    }

    /// The address, for callbacks and hooks.
    pub fn as_ptr(&self) -> *mut IKCPCB {
        self.kcp
    }

    pub fn input(&self, packet: &[u8]) -> c_int {
        let len = packet.len().try_into().expect("a packet is not that large");
        // SAFETY: the packet has that many bytes.
        let packet = unsafe { Datagram::new(packet.as_ptr().cast(), len) };
        self.kcp().input(packet)
    }

    pub fn packets(&self) -> Vec<Vec<u8>> {
        self.outbox.take()
    }
}

impl Drop for Object {
    fn drop(&mut self) {
        self.kcp().release();
    }
}
