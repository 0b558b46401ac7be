//! A script: one object, its program, its peer's packets, and the time.
//!
//! - `send!(s, time 5, [ACK { sn: 0 }])`: this packet arrives at 5 ms. Without a time, now.
//! - `recv!(s, time 10, [PUSH { sn: 1, data: b"b" }])`: the program calls `ikcp_update(10)`, which sends exactly this packet.
//!   Without a time, the program calls `ikcp_flush`.
//! - `recv_nothing!(s, time 20)`: the same, and no packet is sent.
//!
//! Both take several packets, each a list of segments in brackets. Fields that are not named are those of an endpoint that has
//! received nothing yet (see `packet`). The program's own calls (`s.send(b"a")`, `s.recv(100)`, `s.check(5)`) and the fields
//! (`s.cwnd()`) are those of `api`. Packets that no `recv!` expects make the script fail.

use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ops::Deref;
use std::ptr;

use crate::api::{self, IKCPCB, IKCPOPS, Object};
use crate::heap;
use crate::packet::{CONV, Lines, Seg, emit};

/// A call of a congestion hook, with its arguments in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Init,
    Release,
    Ack(u32, u32, u32),
    FastRetransmit(u32, u32, u32),
    Timeout(u32),
    Tick,
    AppLimited(u32),
    Rtt(i32),
    Sent(u32, u32, u32, u32, u32),
    Acked(u32, u32, u32, i32, u32),
    PacingRate,
}

/// A callback of the program.
#[derive(Clone, Debug)]
pub enum Call {
    Output(Vec<u8>),
    Line(String),
    Hook(Hook),
}

type Reaction = Box<dyn FnMut(Object, &Call)>;

/// What `user` points at.
#[derive(Default)]
struct Program {
    packets: RefCell<Vec<Vec<u8>>>,
    lines: RefCell<Vec<String>>,
    hooks: RefCell<Vec<Hook>>,
    /// What the program does inside its callbacks. In callbacks that this causes it does nothing.
    reaction: RefCell<Option<Reaction>>,
    /// What `init` and `pacing_rate` return.
    init: Cell<c_int>,
    budget: Cell<u32>,
    tables: RefCell<Vec<*mut IKCPOPS>>,
    released: Cell<bool>,
}

impl Program {
    fn called(&self, object: Object, call: Call) {
        match &call {
            Call::Output(packet) => self.packets.borrow_mut().push(packet.clone()),
            Call::Line(line) => self.lines.borrow_mut().push(line.clone()),
            Call::Hook(hook) => self.hooks.borrow_mut().push(*hook),
        }
        let reaction = self.reaction.borrow_mut().take();
        if let Some(mut reaction) = reaction {
            reaction(object, &call);
            *self.reaction.borrow_mut() = Some(reaction);
        }
    }
}

/// The program of the object at `kcp`.
///
/// # Safety
/// It is an object of a script.
unsafe fn program<'a>(kcp: *mut IKCPCB) -> &'a Program {
    // SAFETY: the script set `user`, and lives as long as its object.
    unsafe { &*Object(kcp).user().cast() }
}

unsafe extern "C" fn output(
    buf: *const c_char,
    len: c_int,
    kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: the packet has that many bytes.
    let packet = unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len as usize) };
    // SAFETY: the script set it.
    let program = unsafe { &*user.cast::<Program>() };
    let clock = Object(kcp).current();
    program.called(Object(kcp), Call::Output(packet.to_vec()));
    if !program.released.get() && Object(kcp).current() == clock {
        // SAFETY: at one value of the clock the packet stays intact until the callback returns.
        let after = unsafe { std::slice::from_raw_parts(buf.cast::<u8>(), len as usize) };
        // The original's nested flush overwrites the packet.
        assert!(api::is_foreign() || program.packets.borrow().iter().any(|p| p == after));
    }
    0
}

unsafe extern "C" fn writelog(line: *const c_char, kcp: *mut IKCPCB, user: *mut c_void) {
    // SAFETY: a C string.
    let line = unsafe { CStr::from_ptr(line) }.to_str().expect("ASCII");
    // SAFETY: the script set it.
    unsafe { &*user.cast::<Program>() }.called(Object(kcp), Call::Line(line.to_string()));
}

fn hook(kcp: *mut IKCPCB, hook: Hook) -> &'static Program {
    // SAFETY: hooks are called with their object.
    let program = unsafe { program(kcp) };
    program.called(Object(kcp), Call::Hook(hook));
    program
}

unsafe extern "C" fn init(kcp: *mut IKCPCB) -> c_int {
    hook(kcp, Hook::Init).init.get()
}

unsafe extern "C" fn release(kcp: *mut IKCPCB) {
    hook(kcp, Hook::Release);
}

unsafe extern "C" fn on_ack(kcp: *mut IKCPCB, segs: u32, bytes: u32, inflight: u32) {
    hook(kcp, Hook::Ack(segs, bytes, inflight));
}

