//! KCP in virtual time: a mode, one end of a connection, and the pair of both ends with the link between them.

use std::cell::RefCell;
use std::rc::Rc;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use kcp_abi::{Kcp, Library};
use kcp_cli::values::number;

use crate::link::{Config, Count, Fate, Link, Micros, Pipe, UDP_IP_HEADERS};
use crate::session::{CLIENT, Pair, SERVER};

/// How a connection is set up: the arguments of `ikcp_nodelay`, and what programs do beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    pub name: String,
    pub nodelay: i32,
    pub interval: i32,
    pub resend: i32,
    pub nocwnd: i32,
    /// `rx_minrto`, which programs write into the structure.
    pub minrto: Option<i32>,
    /// Call `ikcp_flush` after each send and input instead of waiting for the interval.
    pub flush: bool,
}

/// What `ikcp_send` takes with the default mtu: 127 fragments.
pub const LONGEST_MESSAGE: usize = 127 * 1376;

/// A window in segments. Packets have 16 bits for it.
pub fn window() -> impl clap::builder::TypedValueParser<Value = i32> {
    number(1..=65_535)
}

/// For `--help` of every subcommand that takes a mode.
pub const MODE_HELP: &str = "\
default  0,10,0,0      like TCP: congestion window, no fast resend
normal   0,10,0,1      without congestion window
fast     2,10,1,1,10   as the test of KCP's documentation: RTO grows by half of the estimate, resend after one skip, RTO from 10 ms
turbo    1,10,2,1      the README's advice for games: RTO grows by 1.5, resend after two skips, RTO from 30 ms
or the arguments of ikcp_nodelay: nodelay,interval,resend,nocwnd and optionally rx_minrto. `+flush` behind any of them calls \
ikcp_flush after each send and each input";

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Mode> {
        let (base, flush) = match text.strip_suffix("+flush") {
            Some(base) => (base, true),
            None => (text, false),
        };
        let numbers = match base {
            "default" => "0,10,0,0",
            "normal" => "0,10,0,1",
            "fast" => "2,10,1,1,10",
            "turbo" => "1,10,2,1",
            custom => custom,
        };
        let numbers: Vec<i32> = numbers
            .split(',')
            .map(|number| number.trim().parse())
            .collect::<Result<_, _>>()
            .with_context(|| {
                format!("unknown mode `{base}`: expected default, normal, fast, turbo, or four or five numbers with commas between")
            })?;
        let (nodelay, interval, resend, nocwnd, minrto) = match numbers[..] {
            [nodelay, interval, resend, nocwnd] => (nodelay, interval, resend, nocwnd, None),
            [nodelay, interval, resend, nocwnd, minrto] => {
                (nodelay, interval, resend, nocwnd, Some(minrto))
            }
            _ => bail!("expected four or five numbers, got {}", numbers.len()),
        };
        for (name, number, range) in [
            ("nodelay", nodelay, 0..=2),
            ("interval", interval, 10..=5_000),
            ("resend", resend, 0..=1_000),
            ("nocwnd", nocwnd, 0..=1),
            ("rx_minrto", minrto.unwrap_or(1), 1..=60_000),
        ] {
            ensure!(
                range.contains(&number),
                "{name}: expected a number from {} to {}, got {number}",
                range.start(),
                range.end()
            );
        }
        Ok(Mode {
            name: text.to_string(),
            nodelay,
            interval,
            resend,
            nocwnd,
            minrto,
            flush,
        })
    }
}

/// Packets that an end has handed out, until they are given to the link. Kept flat so that the output callback costs a copy and
/// nothing else where the library's time is measured.
#[derive(Default)]
struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

/// Takes the packets of one end.
pub type Output = Box<dyn FnMut(&[u8]) -> i32>;

/// One end of a connection.
pub struct Endpoint {
    pub kcp: Kcp<Output>,
    outbox: Rc<RefCell<Outbox>>,
}

impl Endpoint {
    pub fn new(library: &'static Library, conv: u32, mode: &Mode, window: i32) -> Result<Endpoint> {
        let outbox = Rc::new(RefCell::new(Outbox::default()));
        let sink = Rc::clone(&outbox);
        let output = move |packet: &[u8]| {
            let mut outbox = sink.borrow_mut();
            outbox.bytes.extend_from_slice(packet);
            let end = outbox.bytes.len();
            outbox.ends.push(end);
            0
        };
        let output: Output = Box::new(output);
        let mut kcp = Kcp::new(library, conv, output).context("ikcp_create failed")?;
        kcp.nodelay(mode.nodelay, mode.interval, mode.resend, mode.nocwnd);
        kcp.wndsize(window, window);
        if let Some(minrto) = mode.minrto {
            kcp.minrto(minrto);
        }
        Ok(Endpoint { kcp, outbox })
    }

