//! Every call out through a C pointer, and what such a callback may find when it leads back into the object.
//!
//! A callback may do anything the public interface allows: read and edit the object and its lists, call any function
//! on it, release it, or never return (a longjmp out of a script's error). So nothing borrowed is carried across a call
//! out, and a segment only by who finds the list unchanged afterwards (`sync_sent`, `changes`); every caller handles
//! [`Released`], and what is marked as running is believed only while the callback that it is running in can still be on
//! the stack.

use core::ffi::{c_char, c_int, c_void};
use core::mem::MaybeUninit;

use crate::congestion::IKCPOPS;
use crate::consts::profile;
use crate::control::Kcp;
use crate::log::LINE;

/// The program released the object inside a callback. The operation ends at once, calls nothing and touches no segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Released;

/// What is done in assembly where stable compilers take it, and what all other machines do instead.
macro_rules! asm_or_else {
    ({ $($asm:tt)* } { $($other:tt)* }) => {
        asm_or_else!(
            any(
                target_arch = "x86_64",
                target_arch = "x86",
                target_arch = "aarch64",
                target_arch = "arm",
                target_arch = "riscv32",
                target_arch = "riscv64",
                target_arch = "s390x",
                target_arch = "loongarch64"
            ),
            { $($asm)* } { $($other)* }
        );
    };
    ($machines:meta, { $($asm:tt)* } { $($other:tt)* }) => {
        #[cfg($machines)]
        {
            $($asm)*
        }
        #[cfg(not($machines))]
        {
            $($other)*
        }
    };
}

/// The position of the stack. It grows downwards on every machine that is supported.
#[inline(always)]
fn stack_position() -> usize {
    let position: usize;
    asm_or_else! {
        {
            // SAFETY: it copies the stack pointer and does nothing else.
            #[cfg(target_arch = "x86_64")]
            unsafe {
                core::arch::asm!("mov {}, rsp", out(reg) position, options(nomem, nostack, preserves_flags));
            }
            // SAFETY: as above.
            #[cfg(target_arch = "x86")]
            unsafe {
                core::arch::asm!("mov {}, esp", out(reg) position, options(nomem, nostack, preserves_flags));
            }
            // SAFETY: as above.
            #[cfg(any(target_arch = "aarch64", target_arch = "arm"))]
            unsafe {
                core::arch::asm!("mov {}, sp", out(reg) position, options(nomem, nostack, preserves_flags));
            }
            // SAFETY: as above.
            #[cfg(any(target_arch = "riscv32", target_arch = "riscv64"))]
            unsafe {
                core::arch::asm!("mv {}, sp", out(reg) position, options(nomem, nostack, preserves_flags));
            }
            // SAFETY: as above.
            #[cfg(target_arch = "s390x")]
            unsafe {
                core::arch::asm!("lgr {}, %r15", out(reg) position, options(nomem, nostack, preserves_flags));
            }
            // SAFETY: as above.
            #[cfg(target_arch = "loongarch64")]
            unsafe {
                core::arch::asm!("move {}, $sp", out(reg) position, options(nomem, nostack, preserves_flags));
            }
        } {
            let local = 0u8;
            position = core::ptr::from_ref(core::hint::black_box(&local)).addr();
        }
    }
    position
}

/// Between the tokens of two call outs. Odd, so that no two of them are alike until their number repeats.
const TOKEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Words of a [`Witness`], of which every eighth is written.
const WITNESS_WORDS: usize = 64;
const WITNESS_MARKS: usize = WITNESS_WORDS / 8;
/// How far up the stack a witness is looked at. Further up may be another thread's stack, which may be gone.
const WITNESS_REACH: usize = 64 << 10;

/// Lies in the frame of the outermost call out and says, to whoever looks at it from deeper in the stack, that this frame
/// is still there: what is called after a longjmp soon writes over it.
type Witness = [MaybeUninit<u64>; WITNESS_WORDS];

/// What was running when a callback was called.
#[derive(Clone, Copy)]
struct Above {
    /// The callback was called from inside another one.
    nested: bool,
    flushing: bool,
    recv_hold: u32,
}

