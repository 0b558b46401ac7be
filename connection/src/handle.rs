//! The only unsafe code: an owned object of the core, and calls on it with slices.
//!
//! An object is one allocation and what it owns. Only [`Handle`] knows its address, and only integers leave it.

use std::any::Any;
use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};
use std::slice;

use ikcp_core::{Datagram, IKCPCB, IKCPX_STATS, Kcp, Sink, Source};

use crate::config::Controller;

/// Gets the packets of one call, one after the other.
pub(crate) type Output<'o> = &'o mut dyn FnMut(&[u8]);

/// An object of the core, released when it is dropped.
pub(crate) struct Handle(NonNull<IKCPCB>);

// SAFETY: an object is not tied to a thread: its memory comes from malloc(), only this handle refers to it, and its `user` is
// NULL between calls. It is not `Sync`, because methods that read it may write caches.
unsafe impl Send for Handle {}

/// What the core's callback works with during a call.
struct Taking<'o> {
    output: Output<'o>,
    /// What `output` panicked with.
    panic: Option<Box<dyn Any + Send>>,
}

/// The core's callback. It never lets a panic out, which would unwind the core in the middle of a flush.
unsafe extern "C" fn take_packet(
    data: *const c_char,
    len: c_int,
    _: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: `user` is NULL, or was set by `with_output` for the call that leads here.
    let Some(taking) = (unsafe { user.cast::<Taking<'_>>().as_mut() }) else {
        debug_assert!(false, "only calls with an output send packets");
        return 0;
    };
    if taking.panic.is_none() {
        // SAFETY: the core promises `len` bytes that stay until this returns.
        let packet = unsafe { slice::from_raw_parts(data.cast(), len.unsigned_abs() as usize) };
        taking.panic = catch_unwind(AssertUnwindSafe(|| (taking.output)(packet))).err();
    }
    0
}

/// A length for the C interface; anything beyond its range is cut off.
fn limited(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

/// Fields of the control block, for reading.
macro_rules! fields {
    ($($name:ident: $type:ty),+ $(,)?) => {
        $(pub(crate) fn $name(&self) -> $type { self.kcp().$name.get() })+
    };
}

/// Fields of the control block, for reading and writing.
macro_rules! settings {
    ($($name:ident = $field:ident: $type:ty),+ $(,)?) => {
        $(pub(crate) fn $name(&mut self, value: $type) { self.kcp().$field.set(value); })+
    };
}

impl Handle {
    /// A new object; `None` without memory.
    pub(crate) fn new(conv: u32) -> Option<Handle> {
        let handle = Handle(NonNull::new(Kcp::create(conv, ptr::null_mut()))?);
        handle.kcp().set_output(Some(take_packet));
        Some(handle)
    }

    /// The core's handle for one call.
    fn kcp(&self) -> Kcp<'_> {
        // SAFETY: `create` made it, `drop` releases it, and `Handle` is not `Sync`. Two core handles never coexist: a method has
        // one, and the callback cannot reach it.
        unsafe { Kcp::from_ptr(self.0.as_ptr()) }.expect("a pointer that is not NULL")
    }

    fields! {
        conv: u32, mss: u32, state: u32, snd_una: u32, snd_nxt: u32, rcv_nxt: u32, rx_rttval: i32, rx_srtt: i32,
        rx_rto: i32, rmt_wnd: u32, cwnd: u32, ssthresh: u32, probe: u32, ts_flush: u32, xmit: u32,
        nrcv_buf: u32, nsnd_buf: u32, nrcv_que: u32, nsnd_que: u32, ackcount: u32,
    }

    settings! {
        set_clock = current: u32, set_stream = stream: c_int, set_dead_link = dead_link: u32,
        set_fastlimit = fastlimit: c_int, set_minrto = rx_minrto: i32,
    }

    pub(crate) fn send(&mut self, message: &[u8]) -> c_int {
        // SAFETY: the call is told how many bytes there are.
        let source = unsafe { Source::new(message.as_ptr().cast()) };
        self.kcp().send(source, limited(message.len()))
    }

    pub(crate) fn send_until(&mut self, message: &[u8], milliseconds: c_int) -> c_int {
        // SAFETY: as many bytes as the call is told.
        let source = unsafe { Source::new(message.as_ptr().cast()) };
        let len = limited(message.len());
        self.kcp().send_until(source, len, milliseconds)
    }

    pub(crate) fn set_stub(&mut self, stub: Option<&[u8]>) -> bool {
        self.kcp().set_stub(stub)
    }

    /// Installs a controller, or removes it. False if there is no memory for it, and then there is none.
    pub(crate) fn set_controller(&mut self, controller: Option<Controller>) -> bool {
        let table = match controller {
            None => ptr::null(),
            Some(Controller::Bbr) => ikcp_core::bbr(),
            Some(Controller::Cubic) => ikcp_core::cubic(),
        };
        // SAFETY: the core's tables are statics.
        unsafe { self.kcp().setcc(table) == 0 }
    }

    pub(crate) fn set_loss_by_time(&mut self, on: bool) -> bool {
        self.kcp().rack(on) == 0
    }

    pub(crate) fn set_redundancy(&mut self, percent: u8) -> bool {
        self.kcp().set_redundancy(percent.into())
    }

    pub(crate) fn set_large_messages(&mut self, on: bool) -> bool {
        self.kcp().large_messages(on) == 0
    }

    pub(crate) fn set_backoff_limit(&mut self, milliseconds: c_int) -> bool {
        self.kcp().backoff_limit(milliseconds) == 0
    }

    pub(crate) fn set_dead_after(&mut self, milliseconds: c_int) -> bool {
        self.kcp().dead_after(milliseconds, None) == 0
    }

    pub(crate) fn path_changed(&mut self, output: Output<'_>) {
        self.with_output(output, |kcp| kcp.path_changed());
    }

    /// The counters, which the first call starts; `None` without memory.
    pub(crate) fn counters(&mut self) -> Option<IKCPX_STATS> {
        let mut counters = MaybeUninit::<IKCPX_STATS>::zeroed();
        // SAFETY: the call is told the size of the struct.
        let answer = unsafe {
            self.kcp()
                .stats(counters.as_mut_ptr(), size_of::<IKCPX_STATS>())
        };
        // SAFETY: all members are integers, which were 0 before the call.
        (answer == 0).then(|| unsafe { counters.assume_init() })
    }

    pub(crate) fn peeksize(&self) -> c_int {
        self.kcp().peeksize()
    }

    /// Receives the message, which leaves the queue.
    pub(crate) fn recv(&mut self, buffer: &mut [u8]) -> c_int {
        // SAFETY: the call is told how much room there is.
        let sink = unsafe { Sink::new(buffer.as_mut_ptr().cast()) };
        self.kcp().recv(sink, limited(buffer.len()))
    }

    /// Copies the message, which stays. The buffer must not be empty, because its length would not tell the core that the message
    /// stays.
    pub(crate) fn peek(&mut self, buffer: &mut [u8]) -> c_int {
        // SAFETY: the call is told how much room there is.
        let sink = unsafe { Sink::new(buffer.as_mut_ptr().cast()) };
        self.kcp().recv(sink, -limited(buffer.len()))
    }

    pub(crate) fn input(&mut self, packet: &[u8]) -> c_int {
        // SAFETY: the call is told no more bytes than there are, and nothing changes them.
        let packet = unsafe { Datagram::new(packet.as_ptr().cast(), limited(packet.len()).into()) };
        self.kcp().input(packet)
    }

    pub(crate) fn check(&self, clock: u32) -> u32 {
        self.kcp().check(clock)
    }

    pub(crate) fn keeps_segments(&self) -> bool {
        self.kcp().keeps_segments()
    }

    pub(crate) fn update(&mut self, clock: u32, output: Output<'_>) {
        self.with_output(output, |kcp| kcp.update(clock));
    }

    pub(crate) fn flush(&mut self, output: Output<'_>) {
        self.with_output(output, |kcp| kcp.flush());
    }

    /// Runs a call that sends packets. If `output` panics, it gets no more packets, the call runs to its end, and then the panic
    /// continues.
    fn with_output(&mut self, output: Output<'_>, call: impl FnOnce(Kcp<'_>)) {
        let mut taking = Taking {
            output,
            panic: None,
        };
        self.kcp().user.set((&raw mut taking).cast());
        call(self.kcp());
        self.kcp().user.set(ptr::null_mut());
        if let Some(panic) = taking.panic {
            resume_unwind(panic);
        }
    }

    pub(crate) fn setmtu(&mut self, mtu: c_int) -> c_int {
        self.kcp().setmtu(mtu)
    }

    pub(crate) fn wndsize(&mut self, send: c_int, receive: c_int) {
        self.kcp().wndsize(send, receive);
    }

    pub(crate) fn nodelay(&mut self, nodelay: c_int, interval: c_int, resend: c_int, nc: c_int) {
        self.kcp().nodelay(nodelay, interval, resend, nc);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.kcp().release();
    }
}