unsafe extern "C" fn on_fast_retransmit(kcp: *mut IKCPCB, count: u32, inflight: u32, cwnd: u32) {
    hook(kcp, Hook::FastRetransmit(count, inflight, cwnd));
}

unsafe extern "C" fn on_timeout(kcp: *mut IKCPCB, cwnd: u32) {
    hook(kcp, Hook::Timeout(cwnd));
}

unsafe extern "C" fn on_tick(kcp: *mut IKCPCB) {
    hook(kcp, Hook::Tick);
}

unsafe extern "C" fn on_app_limited(kcp: *mut IKCPCB, inflight: u32) {
    hook(kcp, Hook::AppLimited(inflight));
}

unsafe extern "C" fn on_rtt(kcp: *mut IKCPCB, rtt: i32) {
    hook(kcp, Hook::Rtt(rtt));
}

unsafe extern "C" fn on_pkt_sent(
    kcp: *mut IKCPCB,
    sn: u32,
    ts: u32,
    len: u32,
    fly: u32,
    xmit: u32,
) {
    hook(kcp, Hook::Sent(sn, ts, len, fly, xmit));
}

unsafe extern "C" fn on_pkt_acked(
    kcp: *mut IKCPCB,
    sn: u32,
    ts: u32,
    len: u32,
    rtt: i32,
    xmit: u32,
) {
    hook(kcp, Hook::Acked(sn, ts, len, rtt, xmit));
}

unsafe extern "C" fn pacing_rate(kcp: *mut IKCPCB) -> u32 {
    hook(kcp, Hook::PacingRate).budget.get()
}

/// A table of no hooks.
const fn no_hooks() -> IKCPOPS {
    IKCPOPS::without_hooks(ptr::null())
}

pub struct Script {
    object: Object,
    /// From a box; its address is the object's `user`.
    program: *mut Program,
}

impl Deref for Script {
    type Target = Object;

    fn deref(&self) -> &Object {
        assert!(!self.is_released(), "the object is gone");
        &self.object
    }
}

impl Script {
    /// An object as `ikcp_create` makes it.
    pub fn new() -> Script {
        if !api::is_foreign() {
            heap::install();
        }
        let program = Box::into_raw(Box::<Program>::default());
        let object = api::create(CONV, program.cast());
        object.set_output(Some(output));
        Script { object, program }
    }

    /// An object with these arguments of `ikcp_nodelay`, updated for the first time at 0 ms.
    pub fn with(modes: [c_int; 4]) -> Script {
        let s = Script::new();
        s.nodelay(modes);
        s.update(0);
        s
    }

    /// The fastest modes: an interval of 10 ms, fast retransmission after two skips, no congestion window.
    pub fn fast() -> Script {
        Script::with([1, 10, 2, 1])
    }

    fn program(&self) -> &Program {
        // SAFETY: it lives until the script is dropped.
        unsafe { &*self.program }
    }

    pub fn input_packet(&self, packet: &[Seg]) -> c_int {
        self.input(&emit(packet))
    }

    /// The packets sent since the last call.
    pub fn packets(&self) -> Vec<Vec<u8>> {
        self.program().packets.take()
    }

    /// Exactly these packets were sent since the last call.
    #[track_caller]
    pub fn expect(&self, expected: &[&[Seg]]) {
        let left = self.packets();
        let expected: Vec<Vec<u8>> = expected.iter().map(|packet| emit(packet)).collect();
        if left != expected {
            let lines = |packets: &[Vec<u8>]| -> Vec<Lines> {
                packets.iter().map(|p| Lines::of(p)).collect()
            };
            assert_eq!(lines(&left), lines(&expected), "left: packets sent; right: expected");
        }
    }

    /// The times at which packets are sent, up to `end`, with an update every `step` ms.
    pub fn departures(&self, end: u32, step: u32) -> Vec<u32> {
        let mut times = Vec::new();
        for n in 1..=end.wrapping_sub(self.current()) / step {
            let now = self.current().wrapping_add(step);
            self.update(now);
            times.extend(self.packets().iter().map(|_| now));
            assert!(n < 1_000_000);
        }
        times
    }

    /// The log lines of these bits go to `lines`.
    pub fn log(&self, mask: c_int) {
        self.set_writelog(mask, writelog);
    }

    pub fn lines(&self) -> Vec<String> {
        self.program().lines.take()
    }

    /// Installs all hooks except those that `change` removes from the table.
    pub fn hooks(&self, change: impl FnOnce(&mut IKCPOPS)) -> c_int {
        self.install(
            IKCPOPS {
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
                ..no_hooks()
            },
            change,
        )
    }

    /// Installs an empty table.
    pub fn empty_hooks(&self) -> c_int {
        self.install(no_hooks(), |_| ())
    }

    /// Installs only `pacing_rate`.
    pub fn pace(&self, budget: u32) {
        self.program().budget.set(budget);
        let pacing_rate = Some(pacing_rate as _);
        let installed = self.install(no_hooks(), |ops| ops.pacing_rate = pacing_rate);
        assert_eq!(installed, 0);
        self.called();
    }