/// Has the compiler believe that the witness is looked at here, so that it is written, and not moved.
#[inline(always)]
fn see(witness: &mut Witness) {
    asm_or_else! {
        {
            // SAFETY: no instruction.
            unsafe {
                core::arch::asm!("/* {} */", in(reg) &raw mut *witness, options(nostack, preserves_flags));
            }
        } {
            core::hint::black_box(&raw mut *witness);
        }
    }
}

/// Reads a word of the stack that may belong to anything by now.
#[inline(always)]
fn peek_at_stack(address: usize) -> u64 {
    let word: u64;
    // SAFETY: the caller has seen that the address lies between the stack pointer and not far above it.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        core::arch::asm!("mov {}, qword ptr [{}]", out(reg) word, in(reg) address,
            options(nostack, readonly, preserves_flags));
    }
    // SAFETY: as above.
    #[cfg(not(target_arch = "x86_64"))]
    unsafe {
        word = core::ptr::with_exposed_provenance::<u64>(address).read_volatile();
    }
    word
}

impl Kcp<'_> {
    /// True when this call was made by a callback of the same object, as far as `settle_callout` could tell.
    #[inline(always)]
    pub(crate) fn is_inside_callback(self) -> bool {
        self.private().callout.get() != 0
    }

    /// Finds out whether this call comes from a callback. Every operation that may call out begins with it.
    ///
    /// A callback that was left by longjmp never ended its mark. So the mark is a position of the stack, and it counts
    /// only while the stack is deeper than that and the witness that lies there is untouched.
    #[inline(always)]
    pub(crate) fn settle_callout(self) {
        if self.private().callout.get() != 0 {
            self.settle_mark(stack_position());
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_mark(self, position: usize) {
        let mark = self.private().callout.get();
        let alive = position < mark && (mark - position > WITNESS_REACH || self.has_witness());
        if !alive {
            self.forget_callout();
        }
    }

    /// True when the witness of the outermost call out is untouched.
    fn has_witness(self) -> bool {
        let private = self.private();
        let (at, token) = (private.witness.get(), private.token.get());
        let token = u64::from(token).wrapping_mul(TOKEN_STEP);
        let from = stack_position();
        if at < from || at - from > 2 * WITNESS_REACH {
            // Not on this stack, as where AddressSanitizer keeps locals in the heap.
            return true;
        }
        (0..WITNESS_WORDS)
            .step_by(8)
            .all(|n| peek_at_stack(at + n * size_of::<u64>()) == token)
    }

    /// The callback was left, and with it whatever was running above it.
    fn forget_callout(self) {
        let private = self.private();
        private.callout.set(0);
        private.flushing.set(false);
        private.flush_again.set(false);
        private.unheard.set(0);
        private.recv_hold.set(0);
        private.leaving_cc.set(false);
        private.packet.handed_back();
    }

    /// Runs a callback.
    #[inline(always)]
    fn call_out<R, F: FnOnce(Self) -> R>(self, callback: F) -> Result<R, Released> {
        let mut state = (Some(callback), None);
        self.call_out_through(run::<R, F>, (&raw mut state).cast())?;
        state.1.ok_or(Released)
    }

    /// The part that all callbacks have in common, once: there are a dozen.
    #[inline(never)]
    fn call_out_through(
        self,
        run: unsafe fn(Self, *mut c_void),
        state: *mut c_void,
    ) -> Result<(), Released> {
        let mut witness: Witness = [MaybeUninit::uninit(); WITNESS_WORDS];
        let above = self.enter(&mut witness, stack_position());
        // SAFETY: `call_out` made the two for each other.
        unsafe { run(self, state) };
        self.leave(above)?;
        see(&mut witness);
        Ok(())
    }

    /// The same as a part of its caller, which is never a part of its own, for the callback that runs most.
    #[inline(always)]
    fn call_out_here<R>(self, callback: impl FnOnce(Self) -> R) -> Result<R, Released> {
        let mut witness: Witness = [MaybeUninit::uninit(); WITNESS_WORDS];
        let above = self.enter(&mut witness, stack_position());
        let result = callback(self);
        self.leave(above)?;
        see(&mut witness);
        Ok(result)
    }

    /// Marks that a callback runs. The position is that of the caller, which has the witness in its frame: deeper than any
    /// function of the library that may be called next at the same level, so that such a call, after a longjmp, is seen
    /// to be outside of the callback.
    #[inline(always)]
    fn enter(self, witness: &mut Witness, position: usize) -> Above {
        let private = self.private();
        private.callouts.set(private.callouts.get().wrapping_add(1));
        let above = Above {
            nested: self.is_inside_callback(),
            flushing: private.flushing.get(),
            recv_hold: private.recv_hold.get(),
        };
        if !above.nested {
            private.token.set(private.callouts.get());
            let token = u64::from(private.callouts.get()).wrapping_mul(TOKEN_STEP);
            // One by one: as a loop it costs more than everything else here.
            for n in 0..WITNESS_MARKS {
                witness[n * 8].write(token);
            }
            see(witness);
            private.witness.set((&raw mut *witness).addr());
            private.callout.set(position);
        }
        above
    }

    /// The callback has returned. What began inside it has ended with it, or was left.
    #[inline(always)]
    fn leave(self, above: Above) -> Result<(), Released> {
        let private = self.private();
        if !above.nested {
            private.callout.set(0);
        }
        if private.flush_again.get() {
            private.unheard.set(0);
        }
        private.flushing.set(above.flushing);
        private.recv_hold.set(above.recv_hold);
        if private.released.get() {
            Err(Released)
        } else {
            Ok(())
        }
    }

    /// Ends an operation that may have called out: frees the object when it was released in the meantime.
    #[inline(always)]
    pub(crate) fn end_operation(self) {
        if self.private().released.get() && !self.is_inside_callback() {
            self.destroy();
        }
    }

    /// Hands the packet under construction to `output`.
    #[inline(never)]
    pub(crate) fn output_packet(self) -> Result<(), Released> {
        let packet = &self.private().packet;
        if self.logs(crate::consts::log_mask::OUTPUT) {
            self.log_output(packet.len())?;
        }
        if packet.len() == 0 {
            return Ok(());
        }
        let (data, len) = packet.hand_out(&self.buffer);
        let called = match self.output.get() {
            None => Ok(0),
            Some(_) if self.private().ending.get() => Ok(0),
            Some(output) => self.call_out_here(move |kcp| {
                // SAFETY: the program's promise: `output` is a function of that type; the packet stays where it is
                // until it returns.
                unsafe { output(data, len.cast_signed(), kcp.as_ptr(), kcp.user.get()) }
            }),
        };
        packet.handed_back();
        called.map(|_| ())
    }

    /// Hands a line, with its terminating zero, to `writelog`.
    pub(crate) fn write_log(self, line: &[u8; LINE]) -> Result<(), Released> {
        let line: *const c_char = line.as_ptr().cast();
        match self.writelog.get() {
            None => Ok(()),
            Some(_) if self.private().ending.get() => Ok(()),
            Some(writelog) => self.call_out(move |kcp| {
                // SAFETY: the program's promise: `writelog` is a function of that type.
                unsafe { writelog(line, kcp.as_ptr(), kcp.user.get()) }
            }),
        }
    }

    /// The installed table of hooks.
    #[inline(always)]
    fn ops(self) -> Option<&'static IKCPOPS> {
        if !profile::CONGESTION_HOOKS {
            return None;
        }
        // SAFETY: the program's promise to `ikcp_setcc`: the table is valid until it is replaced. It is read before the
        // hook is called and not afterwards.
        unsafe { self.ccops.get().as_ref() }
    }

    /// The installed table of hooks, unless the object is being released, so that none of them may run.
    #[inline(always)]
    fn hooks(self) -> Option<&'static IKCPOPS> {
        self.ops().filter(|_| !self.private().ending.get())
    }

    /// True when a table of hooks is installed.
    #[inline(always)]
    pub(crate) fn has_ops(self) -> bool {
        profile::CONGESTION_HOOKS && !self.ccops.get().is_null()
    }
}

