//! The two endpoints, the packets between them, and the callbacks, which may do all that a program may.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::slice;

use ikcp_core::{IKCPCB, IKCPOPS, Kcp};

use crate::bytes::Bytes;
use crate::{check, heap};

/// The most packets on the way to one endpoint; further ones are lost.
const LINK: usize = 96;
/// How deeply callbacks that act may be nested.
const DEEPEST: u32 = 3;
pub const CONV: u32 = 0x1234_5678;

pub struct End {
    world: Cell<*const World<'static>>,
    pub id: usize,
    /// Objects created and released so far. The address alone identifies no object, because the next one may reuse it.
    pub changes: Cell<u32>,
    /// The object, or NULL after its release.
    pub kcp: Cell<*mut IKCPCB>,
    /// Packets on the way to this endpoint.
    pub arriving: RefCell<VecDeque<Vec<u8>>>,
    /// Bytes that the program sent and received: positions in one endless pattern.
    pub sent: Cell<u64>,
    pub taken: Cell<u64>,
    /// Lengths of messages on the way to this endpoint, as long as nothing was sent in stream mode.
    pub messages: RefCell<VecDeque<usize>>,
    pub streamed: Cell<bool>,
    /// Segments may have room for more than their payload: stubs were asked for.
    pub shortened: Cell<bool>,
    /// How often the clock changed. It may have changed and be back.
    clock_changes: Cell<u32>,
    /// Calls of `ikcp_recv` on the stack.
    pub receiving: Cell<u32>,
    /// The program wrote sequence numbers, so their order means nothing.
    pub renumbered: Cell<bool>,
    /// A hook limits what a flush sends, or timers were edited in a way that `ikcp_check` may notice late.
    pub unclear_timers: Cell<bool>,
    /// The largest settings of the object so far.
    pub widest_snd: Cell<u32>,
    pub widest_rcv: Cell<u32>,
    pub widest_mtu: Cell<u32>,
    pub widest_flight: Cell<u32>,
    /// An upper bound of the segments received.
    pub stored: Cell<u32>,
}

/// An object that is not released. A call takes a handle of its own, and may release the object.
#[derive(Clone, Copy)]
pub struct Object(NonNull<IKCPCB>);

impl Object {
    pub fn call(self) -> Kcp<'static> {
        // SAFETY: `End::handle` returns no released object, and the fuzzer has one thread.
        unsafe { Kcp::from_ptr(self.0.as_ptr()) }.expect("not NULL")
    }
}

impl Deref for Object {
    type Target = IKCPCB;

    fn deref(&self) -> &IKCPCB {
        // SAFETY: as above; all fields are cells.
        unsafe { self.0.as_ref() }
    }
}

pub struct World<'a> {
    pub bytes: Bytes<'a>,
    pub ends: [End; 2],
    pub now: Cell<u32>,
    /// How many more callbacks act.
    pub armed: Cell<u32>,
    pub depth: Cell<u32>,
    /// Nothing was forged, so the delivered bytes are those sent.
    pub honest: Cell<bool>,
    /// How often `verify` was called.
    looks: Cell<u32>,
}

impl End {
    fn new(id: usize) -> End {
        End {
            world: Cell::new(ptr::null()),
            id,
            kcp: Cell::new(ptr::null_mut()),
            arriving: RefCell::default(),
            sent: Cell::new(0),
            taken: Cell::new(0),
            messages: RefCell::default(),
            streamed: Cell::new(false),
            shortened: Cell::new(false),
            changes: Cell::new(0),
            clock_changes: Cell::new(0),
            receiving: Cell::new(0),
            renumbered: Cell::new(false),
            unclear_timers: Cell::new(false),
            widest_snd: Cell::new(32),
            widest_rcv: Cell::new(128),
            widest_mtu: Cell::new(1400),
            widest_flight: Cell::new(0),
            stored: Cell::new(0),
        }
    }

    /// The object, unless it is released.
    pub fn handle(&self) -> Option<Object> {
        NonNull::new(self.kcp.get()).map(Object)
    }

    /// The program sets the clock.
    pub fn clock_set(&self, now: u32) {
        if self.handle().is_some_and(|kcp| kcp.current.get() != now) {
            self.clock_changes.set(self.clock_changes.get() + 1);
        }
    }

