//! One interface for everything that is measured.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use kcp_abi::kcp::Output;
use kcp_abi::{Kcp, Library};

use crate::link::Link;

/// How an endpoint is set up; all endpoints get `nodelay(1, 10, 2, 1)`.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub window: u32,
    pub stream: bool,
    /// What of ikcpx.h this end uses: `rack`, or the name of a congestion control.
    pub control: Option<&'static str>,
    /// The longest message that will be sent, for endpoints that allocate in advance.
    pub longest: usize,
}

/// Where an endpoint's packets go.
pub type Wire = Rc<RefCell<Link>>;

/// The output of every endpoint; without a wire the packets go nowhere.
pub struct ToWire(pub Option<Wire>);

impl ToWire {
    #[inline]
    pub fn push(&self, packet: &[u8]) {
        if let Some(wire) = &self.0 {
            wire.borrow_mut().push(packet);
        }
    }
}

impl Output for ToWire {
    fn packet(&mut self, packet: &[u8]) -> i32 {
        self.push(packet);
        0
    }
}

impl io::Write for ToWire {
    fn write(&mut self, packet: &[u8]) -> io::Result<usize> {
        self.push(packet);
        Ok(packet.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The calls of ikcp.h that a data path makes. Negative results of `recv` mean that nothing was taken.
pub trait Endpoint {
    fn send(&mut self, data: &[u8]);
    fn recv(&mut self, buffer: &mut [u8]) -> i32;
    fn input(&mut self, packet: &[u8]);
    fn update(&mut self, now: u32);
    fn check(&self, now: u32) -> u32;
    fn flush(&mut self);
    fn waitsnd(&self) -> u32;
    fn peeksize(&self) -> i32;
}

/// Makes endpoints of one implementation. `wire` of `None` drops every packet.
pub trait Implementation {
    type Endpoint: Endpoint;
    fn endpoint(&self, settings: Settings, wire: Option<Wire>) -> Self::Endpoint;
}

/// The conversation all endpoints use.
pub const CONVERSATION: u32 = 0x2211_4433;

/// Any library with the C interface.
#[derive(Clone, Copy)]
pub struct Shared {
    pub library: &'static Library,
    /// Its connections count, for `ikcpx_stats`.
    pub counting: bool,
}

impl Shared {
    pub fn new(library: &'static Library) -> Shared {
        Shared {
            library,
            counting: false,
        }
    }
}

impl Implementation for Shared {
    type Endpoint = Kcp<ToWire>;

    fn endpoint(&self, settings: Settings, wire: Option<Wire>) -> Self::Endpoint {
        let mut kcp = Kcp::with_output(self.library, CONVERSATION, ToWire(wire))
            .expect("memory for a connection");
        if self.counting {
            kcp.begin_to_count();
        }
        kcp.nodelay(1, 10, 2, 1);
        let window = i32::try_from(settings.window).expect("a window");
        kcp.wndsize(window, window);
        kcp.stream(settings.stream);
        if let Some(control) = settings.control {
            let function = format!("ikcpx_{control}");
            let done = if control == "rack" {
                let rack = self.library.setting(&function);
                kcp.set(rack.expect("a library with ikcpx_rack"), 1)
            } else {
                let ops = self.library.controller(&function);
                kcp.setcc(ops.expect("a library with this control"))
            };
            assert!(done == 0, "{function} returned {done}");
        }
        kcp
    }
}

impl Endpoint for Kcp<ToWire> {
    fn send(&mut self, data: &[u8]) {
        let result = Kcp::send(self, data);
        assert!(result >= 0, "send returned {result}");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> i32 {
        Kcp::recv(self, buffer)
    }

    fn input(&mut self, packet: &[u8]) {
        let result = Kcp::input(self, packet);
        assert!(result == 0, "input returned {result}");
    }

    fn update(&mut self, now: u32) {
        Kcp::update(self, now);
    }

    fn check(&self, now: u32) -> u32 {
        Kcp::check(self, now)
    }

    fn flush(&mut self) {
        Kcp::flush(self);
    }

    fn waitsnd(&self) -> u32 {
        Kcp::waitsnd(self) as u32
    }

    fn peeksize(&self) -> i32 {
        Kcp::peeksize(self)
    }
}

/// The crate `kcp`, as Rust programs use it.
#[derive(Clone, Copy)]
pub struct Crate;

impl Implementation for Crate {
    type Endpoint = kcp::Kcp<ToWire>;

    fn endpoint(&self, settings: Settings, wire: Option<Wire>) -> Self::Endpoint {
        let mut kcp = match settings.stream {
            true => kcp::Kcp::new_stream(CONVERSATION, ToWire(wire)),
            false => kcp::Kcp::new(CONVERSATION, ToWire(wire)),
        };
        kcp.set_nodelay(true, 10, 2, true);
        let window = u16::try_from(settings.window).expect("the crate's windows are 16 bits wide");
        kcp.set_wndsize(window, window);
        kcp
    }
}

impl Endpoint for kcp::Kcp<ToWire> {
    fn send(&mut self, data: &[u8]) {
        kcp::Kcp::send(self, data).expect("send");
    }

    fn recv(&mut self, buffer: &mut [u8]) -> i32 {
        match kcp::Kcp::recv(self, buffer) {
            Ok(length) => length as i32,
            Err(_) => -1,
        }
    }

    fn input(&mut self, packet: &[u8]) {
        kcp::Kcp::input(self, packet).expect("input");
    }

    fn update(&mut self, now: u32) {
        kcp::Kcp::update(self, now).expect("update");
    }

    fn check(&self, now: u32) -> u32 {
        kcp::Kcp::check(self, now)
    }

    fn flush(&mut self) {
        // Before the first update this returns an error, where the others do nothing.
        let _ = kcp::Kcp::flush(self);
    }

    fn waitsnd(&self) -> u32 {
        self.wait_snd() as u32
    }

    fn peeksize(&self) -> i32 {
        match kcp::Kcp::peeksize(self) {
            Ok(length) => length as i32,
            Err(_) => -1,
        }
    }
}
