//! What a program may do: one of many calls, edits and field writes for each byte of the input.

use std::ffi::c_int;
use std::{ptr, slice};

use ikcp_core::{Datagram, ForeignSegment, IKCPCB, IKCPSEG, IKCPX_STATS, Sink, Source};

use crate::check::{self, walk};
use crate::world::{EMPTY, End, Object, PACING, WATCHING, World, dead_link, output, pattern};
use crate::{forge, heap};

/// The most bytes of one `ikcp_send` of the fuzzer, to keep an execution cheap.
const LONGEST: u32 = 8192;

impl World<'_> {
    /// Settings of the session, from the first bytes of the input.
    pub fn set_up(&self) {
        let choice = self.bytes.u8();
        self.now.set(match self.bytes.below(4) {
            0 => 0,
            1 => 0x7fff_ff00,
            2 => 0xffff_ff00,
            _ => self.bytes.u32(),
        });
        let first = match choice & 3 {
            0 | 1 => 0,
            2 => 0xffff_fff0,
            _ => 0x7fff_fff8,
        };
        for end in &self.ends {
            let Some(kcp) = end.handle() else { continue };
            // A session may begin at any sequence number.
            kcp.snd_una.set(first);
            kcp.snd_nxt.set(first);
            kcp.rcv_nxt.set(first);
            if choice & 4 != 0 {
                kcp.call().nodelay(1, 10, 2, 1);
            }
            if choice & 8 != 0 {
                self.set_mtu(end, 80);
            }
            if choice & 16 != 0 {
                self.set_windows(end, 256, 256);
            }
            if choice & 32 != 0 {
                kcp.stream.set(1);
                end.streamed.set(true);
            }
            if choice & 64 != 0 {
                kcp.logmask.set(-1);
            }
            if choice & 128 != 0 {
                self.install(end, 1);
            }
            kcp.call().update(self.now.get());
        }
    }

    /// One call or edit on one endpoint.
    pub fn act(&self) {
        let byte = self.bytes.u8();
        let end = &self.ends[usize::from(byte >> 7)];
        match byte & 0x7f {
            0..=15 => self.send(end),
            16..=27 => self.deliver(end, 0),
            28..=31 => self.deliver_some(end),
            32..=35 => self.deliver(end, usize::from(self.bytes.u8())),
            36..=37 => self.lose(end),
            38..=40 => self.duplicate(end),
            41..=48 => self.receive(end),
            49..=58 => self.tick(end),
            59..=60 => self.extras(end),
            61..=62 => self.jump(end),
            63..=68 => self.flush(end),
            69..=72 => self.ask(end),
            73..=74 => self.set_mtu(end, self.bytes.number().cast_signed()),
            75..=76 => self.set_windows(
                end,
                self.bytes.number().cast_signed(),
                self.bytes.number().cast_signed(),
            ),
            77..=79 => self.set_modes(end),
            80..=82 => self.install(end, self.bytes.below(4)),
            83..=90 => self.write_field(end),
            91..=92 => self.edit_timers(end),
            93 => self.wipe(end),
            94..=96 => self.refuse_memory(),
            97..=104 => self.armed.set(self.bytes.below(16)),
            105 => self.restart(end),
            106..=107 => self.set_callbacks(end),
            108..=109 => self.parse_data(end),
            110..=115 => self.forge(end),
            116..=120 => self.mutate(end),
            121..=122 => self.take_raw(end),
            123..=124 => self.receive_oddly(end),
            125 => self.send_oddly(end),
            _ => self.burst(end),
        }
        self.verify(end);
    }

    // ---- data ----------------------------------------------------------------------------------------------------

    fn send(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let mss = kcp.mss.get();
        let len = match self.bytes.u8() {
            byte @ 0..=127 => u32::from(byte),
            byte @ 128..=191 => u32::from(byte - 128) * 32,
            192..=199 => mss,
            200..=207 => mss.wrapping_add(1),
            208..=215 => mss.wrapping_sub(1),
            216..=223 => mss.wrapping_mul(2),
            224..=227 => mss.wrapping_mul(127),
            228..=231 => mss.wrapping_mul(127).wrapping_add(1),
            byte => mss.wrapping_mul(u32::from(byte - 230)),
        };
        if len <= LONGEST {
            self.send_bytes(end, kcp, len);
        }
    }

    fn send_bytes(&self, end: &End, kcp: Object, len: u32) {
        let from = end.sent.get();
        let bytes: Vec<u8> = (0..u64::from(len))
            .map(|n| pattern(end.id, from + n))
            .collect();
        let (queued, mss) = (kcp.nsnd_que.get(), kcp.mss.get());
        let len = len.cast_signed();
        // SAFETY: the vector has `len` bytes.
        let sent = kcp
            .call()
            .send(unsafe { Source::new(bytes.as_ptr().cast()) }, len);
        if sent < 0 {
            assert_eq!(
                kcp.nsnd_que.get(),
                queued,
                "a refused send left something behind"
            );
            return;
        }
        assert!(sent <= len);
        if kcp.stream.get() == 0 {
            assert_eq!(sent, len);
            let fragments = len.cast_unsigned().div_ceil(mss).max(1);
            assert_eq!(kcp.nsnd_que.get(), queued + fragments);
            let peer = self.peer(end);
            peer.messages.borrow_mut().push_back(bytes.len());
        }
        end.sent.set(from + u64::from(sent.unsigned_abs()));
    }

    /// Messages that may not arrive.
    fn send_until(&self, kcp: Object) {
        self.honest.set(false);
        let bytes = [0; LONGEST as usize];
        let len = self.bytes.number().min(LONGEST).cast_signed();
        for _ in 0..self.bytes.below(40) {
            // SAFETY: so many bytes are there.
            let source = unsafe { Source::new(bytes.as_ptr().cast()) };
            let milliseconds = self.bytes.below(256).cast_signed() - 1;
            let queued = kcp.nsnd_que.get();
            if kcp.call().send_until(source, len, milliseconds) < 0 {
                assert_eq!(kcp.nsnd_que.get(), queued);
            } else {
                assert!(milliseconds >= 0 && kcp.stream.get() == 0);
            }
        }
    }

    /// Many small messages, so that indexes are created.
    fn burst(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        for _ in 0..self.bytes.below(80) {
            self.send_bytes(end, kcp, 3);
        }
    }

    fn send_oddly(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        // SAFETY: NULL is allowed, and so is any pointer with a length below 0.
        let (zeros, nothing) = unsafe { (Source::new(ptr::null()), Source::new(c"".as_ptr())) };
        match self.bytes.below(3) {
            0 => assert_eq!(kcp.call().send(nothing, -1), -1),
            1 => assert_eq!(kcp.call().send(nothing, c_int::MIN), -1),
            _ => {
                self.honest.set(false);
                kcp.call()
                    .send(zeros, self.bytes.number().min(LONGEST).cast_signed());
            }
        }
    }

    /// Receives a message and, if no packet was forged, compares it with what the peer sent.
    pub fn receive(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        // Which of two nested calls gets which message is checked by c-tests/callbacks/storm.cpp.
        if end.receiving.get() > 0 {
            return;
        }
        let expected = kcp.call().peeksize();
        let room = expected.max(0);
        if room > 1 << 20 {
            return;
        }
        let mut bytes = vec![0u8; room.unsigned_abs() as usize];
        let (from, changes) = (end.taken.get(), end.changes.get());
        if expected >= 0 {
            self.take(end, bytes.len());
        }
        end.receiving.set(end.receiving.get() + 1);
        // SAFETY: the vector has room for that many bytes.
        let sink = unsafe { Sink::new(bytes.as_mut_ptr().cast()) };
        let received = kcp.call().recv(sink, room);
        end.receiving.set(end.receiving.get() - 1);
        if end.changes.get() != changes || !self.honest.get() {
            return;
        }
        if expected < 0 {
            assert!(received < 0);
            return;
        }
        assert_eq!(received, expected);
        let sender = self.peer(end);
        assert!(end.taken.get() <= sender.sent.get(), "more than was sent");
        for (n, byte) in bytes.iter().enumerate() {
            assert_eq!(*byte, pattern(sender.id, from + n as u64), "a wrong byte");
        }
    }

    /// The program has received a message of `len` bytes.
    fn take(&self, end: &End, len: usize) {
        end.taken.set(end.taken.get() + len as u64);
        let message = end.messages.borrow_mut().pop_front();
        if self.honest.get() && !self.peer(end).streamed.get() {
            assert_eq!(message, Some(len), "the wrong message");
        }
    }

    fn receive_oddly(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        if end.receiving.get() > 0 {
            return;
        }
        let size = kcp.call().peeksize();
        if size > 1 << 20 {
            return;
        }
        let armed = self.armed.replace(0);
        let mut bytes = vec![0u8; size.max(1).unsigned_abs() as usize];
        // SAFETY: the vector has as much room as the calls are told; NULL is allowed.
        let mut sink = || unsafe { Sink::new(bytes.as_mut_ptr().cast()) };
        match self.bytes.below(4) {
            0 if size > 0 => assert_eq!(kcp.call().recv(sink(), size - 1), -3),
            1 if size >= 0 => assert_eq!(kcp.call().recv(sink(), c_int::MIN), -3),
            2 if size > 0 => {
                assert_eq!(kcp.call().recv(sink(), -size), size);
                assert_eq!(kcp.call().peeksize(), size);
                if self.honest.get() {
                    let sender = self.peer(end);
                    for (n, byte) in bytes.iter().enumerate() {
                        assert_eq!(*byte, pattern(sender.id, end.taken.get() + n as u64));
                    }
                }
            }
            3 if size >= 0 => {
                self.take(end, size.unsigned_abs() as usize);
                // SAFETY: NULL is allowed.
                let nowhere = unsafe { Sink::new(ptr::null_mut()) };
                assert_eq!(kcp.call().recv(nowhere, c_int::MAX), size);
            }
            _ => {}
        }
        self.armed.set(armed);
    }

    // ---- packets -------------------------------------------------------------------------------------------------

    /// Gives `packet` to the endpoint, in memory that ends where the packet ends.
    pub fn input(&self, end: &End, packet: &[u8]) -> c_int {
        let Some(kcp) = end.handle() else { return 0 };
        let segments = u32::try_from(packet.len() / 24).unwrap_or(u32::MAX);
        end.stored.set(end.stored.get().saturating_add(segments));
        let exact: Box<[u8]> = packet.into();
        let len = exact.len().try_into().expect("a packet is not that large");
        // SAFETY: the packet has that many bytes.
        kcp.call()
            .input(unsafe { Datagram::new(exact.as_ptr().cast(), len) })
    }

    fn deliver(&self, end: &End, index: usize) {
        let packet = {
            let mut arriving = end.arriving.borrow_mut();
            let index = index % arriving.len().max(1);
            arriving.remove(index)
        };
        if let Some(packet) = packet {
            let honest = self.honest.get();
            let answer = self.input(end, &packet);
            assert!(!honest || !self.honest.get() || answer == 0);
        }
    }

    fn deliver_some(&self, end: &End) {
        for _ in 0..self.bytes.below(64) {
            self.deliver(end, 0);
        }
    }

    fn lose(&self, end: &End) {
        for _ in 0..self.bytes.below(32) {
            end.arriving.borrow_mut().pop_front();
        }
    }

    fn duplicate(&self, end: &End) {
        let packet = end.arriving.borrow().front().cloned();
        if let Some(packet) = packet {
            for _ in 0..self.bytes.below(40) {
                self.input(end, &packet);
            }
        }
    }

    fn mutate(&self, end: &End) {
        let Some(mut packet) = end.arriving.borrow_mut().pop_front() else {
            return;
        };
        self.honest.set(false);
        forge::mutate(&self.bytes, &mut packet);
        self.input(end, &packet);
    }

    fn forge(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        self.honest.set(false);
        let packet = forge::packet(&self.bytes, &kcp);
        self.input(end, &packet);
    }

    fn take_raw(&self, end: &End) {
        self.honest.set(false);
        let packet = self.bytes.take(usize::from(self.bytes.u8()));
        self.input(end, packet);
    }

    fn parse_data(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        self.honest.set(false);
        end.stored.set(end.stored.get().saturating_add(1));
        let len = self.bytes.below(100);
        let memory = heap::allocate(64 + len as usize);
        if memory.is_null() {
            return;
        }
        // SAFETY: the memory is as large as its header and `len` bytes, all zero from here on.
        let segment = unsafe {
            ptr::write_bytes(memory.cast::<u8>(), 0, 64 + len as usize);
            let segment: *mut IKCPSEG = memory.cast();
            let sn = kcp.rcv_nxt.get().wrapping_add(self.bytes.below(40));
            (*segment).sn.set(sn);
            (*segment).frg.set(self.bytes.below(3));
            (*segment).len.set(len);
            ForeignSegment::new(segment)
        };
        if let Some(segment) = segment {
            kcp.call().parse_data(segment);
        }
    }

    // ---- time ----------------------------------------------------------------------------------------------------

    /// `wait` ms pass, and the program is about to set the object's clock. Returns the time.
    fn pass(&self, end: &End, wait: u32) -> u32 {
        let now = self.now.get().wrapping_add(wait);
        self.now.set(now);
        end.clock_set(now);
        now
    }

    fn tick(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        kcp.call().update(self.pass(end, self.bytes.u8().into()));
    }

    fn jump(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        kcp.call().update(self.pass(end, self.bytes.number()));
    }

    fn flush(&self, end: &End) {
        if let Some(kcp) = end.handle() {
            kcp.call().flush();
        }
    }

    /// The functions of `ikcpx.h` other than congestion control.
    fn extras(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let now = self.now.get();
        match self.bytes.below(12) {
            0 => {
                let mut room = vec![0u8; self.bytes.u8().into()];
                let at: *mut IKCPX_STATS = room.as_mut_ptr().cast();
                // SAFETY: the memory has so many bytes.
                unsafe { kcp.call().stats(at, room.len()) };
            }
            1 => {
                kcp.call().large_messages(self.bytes.flag());
            }
            2 => kcp.call().path_changed(),
            3 => {
                kcp.call().backoff_limit(self.bytes.number().cast_signed());
            }
            4 => {
                let patience = self.bytes.number().cast_signed();
                kcp.call().dead_after(patience, Some(dead_link));
            }
            5 => kcp.call().update_due(self.pass(end, 0)),
            6 => {
                // Beyond 100 it is refused.
                _ = kcp.call().set_redundancy(self.bytes.below(120));
            }
            7 => {
                let stub = self.bytes.take(self.bytes.below(80) as usize);
                end.shortened.set(true);
                // Without memory there is none.
                _ = kcp.call().set_stub(self.bytes.flag().then_some(stub));
            }
            8..=9 => self.send_until(kcp),
            _ => {
                let wait = kcp.call().next_due(now).wrapping_sub(now);
                kcp.call().update_due(self.pass(end, wait.min(60_000)));
            }
        }
    }

    /// The functions that write nothing: they give the answer of a walk over the lists, and write nothing.
    fn ask(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let before = image(&kcp);
        let current = self.now.get().wrapping_add(self.bytes.number());
        let check = kcp.call().check(current);
        if !end.unclear_timers.get() {
            assert_eq!(
                check,
                check::expected_check(&kcp, current),
                "check at {current} with {:x?}",
                check::in_flight(&kcp)
            );
        }
        assert_eq!(
            kcp.call().peeksize(),
            check::expected_peeksize(&kcp),
            "peeksize"
        );
        let waiting = kcp.nsnd_buf.get() + kcp.nsnd_que.get();
        assert_eq!(kcp.call().waitsnd().cast_unsigned(), waiting);
        assert!(
            image(&kcp) == before,
            "a function that takes a const pointer wrote"
        );
    }

    /// Lets some of the next allocations fail. Segments that a flush cannot send for lack of memory are not due before the next
    /// flush, so `ikcp_check` differs from a walk.
    fn refuse_memory(&self) {
        heap::refuse(u64::from(self.bytes.u8()), u64::from(self.bytes.below(4)));
        for end in &self.ends {
            end.unclear_timers.set(true);
        }
    }

    // ---- settings ------------------------------------------------------------------------------------------------

    pub fn set_mtu(&self, end: &End, mtu: c_int) {
        let Some(kcp) = end.handle() else { return };
        if kcp.call().setmtu(mtu) == 0 {
            let size = mtu.unsigned_abs();
            end.widest_mtu.set(end.widest_mtu.get().max(size));
            assert_eq!((kcp.mtu.get(), kcp.mss.get()), (size, size - 24));
        }
    }

    pub fn set_windows(&self, end: &End, snd: c_int, rcv: c_int) {
        let Some(kcp) = end.handle() else { return };
        kcp.call().wndsize(snd, rcv);
        end.widest_snd
            .set(end.widest_snd.get().max(kcp.snd_wnd.get()));
        end.widest_rcv
            .set(end.widest_rcv.get().max(kcp.rcv_wnd.get()));
    }

    fn set_modes(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let number = || self.bytes.number().cast_signed();
        match self.bytes.below(3) {
            0 => kcp.call().set_interval(number()),
            1 => kcp.call().nodelay(1, 10, 2, 1),
            _ => kcp.call().nodelay(number(), number(), number(), number()),
        };
    }

    pub fn install(&self, end: &End, table: u32) {
        let Some(kcp) = end.handle() else { return };
        let ops = match table {
            0 => ptr::null(),
            1 => &raw const WATCHING.0,
            2 => {
                end.unclear_timers.set(true);
                &raw const PACING.0
            }
            _ => &raw const EMPTY.0,
        };
        // SAFETY: the tables are never freed.
        unsafe { kcp.call().setcc(ops) };
    }

    fn set_callbacks(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        kcp.call().set_output(self.bytes.flag().then_some(output));
    }

    /// Writes a field that programs write.
    fn write_field(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let field = self.bytes.below(18);
        let value = self.bytes.number();
        let signed = value.cast_signed();
        match field {
            0 | 1 => {
                kcp.stream.set(signed & 1);
                if signed & 1 != 0 {
                    end.streamed.set(true);
                }
            }
            2 => kcp.rx_minrto.set(signed),
            3 => {
                end.clock_set(value);
                kcp.current.set(value);
            }
            4 => kcp.interval.set(value),
            5 => kcp.fastresend.set(signed),
            6 => kcp.fastlimit.set(signed),
            7 => kcp.dead_link.set(value),
            8 => kcp.logmask.set(signed),
            9 => kcp.updated.set(value & 1),
            10 => kcp.state.set(value),
            11 => kcp.cwnd.set(value),
            12 => kcp.ssthresh.set(value),
            13 => kcp.incr.set(value),
            14 => kcp.logmask.set(0),
            15 => kcp.mss.set(0),
            16 => {
                self.honest.set(false);
                kcp.conv.set(value);
            }
            _ => self.renumber(end, kcp, value),
        }
    }

    /// Resumes a session: the program sets sequence numbers, usually after create.
    fn renumber(&self, end: &End, kcp: Object, sn: u32) {
        self.honest.set(false);
        end.renumbered.set(true);
        match self.bytes.below(4) {
            0 => kcp.snd_una.set(sn),
            1 => kcp.snd_nxt.set(sn),
            2 => kcp.rcv_nxt.set(sn),
            _ => {
                kcp.snd_una.set(sn);
                kcp.snd_nxt.set(sn);
                kcp.rcv_nxt.set(sn);
            }
        }
    }

    fn set_field_limits(kcp: Object) {
        kcp.rx_minrto.set(30);
        kcp.interval.set(10);
        kcp.dead_link.set(u32::MAX);
    }

    // ---- the lists -----------------------------------------------------------------------------------------------

    /// "Send everything again now", after a change of network.
    fn edit_timers(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        let rto = self.bytes.number();
        let resendts = kcp.current.get().wrapping_add(self.bytes.number());
        let (mut noticed, mut edited) = (false, false);
        let mut n = 0;
        let count = kcp.nsnd_buf.get();
        walk(&kcp.snd_buf, |segment| {
            n += 1;
            let changed = segment.resendts.get() != resendts;
            edited |= changed;
            noticed |= changed && (n == 1 || n == count);
            segment.rto.set(rto);
            segment.resendts.set(resendts);
        });
        if edited && !noticed {
            end.unclear_timers.set(true);
        }
    }

    /// A connection reset as some programs do it, without release and create.
    fn wipe(&self, end: &End) {
        let Some(kcp) = end.handle() else { return };
        self.honest.set(false);
        for head in [&kcp.snd_queue, &kcp.rcv_queue, &kcp.snd_buf, &kcp.rcv_buf] {
            let end = ptr::from_ref(head).cast_mut();
            while head.next.get() != end {
                let node = head.next.get();
                // SAFETY: a listed segment; the program unlinks it and frees it with the current hook.
                unsafe {
                    let next = (*node).next.get();
                    head.next.set(next);
                    (*next).prev.set(end);
                    heap::free(node.cast());
                }
            }
        }
        for count in [&kcp.nsnd_que, &kcp.nrcv_que, &kcp.nsnd_buf, &kcp.nrcv_buf] {
            count.set(0);
        }
        for sn in [&kcp.snd_una, &kcp.snd_nxt, &kcp.rcv_nxt] {
            sn.set(0);
        }
        kcp.ackcount.set(0);
        kcp.ackblock.set(0);
        if self.bytes.flag() {
            // SAFETY: the list came from the hooks; NULL may be freed.
            unsafe { heap::free(kcp.acklist.replace(ptr::null_mut()).cast()) };
        }
    }

    // ---- life ----------------------------------------------------------------------------------------------------

    fn restart(&self, end: &End) {
        self.honest.set(false);
        end.release();
        if self.bytes.flag() && end.kcp.get().is_null() {
            end.create(self);
        }
    }

    /// If nothing was forged, everything arrives over a link that works.
    pub fn finish(&self) {
        if !self.honest.get() {
            return;
        }
        self.armed.set(0);
        heap::refuse(0, 0);
        for end in &self.ends {
            let Some(kcp) = end.handle() else { return };
            kcp.call().set_output(Some(output));
            kcp.logmask.set(0);
            self.install(end, 0);
            kcp.call().nodelay(1, 10, 2, 1);
            self.set_windows(end, 256, 256);
            Self::set_field_limits(kcp);
            if kcp.mss.get() == 0 {
                kcp.mss.set(kcp.mtu.get() - 24);
            }
        }
        for round in 0..600u32 {
            let done = self.ends.iter().all(|end| {
                end.taken.get() == self.peer(end).sent.get()
                    && end.handle().is_some_and(|kcp| kcp.call().waitsnd() == 0)
            });
            if done {
                return;
            }
            // Deadlines may be distant, so the program brings them forward, and the clock jumps ahead for the probes.
            let step = if round % 16 == 15 { 130_000 } else { 10 };
            self.now.set(self.now.get().wrapping_add(step));
            for end in &self.ends {
                self.verify(end);
                let Some(kcp) = end.handle() else { return };
                walk(&kcp.snd_buf, |segment| {
                    segment.rto.set(30);
                    segment.resendts.set(self.now.get());
                });
                kcp.call().update(self.now.get());
                kcp.call().flush();
            }
            for end in &self.ends {
                while !end.arriving.borrow().is_empty() {
                    self.deliver(end, 0);
                }
                while end.handle().is_some_and(|kcp| kcp.call().peeksize() >= 0) {
                    self.receive(end);
                }
            }
        }
        let states = self.ends.each_ref().map(|end| {
            let kcp = end.handle()?;
            let counts = [&kcp.nsnd_que, &kcp.nsnd_buf, &kcp.nrcv_que, &kcp.nrcv_buf];
            let sns = [&kcp.snd_una, &kcp.snd_nxt, &kcp.rcv_nxt, &kcp.rmt_wnd];
            let bytes = (end.sent.get(), end.taken.get());
            Some((counts.map(|c| c.get()), sns.map(|c| c.get()), bytes))
        });
        panic!("a session does not complete: lists, numbers, bytes {states:?}");
    }
}

/// The public struct as its bytes.
fn image(kcp: &IKCPCB) -> Vec<u8> {
    // SAFETY: the struct is that large, including its padding, and no cell is written while the slice lives.
    unsafe { slice::from_raw_parts(ptr::from_ref(kcp).cast::<u8>(), size_of::<IKCPCB>()) }.to_vec()
}