    pub fn set_budget(&self, budget: u32) {
        self.program().budget.set(budget);
        self.called();
    }

    fn install(&self, mut ops: IKCPOPS, change: impl FnOnce(&mut IKCPOPS)) -> c_int {
        change(&mut ops);
        let table = Box::into_raw(Box::new(ops));
        self.program().tables.borrow_mut().push(table);
        self.setcc(table)
    }

    pub fn answer_init(&self, answer: c_int) {
        self.program().init.set(answer);
    }

    /// The hooks that were called since the last call.
    pub fn called(&self) -> Vec<Hook> {
        self.program().hooks.take()
    }

    /// From now on the program does this in every callback, but not in the callbacks that this causes.
    pub fn react(&self, reaction: impl FnMut(Object, &Call) + 'static) {
        *self.program().reaction.borrow_mut() = Some(Box::new(reaction));
    }

    /// From now on the program does this in every `output`.
    pub fn on_output(&self, mut reaction: impl FnMut(Object) + 'static) {
        self.react(move |object, call| {
            if let Call::Output(_) = call {
                reaction(object);
            }
        });
    }

    /// From now on the program does this when a log line begins with `start`.
    pub fn on_line(&self, start: &'static str, mut reaction: impl FnMut(Object) + 'static) {
        self.react(move |object, call| match call {
            Call::Line(line) if line.starts_with(start) => reaction(object),
            _ => (),
        });
    }

    /// From now on the program does this in a hook.
    pub fn on_hook(&self, mut reaction: impl FnMut(Object, Hook) + 'static) {
        self.react(move |object, call| {
            if let Call::Hook(hook) = call {
                reaction(object, *hook);
            }
        });
    }

    /// Releases the object from inside a callback.
    pub fn releases(&self) -> impl FnMut(Object) + 'static {
        let program = self.program;
        move |object| {
            // SAFETY: the script outlives its callbacks.
            let released = unsafe { &(*program).released };
            if !released.replace(true) {
                object.release();
            }
        }
    }

    pub fn is_released(&self) -> bool {
        self.program().released.get()
    }

    /// Releases the object and returns the hooks that this called.
    pub fn end(self) -> Vec<Hook> {
        self.called();
        self.program().released.set(true);
        self.object.release();
        self.called()
    }
}

/// An object with `count` segments of one byte in flight since 0 ms.
pub fn flying(modes: [i32; 4], count: u32) -> Script {
    let s = Script::with(modes);
    s.wndsize(1000, 0);
    s.set_rmt_wnd(1000);
    s.set_cwnd(1000);
    for _ in 0..count {
        s.send(b"m");
    }
    s.flush();
    assert_eq!(s.nsnd_buf(), count);
    s.packets();
    s
}

impl Drop for Script {
    fn drop(&mut self) {
        let left = self.packets().len();
        if !self.is_released() {
            self.program().released.set(true);
            self.object.release();
        }
        // SAFETY: they came from boxes, and the object that used them is gone.
        unsafe {
            for table in self.program().tables.take() {
                drop(Box::from_raw(table));
            }
            drop(Box::from_raw(self.program));
        }
        if !std::thread::panicking() {
            assert_eq!(left, 0, "packets left that no recv! asked for");
        }
    }
}

macro_rules! seg {
    ($now:expr, $kind:ident) => { $kind.at($now) };
    ($now:expr, $kind:ident { $($field:ident: $value:expr),* $(,)? }) => {
        $crate::packet::Seg { $($field: $value,)* ..$kind.at($now) }
    };
}

macro_rules! send {
    ($s:ident, time $now:expr, $($rest:tt)+) => {{
        $s.set_current($now);
        send!($s, $($rest)+);
    }};
    ($s:ident, $([$($kind:ident $({ $($fields:tt)* })?),+ $(,)?]),+ $(,)?) => {{
        $(
            let packet = [$(seg!($s.current(), $kind $({ $($fields)* })?)),+];
            assert_eq!($s.input_packet(&packet), 0);
        )+
    }};
}

macro_rules! recv {
    ($s:ident, time $now:expr, $($rest:tt)+) => {{
        $s.update($now);
        expect!($s, $($rest)+);
    }};
    ($s:ident, $($rest:tt)+) => {{
        $s.flush();
        expect!($s, $($rest)+);
    }};
}

/// Exactly these packets were sent since the last call.
macro_rules! expect {
    ($s:ident, $([$($kind:ident $({ $($fields:tt)* })?),+ $(,)?]),+ $(,)?) => {
        $s.expect(&[$(&[$(seg!($s.current(), $kind $({ $($fields)* })?)),+]),+])
    };
}

macro_rules! recv_nothing {
    ($s:ident, time $now:expr) => {{
        $s.update($now);
        $s.expect(&[]);
    }};
    ($s:ident) => {{
        $s.flush();
        $s.expect(&[]);
    }};
}
