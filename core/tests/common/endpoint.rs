//! An object with its program around it: what was sent, what was taken, and a clock of its own.

use std::cell::RefCell;
use std::ffi::{c_char, c_int, c_void};
use std::slice;

use ikcp_core::{Datagram, IKCPCB, Kcp, Sink, Source};

use super::bound::Limits;

/// How an endpoint is set up.
#[derive(Clone)]
pub struct Settings {
    pub conv: u32,
    /// The sequence number that both directions begin with.
    pub first_sn: u32,
    pub stream: bool,
    pub mtu: u32,
    pub window: u32,
    /// Arguments of `ikcp_nodelay`.
    pub modes: [c_int; 4],
}

pub struct Endpoint {
    kcp: *mut IKCPCB,
    /// Packets that `output` was given. From a box; its address is the object's `user`.
    out: *mut RefCell<Vec<Vec<u8>>>,
    /// Distance of this endpoint's clock from the true time, ms.
    pub clock: u32,
    /// Names the pattern that this endpoint sends. The other endpoint of the session sends the one with the last bit
    /// changed.
    pub pattern: u64,
    pub sent: u64,
    pub taken: u64,
    pub limits: Limits,
}

unsafe extern "C" fn output(
    buf: *const c_char,
    len: c_int,
    _kcp: *mut IKCPCB,
    user: *mut c_void,
) -> c_int {
    // SAFETY: `user` is the endpoint's box, and `buf` has `len` bytes.
    unsafe {
        let packet = slice::from_raw_parts(buf.cast::<u8>(), len.unsigned_abs() as usize);
        let out = &*user.cast::<RefCell<Vec<Vec<u8>>>>();
        out.borrow_mut().push(packet.to_vec());
    }
    0
}

fn byte(pattern: u64, position: u64) -> u8 {
    let mixed = (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ pattern.rotate_left(17);
    (mixed >> 53) as u8
}

impl Endpoint {
    pub fn new(settings: &Settings, pattern: u64) -> Endpoint {
        let out = Box::into_raw(Box::<RefCell<_>>::default());
        let endpoint = Endpoint {
            kcp: Kcp::create(settings.conv, out.cast()),
            out,
            clock: 0,
            pattern,
            sent: 0,
            taken: 0,
            limits: Limits {
                mtu: settings.mtu.max(1400),
                snd_wnd: settings.window,
                rcv_wnd: settings.window.max(128),
                datagram: settings.mtu,
                ..Limits::default()
            },
        };
        let kcp = endpoint.kcp();
        kcp.set_output(Some(output));
        kcp.stream.set(c_int::from(settings.stream));
        assert_eq!(kcp.setmtu(settings.mtu.cast_signed()), 0);
        let window = settings.window.cast_signed();
        kcp.wndsize(window, window);
        let [nodelay, interval, resend, nc] = settings.modes;
        kcp.nodelay(nodelay, interval, resend, nc);
        for sn in [&kcp.snd_una, &kcp.snd_nxt, &kcp.rcv_nxt] {
            sn.set(settings.first_sn);
        }
        endpoint
    }

    pub fn kcp(&self) -> Kcp<'_> {
        // SAFETY: `create` made it, and it is released when the endpoint is dropped.
        unsafe { Kcp::from_ptr(self.kcp) }.expect("an object")
    }

    /// The true time as this endpoint's clock shows it.
    pub fn at(&self, now: u64) -> u32 {
        (now as u32).wrapping_add(self.clock)
    }

    /// Sends `len` bytes more of the pattern.
    pub fn send(&mut self, len: u64) {
        let bytes: Vec<u8> = (0..len)
            .map(|n| byte(self.pattern, self.sent + n))
            .collect();
        let len = len as c_int;
        // SAFETY: the vector has that many bytes.
        let sent = self
            .kcp()
            .send(unsafe { Source::new(bytes.as_ptr().cast()) }, len);
        let expected = if cfg!(feature = "profile-1-7") {
            0
        } else {
            len
        };
        assert_eq!(sent, expected, "send");
        self.sent += u64::from(len.unsigned_abs());
        self.limits.queued = self.limits.queued.max(self.kcp().nsnd_que.get());
    }

    /// Takes all messages there are, which have to be what the peer, who sent `peer_sent` bytes so far, sent.
    pub fn take(&mut self, peer_sent: u64) {
        loop {
            let size = self.kcp().peeksize();
            if size < 0 {
                return;
            }
            let mut bytes = vec![0u8; size.unsigned_abs() as usize];
            // SAFETY: the vector has room for `size` bytes.
            let sink = unsafe { Sink::new(bytes.as_mut_ptr().cast()) };
            assert_eq!(self.kcp().recv(sink, size), size);
            for taken in bytes {
                assert!(self.taken < peer_sent, "more was delivered than sent");
                assert_eq!(
                    taken,
                    byte(self.pattern ^ 1, self.taken),
                    "byte {}",
                    self.taken
                );
                self.taken += 1;
            }
        }
    }

    pub fn input(&mut self, packet: &[u8]) -> c_int {
        let len = packet.len().try_into().expect("a packet is not that large");
        self.limits.datagram = self.limits.datagram.max(packet.len() as u32);
        // SAFETY: the packet has that many bytes.
        self.kcp()
            .input(unsafe { Datagram::new(packet.as_ptr().cast(), len) })
    }

    pub fn update(&mut self, now: u64) {
        self.kcp().update(self.at(now));
    }

    /// When `update` has something to do next, in true time.
    pub fn next_update(&self, now: u64) -> u64 {
        let at = self.at(now);
        now + u64::from(self.kcp().check(at).wrapping_sub(at))
    }

    pub fn packets(&self) -> Vec<Vec<u8>> {
        // SAFETY: it lives until the endpoint is dropped.
        unsafe { (*self.out).take() }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kcp().release();
        // SAFETY: it came from a box, and the object, which knew of it, is gone.
        drop(unsafe { Box::from_raw(self.out) });
    }
}