    fn world(&self) -> &World<'static> {
        // SAFETY: set by `create`; the world outlives its objects and stays where it is.
        unsafe { &*self.world.get() }
    }

    /// Creates the object anew. Without memory there is none.
    pub fn create(&self, world: &World<'_>) {
        self.world
            .set(ptr::from_ref(world).cast::<World<'static>>());
        self.kcp
            .set(Kcp::create(CONV, ptr::from_ref(self).cast_mut().cast()));
        self.changes.set(self.changes.get() + 1);
        self.renumbered.set(false);
        self.unclear_timers.set(false);
        self.streamed.set(false);
        self.shortened.set(false);
        if let Some(kcp) = self.handle() {
            kcp.call().set_output(Some(output));
            kcp.writelog.set(Some(writelog));
        }
    }

    pub fn release(&self) {
        let changes = self.changes.get();
        if let Some(kcp) = self.handle() {
            // The hook `release` may still run and see the object.
            kcp.call().release();
            // The hook may also have released the object and created another one.
            if self.changes.get() == changes {
                self.kcp.set(ptr::null_mut());
                self.changes.set(changes + 1);
            }
        }
    }
}

/// The byte at `position` in everything that an endpoint sends.
pub fn pattern(id: usize, position: u64) -> u8 {
    let mixed = (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ id as u64;
    (mixed >> 56) as u8
}

impl World<'_> {
    /// Builds a world, lets `play` do what `data` says, and checks that all memory came back.
    pub fn play(data: &[u8], play: impl FnOnce(&World<'_>)) {
        heap::install();
        heap::refuse(0, 0);
        let world = World {
            bytes: Bytes::new(data),
            ends: [End::new(0), End::new(1)],
            now: Cell::new(0),
            armed: Cell::new(0),
            depth: Cell::new(0),
            honest: Cell::new(true),
            looks: Cell::new(0),
        };
        for end in &world.ends {
            end.create(&world);
        }
        play(&world);
        world.weigh();
        world.armed.set(0);
        for end in &world.ends {
            end.release();
        }
        assert_eq!((heap::blocks(), heap::bytes()), (0, 0), "memory leaked");
    }

    pub fn peer(&self, end: &End) -> &End {
        &self.ends[1 - end.id]
    }

    /// Checks everything that must hold. Long lists are walked only at every eighth call, because a walk costs more than most
    /// calls.
    pub fn verify(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        check::note_flight(end, &kcp);
        let looks = self.looks.get().wrapping_add(1);
        self.looks.set(looks);
        let listed = [&kcp.nsnd_que, &kcp.nrcv_que, &kcp.nsnd_buf, &kcp.nrcv_buf]
            .into_iter()
            .fold(0u32, |sum, count| sum.saturating_add(count.get()));
        if listed <= 48 || looks.is_multiple_of(8) {
            check::object(end, &kcp, self.depth.get() == 0);
        }
    }

    /// Compares the memory in use with the bound. Between two calls.
    pub fn weigh(&self) {
        let mut bound = 0;
        for end in &self.ends {
            if let Some(kcp) = end.handle() {
                if end.renumbered.get() {
                    return;
                }
                bound += check::memory_bound(end, &kcp);
            }
        }
        let out = heap::bytes();
        assert!(
            out <= bound,
            "{out} bytes are allocated, {bound} are allowed"
        );
    }

    /// A callback runs: it checks the object and, when armed, acts.
    fn called_back(&self, end: &End, kcp: *mut IKCPCB) {
        assert_eq!(end.kcp.get(), kcp, "a callback after the release");
        self.depth.set(self.depth.get() + 1);
        self.verify(end);
        if self.armed.get() > 0 && self.depth.get() <= DEEPEST {
            self.armed.set(self.armed.get() - 1);
            self.act();
        }
        self.depth.set(self.depth.get() - 1);
    }
}

/// The endpoint of a callback.
unsafe fn end_of<'a>(user: *mut c_void) -> &'a End {
    // SAFETY: `user` is what `create` was given, and the program does not change it.
    unsafe { &*user.cast::<End>() }
}

pub unsafe extern "C" fn output(
    buf: *const c_char,
    len: c_int,
    kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: called with the promises of `Output`.
    let (end, bytes) = unsafe {
        let len = usize::try_from(len).expect("a packet has a length");
        (end_of(user), slice::from_raw_parts(buf.cast::<u8>(), len))
    };
    let world = end.world();
    assert_packet(bytes);
    let mut arriving = world.peer(end).arriving.borrow_mut();
    if arriving.len() < LINK {
        arriving.push_back(bytes.to_vec());
    }
    drop(arriving);
    if world.armed.get() > 0 {
        let moment = || (end.changes.get(), end.clock_changes.get());
        let (copy, before) = (bytes.to_vec(), moment());
        world.called_back(end, kcp);
        // A flush at another clock may have overwritten the packet, and a release has freed it.
        if moment() == before {
            assert!(bytes == copy, "the packet changed during its callback");
        }
    } else {
        world.called_back(end, kcp);
    }
    0
}

/// A packet consists of whole segments.
fn assert_packet(mut packet: &[u8]) {
    assert!(!packet.is_empty());
    while !packet.is_empty() {
        let (raw, rest) = packet.split_first_chunk().expect("a header");
        let header = ikcp_core::Header::parse(raw);
        assert!((81..=84).contains(&header.cmd));
        packet = rest.get(header.len as usize..).expect("a payload");
    }
}

unsafe extern "C" fn writelog(log: *const c_char, kcp: *mut IKCPCB, user: *mut c_void) {
    // SAFETY: called with the promises of `WriteLog`.
    let (end, line) = unsafe { (end_of(user), CStr::from_ptr(log)) };
    assert!(line.count_bytes() < 1024);
    end.world().called_back(end, kcp);
}

pub unsafe extern "C" fn dead_link(kcp: *mut IKCPCB, user: *mut c_void) {
    // SAFETY: called with the promises of `DeadLink`.
    let end = unsafe { end_of(user) };
    end.world().called_back(end, kcp);
}

/// A hook's view of the object: its endpoint.
unsafe fn hook<'a>(kcp: *mut IKCPCB) -> &'a End {
    // SAFETY: called with a live object, whose `user` is an endpoint.
    unsafe { end_of((*kcp).user.get()) }
}

macro_rules! acting_hooks {
    ($($name:ident($($arg:ident: $type:ty),*);)+) => {
        $(unsafe extern "C" fn $name(kcp: *mut IKCPCB $(, $arg: $type)*) {
            // SAFETY: the promises of the hooks.
            let end = unsafe { hook(kcp) };
            $(let _ = $arg;)*
            end.world().called_back(end, kcp);
        })+
    };
}

acting_hooks! {
    on_tick();
    release();
    on_ack(segments: u32, bytes: u32, flight: u32);
    on_fast_retransmit(count: u32, flight: u32, cwnd: u32);
    on_timeout(cwnd: u32);
    on_app_limited(flight: u32);
    on_rtt(rtt: i32);
    on_pkt_sent(sn: u32, ts: u32, len: u32, flight: u32, xmit: u32);
    on_pkt_acked(sn: u32, ts: u32, len: u32, rtt: i32, xmit: u32);
}

unsafe extern "C" fn init(kcp: *mut IKCPCB) -> c_int {
    // SAFETY: the promises of the hooks.
    let end = unsafe { hook(kcp) };
    let world = end.world();
    let refuse = world.armed.get() > 0 && world.bytes.flag();
    world.called_back(end, kcp);
    -c_int::from(refuse)
}

unsafe extern "C" fn pacing_rate(kcp: *mut IKCPCB) -> u32 {
    // SAFETY: the promises of the hooks.
    let end = unsafe { hook(kcp) };
    let world = end.world();
    let budget = world.bytes.number();
    world.called_back(end, kcp);
    budget
}

/// A table that can be shared, because its only pointer is NULL.
pub struct Ops(pub IKCPOPS);

// SAFETY: the table is never written, and `name` is NULL.
unsafe impl Sync for Ops {}

/// All hooks except the one that paces.
pub static WATCHING: Ops = Ops(IKCPOPS {
    init: Some(init),
    release: Some(release),
    on_ack: Some(on_ack),
    on_fast_retransmit: Some(on_fast_retransmit),
    on_timeout: Some(on_timeout),
    on_tick: Some(on_tick),
    on_app_limited: Some(on_app_limited),
    on_rtt: Some(on_rtt),
    on_pkt_sent: Some(on_pkt_sent),
    on_pkt_acked: Some(on_pkt_acked),
    ..IKCPOPS::without_hooks(ptr::null())
});

/// The hook that paces, and the built-in actions.
pub static PACING: Ops = Ops(IKCPOPS {
    release: Some(release),
    on_pkt_sent: Some(on_pkt_sent),
    pacing_rate: Some(pacing_rate),
    ..IKCPOPS::without_hooks(ptr::null())
});

/// No hooks.
pub static EMPTY: Ops = Ops(IKCPOPS::without_hooks(ptr::null()));