/// Runs the callback in `state` and leaves there what it gave.
///
/// # Safety
/// `state` is that of a `call_out` of the same types.
unsafe fn run<'a, R, F: FnOnce(Kcp<'a>) -> R>(kcp: Kcp<'a>, state: *mut c_void) {
    // SAFETY: the caller's promise.
    let (callback, result) = unsafe { &mut *state.cast::<(Option<F>, Option<R>)>() };
    *result = callback.take().map(|callback| callback(kcp));
}

macro_rules! hooks {
    ($($(#[$doc:meta])* $hook:ident as $method:ident($($name:ident: $type:ty),*) -> $result:ty;)+) => {
        impl Kcp<'_> {
            $(
                $(#[$doc])*
                #[inline(always)]
                pub(crate) fn $method(self $(, $name: $type)*) -> Result<Option<$result>, Released> {
                    match self.hooks().and_then(|ops| ops.$hook) {
                        None => Ok(None),
                        Some(hook) => self
                            .call_out(move |kcp| {
                                // SAFETY: the program's promise: the table's members are functions of their types.
                                unsafe { hook(kcp.as_ptr() $(, $name)*) }
                            })
                            .map(Some),
                    }
                }
            )+
        }
    };
}

// Each gives `None` when no table is installed or its member is NULL.
hooks! {
    /// A flush begins.
    on_tick as on_tick() -> ();
    /// Bytes of payload that this flush may send.
    pacing_rate as pacing_rate() -> u32;
    /// The send queue is empty and the window is not full.
    on_app_limited as on_app_limited(inflight: u32) -> ();
    /// A segment is about to be written into a packet.
    on_pkt_sent as on_pkt_sent(sn: u32, ts: u32, len: u32, inflight: u32, xmit: u32) -> ();
    /// A segment is about to leave `snd_buf`.
    on_pkt_acked as on_pkt_acked(sn: u32, ts: u32, len: u32, rtt: i32, xmit: u32) -> ();
    /// A round-trip time was measured.
    on_rtt as on_rtt(rtt: i32) -> ();
    /// `snd_una` advanced.
    on_ack as on_ack(acked_segs: u32, acked_bytes: u32, prior_in_flight: u32) -> ();
    /// A flush repeated segments that had been skipped.
    on_fast_retransmit as on_fast_retransmit(fast_retrans: u32, inflight: u32, prior_cwnd: u32) -> ();
    /// A flush repeated segments that had timed out.
    on_timeout as on_timeout(prior_cwnd: u32) -> ();
    /// The table is being installed; a negative result refuses.
    init as init_cc() -> c_int;
}

impl Kcp<'_> {
    /// True when a member that acts while acknowledgements are taken is installed.
    #[inline(always)]
    pub(crate) fn watches_acks(self) -> bool {
        self.ops()
            .is_some_and(|ops| ops.on_pkt_acked.is_some() || ops.on_rtt.is_some())
    }
}

impl Kcp<'_> {
    /// Tells the installed congestion control that it is being removed. Its callback may do the same once more.
    pub(crate) fn leave_cc(self) {
        let leaving = &self.private().leaving_cc;
        if leaving.get() && self.is_inside_callback() {
            return;
        }
        leaving.set(true);
        if let Some(release) = self.ops().and_then(|ops| ops.release) {
            // SAFETY: the program's promise: the table's members are functions of their types.
            // Released meanwhile or not, the callers look for themselves.
            _ = self.call_out(|kcp| unsafe { release(kcp.as_ptr()) });
        }
        leaving.set(false);
    }

    /// Installs a congestion control, or the built-in one for NULL: 0, or -1 when its `init` refuses, with the built-in
    /// one installed then.
    ///
    /// # Safety
    /// `ops` is NULL or valid until it is replaced.
    pub unsafe fn setcc(self, ops: *const IKCPOPS) -> c_int {
        if !profile::CONGESTION_HOOKS {
            return -1;
        }
        self.settle_callout();
        let installed = self.install_cc(ops).unwrap_or(-1);
        self.end_operation();
        installed
    }

    fn install_cc(self, ops: *const IKCPOPS) -> Result<c_int, Released> {
        self.leave_cc();
        if self.private().released.get() {
            return Err(Released);
        }
        self.congest.set(core::ptr::null_mut());
        self.ccops.set(ops);
        let refused = self.init_cc()?.is_some_and(|answer| answer < 0);
        if ops.is_null() || refused {
            if refused {
                self.ccops.set(core::ptr::null());
                self.congest.set(core::ptr::null_mut());
            }
            self.cwnd.set(self.cwnd.get().max(1));
            let incr = self.cwnd.get().wrapping_mul(self.mss.get());
            // Only the original's way back to the built-in control has this floor.
            self.incr.set(if refused {
                incr
            } else {
                incr.max(self.mss.get())
            });
        }
        Ok(if refused { -1 } else { 0 })
    }
}