    /// Hands what the end has put out to `sink`.
    pub fn emit(&mut self, mut sink: impl FnMut(&[u8])) {
        let mut outbox = self.outbox.borrow_mut();
        let mut start = 0;
        for index in 0..outbox.ends.len() {
            let end = outbox.ends[index];
            sink(&outbox.bytes[start..end]);
            start = end;
        }
        outbox.bytes.clear();
        outbox.ends.clear();
    }
}

/// KCP counts in milliseconds.
pub fn millis(now: Micros) -> u32 {
    (now / 1000) as u32
}

/// Called for each packet that is put on the wire: time, sending side, packet, what the link does with it.
pub type Tap = Box<dyn FnMut(Micros, usize, &[u8], Fate)>;

/// A connection with the link between its ends.
pub struct KcpPair {
    pub ends: [Endpoint; 2],
    pub pipes: [Pipe; 2],
    flush: bool,
    /// When each end first calls `ikcp_update`: the two flush on different milliseconds, as on two machines.
    first_update: [Micros; 2],
    tap: Option<Tap>,
}

impl KcpPair {
    /// `stream` tells apart sessions of one run; `first_update` is where each end's flush clock starts.
    pub fn new(
        library: &'static Library,
        mode: &Mode,
        window: i32,
        link: Config,
        seed: u64,
        stream: u64,
        first_update: [Micros; 2],
    ) -> Result<KcpPair> {
        const CONV: u32 = 0x1122_3344;
        Ok(KcpPair {
            ends: [
                Endpoint::new(library, CONV, mode, window)?,
                Endpoint::new(library, CONV, mode, window)?,
            ],
            pipes: [0, 1].map(|direction| Pipe::new(Link::new(link, seed, 2 * stream + direction))),
            flush: mode.flush,
            first_update,
            tap: None,
        })
    }

    pub fn tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Puts what an end has handed out on the wire.
    pub fn emit(&mut self, side: usize, now: Micros) {
        let pipe = &mut self.pipes[side];
        let tap = &mut self.tap;
        self.ends[side].emit(|packet| {
            let fate = pipe.push(now, packet, UDP_IP_HEADERS);
            if let Some(tap) = tap {
                tap(now, side, packet, fate);
            }
        });
    }

    /// Runs the timer of one end, if it has begun to.
    pub fn update_end(&mut self, side: usize, now: Micros) {
        if now >= self.first_update[side] {
            self.ends[side].kcp.update(millis(now));
            self.emit(side, now);
        }
    }

    /// Gives one end a packet.
    pub fn input(&mut self, side: usize, now: Micros, packet: &[u8]) {
        self.ends[side].kcp.input(packet);
        if self.flush {
            self.ends[side].kcp.flush();
            self.emit(side, now);
        }
    }

    /// Gives one end the packets that have arrived for it.
    pub fn deliver_to(&mut self, side: usize, now: Micros) {
        while let Some(packet) = self.pipes[1 - side].pop(now) {
            self.input(side, now, &packet);
        }
    }
}

impl Pair for KcpPair {
    fn update(&mut self, now: Micros) {
        self.update_end(CLIENT, now);
        self.update_end(SERVER, now);
    }

    fn send(&mut self, side: usize, now: Micros, message: &[u8]) -> Result<()> {
        let code = self.ends[side].kcp.send(message);
        if code < 0 {
            bail!("ikcp_send of {} bytes: {code}", message.len());
        }
        if self.flush {
            self.ends[side].kcp.flush();
            self.emit(side, now);
        }
        Ok(())
    }

    fn deliver(&mut self, now: Micros) {
        self.deliver_to(SERVER, now);
        self.deliver_to(CLIENT, now);
    }

    fn receive(&mut self, side: usize, buffer: &mut [u8]) -> Option<usize> {
        usize::try_from(self.ends[side].kcp.recv(buffer)).ok()
    }

    fn wire(&self) -> [Count; 2] {
        [self.pipes[0].count(), self.pipes[1].count()]
    }

    fn broken(&self) -> Option<&'static str> {
        // The library only reports a dead link; it goes on working, and so does the session.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_named_or_spelled_out() {
        let fast: Mode = "fast+flush".parse().unwrap();
        assert_eq!(
            (
                fast.nodelay,
                fast.interval,
                fast.resend,
                fast.nocwnd,
                fast.minrto,
                fast.flush
            ),
            (2, 10, 1, 1, Some(10), true)
        );
        let custom: Mode = "1,20,2,0".parse().unwrap();
        assert_eq!(
            (custom.interval, custom.minrto, custom.flush),
            (20, None, false)
        );
        for nonsense in [
            "1,20,2",
            "quick",
            "1,5,2,1",
            "1,20,2,1,0",
            "-1,20,2,1",
            "1,20,2,1,10,3",
        ] {
            assert!(nonsense.parse::<Mode>().is_err(), "{nonsense}");
        }
    }
}
