//! An object with its program: what was sent and received, and a clock of its own.

use std::ffi::c_int;

use ikcp_core::{Kcp, Sink, Source};

use super::bound::Limits;
use super::object::Object;

/// How an endpoint is set up.
#[derive(Clone)]
pub struct Settings {
    pub conv: u32,
    /// The first sequence number of both directions.
    pub first_sn: u32,
    pub stream: bool,
    pub mtu: u32,
    pub window: u32,
    /// Arguments of `ikcp_nodelay`.
    pub modes: [c_int; 4],
}

pub struct Endpoint {
    object: Object,
    /// Difference between this endpoint's clock and the true time, ms.
    pub clock: u32,
    /// Selects the pattern that this endpoint sends. The other endpoint of the session sends the one that differs in the last
    /// bit.
    pub pattern: u64,
    pub sent: u64,
    pub taken: u64,
    pub limits: Limits,
}

fn byte(pattern: u64, position: u64) -> u8 {
    let mixed = (position + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ pattern.rotate_left(17);
    (mixed >> 53) as u8
}

impl Endpoint {
    pub fn new(settings: &Settings, pattern: u64) -> Endpoint {
        let endpoint = Endpoint {
            object: Object::new(settings.conv),
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
        self.object.kcp()
    }

    /// The true time, as this endpoint's clock shows it.
    pub fn at(&self, now: u64) -> u32 {
        (now as u32).wrapping_add(self.clock)
    }

    /// Sends the next `len` bytes of the pattern.
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

    /// Receives all messages, which must be what the peer has sent in its first `peer_sent` bytes.
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
        self.limits.datagram = self.limits.datagram.max(packet.len() as u32);
        self.object.input(packet)
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
        self.object.packets()
    }
}
