//! KCP in virtual time: a mode, one end of a connection, and the pair of both ends with the link between them.

use std::cell::RefCell;
use std::mem::replace;
use std::rc::Rc;
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use kcp_abi::{Expiry, Kcp, Library};
use kcp_cli::demand;
use kcp_cli::values::number;

use crate::link::{Config, Count, Fate, Link, Micros, Pipe, UDP_IP_HEADERS};
use crate::session::{CLIENT, Pair, SERVER, TICK};

/// A congestion control of ikcpx.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Controller {
    Bbr,
    Cubic,
}

impl Controller {
    /// Its name in modes, and the function that returns it.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Controller::Bbr => ("bbr", "ikcpx_bbr"),
            Controller::Cubic => ("cubic", "ikcpx_cubic"),
        }
    }

    fn named(name: &str) -> Option<Controller> {
        [Controller::Bbr, Controller::Cubic]
            .into_iter()
            .find(|one| one.names().0 == name)
    }
}

/// When a program calls `ikcp_update`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drive {
    /// On a clock of this period.
    Every(Micros),
    /// When `ikcp_check` says.
    Check,
}

/// How a connection is set up: the arguments of `ikcp_nodelay`, and what programs set besides.
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
    pub drive: Drive,
    pub controller: Option<Controller>,
    /// `ikcpx_rack`
    pub rack: bool,
    /// The budget for `ikcpx_redundancy` in percent, 0 for none.
    pub redundancy: i32,
}

/// The longest message that `ikcp_send` accepts with the default MTU: 127 fragments.
pub const LONGEST_MESSAGE: usize = 127 * 1376;

/// A window in segments; the header has 16 bits for it.
pub fn window() -> impl clap::builder::TypedValueParser<Value = i32> {
    number(1..=65_535)
}

/// For `--help` of every subcommand that takes a mode.
pub const MODE_HELP: &str = "\
default  0,10,0,0      like TCP: congestion window, no fast resend
normal   0,10,0,1      without congestion window
fast     2,10,1,1,10   as the test of KCP's documentation: RTO grows by half of the estimate, resend after one skip, RTO from 10 ms
turbo    1,10,2,1      the README's advice for games: RTO grows by 1.5, resend after two skips, RTO from 30 ms
bbr      turbo+bbr     with the congestion control that ikcpx_bbr returns
cubic    turbo+cubic   with that of ikcpx_cubic
or the arguments of ikcp_nodelay: nodelay,interval,resend,nocwnd and optionally rx_minrto. An interval below 10 ms is written into \
the structure, since ikcp_nodelay does not take it.

Behind any of them, in any order:
+flush   ikcp_flush after each send and each input
+bbr     the congestion control of ikcpx_bbr; +cubic that of ikcpx_cubic
+rack    losses told by time: ikcpx_rack
+20%     up to 20 % of the payload once more where packets are lost: ikcpx_redundancy; any budget from 1 to 100 %
+20ms    ikcp_update every 20 ms, and no longer each millisecond; any time from 1 to 1000 ms
+check   ikcp_update when ikcp_check says";

impl FromStr for Mode {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Mode> {
        let mut words = text.split('+');
        let base = words.next().unwrap_or_default();
        let mut controller = Controller::named(base);
        let numbers = match base {
            "default" => "0,10,0,0",
            "normal" => "0,10,0,1",
            "fast" => "2,10,1,1,10",
            "turbo" => "1,10,2,1",
            _ if controller.is_some() => "1,10,2,1",
            custom => custom,
        };
        let numbers: Vec<i32> = numbers
            .split(',')
            .map(|number| number.trim().parse())
            .collect::<Result<_, _>>()
            .with_context(|| {
                format!("unknown mode `{base}`: expected default, normal, fast, turbo, bbr, cubic, or four or five numbers with commas between")
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
            ("interval", interval, 1..=5_000),
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
        let (mut flush, mut rack, mut redundancy, mut drive) = (false, false, 0, None);
        for word in words {
            let has_it = match (word, Controller::named(word)) {
                ("flush", _) => replace(&mut flush, true),
                ("rack", _) => replace(&mut rack, true),
                (_, None) if word.ends_with('%') => replace(&mut redundancy, percent(word)?) > 0,
                (_, Some(named)) => controller.replace(named).is_some(),
                _ => drive.replace(word.parse()?).is_some(),
            };
            ensure!(!has_it, "`+{word}`: the mode has one already");
        }
        Ok(Mode {
            name: text.to_string(),
            nodelay,
            interval,
            resend,
            nocwnd,
            minrto,
            flush,
            drive: drive.unwrap_or(Drive::Every(TICK)),
            controller,
            rack,
            redundancy,
        })
    }
}

/// The budget that a word like `20%` names.
fn percent(word: &str) -> Result<i32> {
    word.strip_suffix('%')
        .and_then(|number| number.parse().ok())
        .filter(|percent| (1..=100).contains(percent))
        .with_context(|| format!("`+{word}`: expected a budget from +1% to +100%"))
}

impl FromStr for Drive {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Drive> {
        if text == "check" {
            return Ok(Drive::Check);
        }
        text.strip_suffix("ms")
            .and_then(|number| number.parse().ok())
            .filter(|period| (1..=1_000).contains(period))
            .map(|period: Micros| Drive::Every(period * TICK))
            .with_context(|| {
                format!("`+{text}`: expected +flush, +bbr, +cubic, +rack, +check, a time such as +20ms, or a budget such as +20%")
            })
    }
}

impl Mode {
    /// The longer of its two periods: a program may start anywhere in it.
    pub fn period(&self) -> Micros {
        let interval = self.interval as Micros * TICK;
        match self.drive {
            Drive::Every(period) => period.max(interval),
            Drive::Check => interval,
        }
    }

    /// Whether a segment may be retransmitted before its timer has run out, although it was skipped less often than `resend`.
    pub fn tells_loss_by_time(&self) -> bool {
        self.rack || self.controller.is_some()
    }

    /// The functions of ikcpx.h that the mode calls, with their values.
    fn settings(&self) -> impl Iterator<Item = (&'static str, i32)> {
        let all = [
            ("ikcpx_rack", i32::from(self.rack)),
            ("ikcpx_redundancy", self.redundancy),
        ];
        all.into_iter().filter(|(_, value)| *value != 0)
    }

    /// An error if the library lacks something that the mode needs.
    pub fn demand_of(&self, library: &Library) -> Result<()> {
        let lacks = |function: &str| {
            format!(
                "mode {}: {} has no {function}",
                self.name,
                library.path().display()
            )
        };
        if let Some((_, function)) = self.controller.map(Controller::names) {
            demand!(
                library.controller(function).is_some(),
                "{}",
                lacks(function)
            );
        }
        for (function, _) in self.settings() {
            demand!(library.setting(function).is_some(), "{}", lacks(function));
        }
        Ok(())
    }
}

/// Packets that an end has handed out, until the link takes them. They are in one buffer, so that the output callback costs only
/// a copy where the library's time is measured.
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
    drive: Drive,
    /// When its program calls `ikcp_update`, or first asks `ikcp_check`.
    next_update: Micros,
}

impl Endpoint {
    /// `first_update` is where its flush clock starts: the ends of a connection flush on different milliseconds, as on two machines.
    pub fn new(
        library: &'static Library,
        conv: u32,
        mode: &Mode,
        window: i32,
        first_update: Micros,
    ) -> Result<Endpoint> {
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
        let interval = mode.interval as u32;
        if kcp.fields().interval > interval {
            kcp.edit(|fields| fields.interval = interval);
        }
        if let Some((_, function)) = mode.controller.map(Controller::names) {
            let ops = library.controller(function);
            let ops = ops.with_context(|| format!("the library has no {function}"))?;
            ensure!(kcp.setcc(ops) == 0, "ikcp_setcc refuses {function}");
        }
        for (function, value) in mode.settings() {
            let setting = library.setting(function);
            let setting = setting.with_context(|| format!("the library has no {function}"))?;
            ensure!(kcp.set(setting, value) == 0, "{function} refuses");
        }
        Ok(Endpoint {
            kcp,
            outbox,
            drive: mode.drive,
            next_update: first_update,
        })
    }

    /// Sets both windows. Other implementations have receive windows below 128, of which `ikcp_wndsize` makes 128.
    pub fn set_windows(&mut self, send: i32, receive: i32) {
        self.kcp.wndsize(send, receive);
        self.kcp
            .edit(|fields| fields.rcv_wnd = receive.cast_unsigned());
    }

    /// Whether the end's program calls `ikcp_update` now. Call this once per millisecond.
    pub fn is_due(&mut self, now: Micros) -> bool {
        if now < self.next_update {
            return false;
        }
        match self.drive {
            Drive::Every(period) => {
                let missed = (now - self.next_update) / period;
                self.next_update += (missed + 1) * period;
                true
            }
            // A program that sleeps, and asks again after each send and input.
            Drive::Check => self.kcp.check(millis(now)) == millis(now),
        }
    }

    /// Passes the packets that the end has handed out to `sink`.
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

/// The time in milliseconds, as KCP counts.
pub fn millis(now: Micros) -> u32 {
    (now / 1000) as u32
}

/// A packet that is sent over the link.
pub struct Sent<'a> {
    pub at: Micros,
    pub side: usize,
    pub packet: &'a [u8],
    /// How long it waits in the queue, if the queue has room for it.
    pub waits: Micros,
    pub fate: Fate,
}

/// Called for each packet that is sent over the link.
pub type Tap = Box<dyn FnMut(Sent)>;

/// A connection, with the link between its ends.
pub struct KcpPair {
    pub ends: [Endpoint; 2],
    pub pipes: [Pipe; 2],
    flush: bool,
    /// After how long the messages of both ends expire, ms.
    expiry: Option<(Expiry, i32)>,
    tap: Option<Tap>,
}

impl KcpPair {
    /// `stream` distinguishes sessions of one run; `first_update` is the start of each end's flush clock.
    pub fn new(
        library: &'static Library,
        mode: &Mode,
        window: i32,
        link: Config,
        seed: u64,
        stream: u64,
        first_update: [Micros; 2],
    ) -> Result<KcpPair> {
        let modes = [mode, mode];
        KcpPair::with_modes(library, modes, window, link, seed, stream, first_update)
    }

    /// The same where the ends need not be alike, but for `+flush`, which is the client's.
    pub fn with_modes(
        library: &'static Library,
        modes: [&Mode; 2],
        window: i32,
        link: Config,
        seed: u64,
        stream: u64,
        first_update: [Micros; 2],
    ) -> Result<KcpPair> {
        const CONV: u32 = 0x1122_3344;
        Ok(KcpPair {
            ends: [
                Endpoint::new(library, CONV, modes[CLIENT], window, first_update[CLIENT])?,
                Endpoint::new(library, CONV, modes[SERVER], window, first_update[SERVER])?,
            ],
            pipes: [0, 1].map(|direction| Pipe::new(Link::new(link, seed, 2 * stream + direction))),
            flush: modes[CLIENT].flush,
            expiry: None,
            tap: None,
        })
    }

    /// Lets messages expire after so many milliseconds; what is in flight then goes on as one byte.
    pub fn expire(&mut self, milliseconds: i32) -> Result<()> {
        for end in &mut self.ends {
            let expiry = end.kcp.library().expiry();
            let expiry = expiry.context("the library has no ikcpx_send_until")?;
            ensure!(end.kcp.stub(expiry, b"-") == 0, "ikcpx_stub refuses");
            self.expiry = Some((expiry, milliseconds));
        }
        Ok(())
    }

    pub fn tap(&mut self, tap: Tap) {
        self.tap = Some(tap);
    }

    /// Sends the packets of one end over the link.
    pub fn emit(&mut self, side: usize, now: Micros) {
        let pipe = &mut self.pipes[side];
        let tap = &mut self.tap;
        self.ends[side].emit(|packet| {
            let waits = pipe.waiting(now);
            let fate = pipe.push(now, packet.to_vec(), packet.len() + UDP_IP_HEADERS);
            if let Some(tap) = tap {
                tap(Sent {
                    at: now,
                    side,
                    packet,
                    waits,
                    fate,
                });
            }
        });
    }

    /// Updates one end, if its program does so now.
    pub fn update_end(&mut self, side: usize, now: Micros) {
        if self.ends[side].is_due(now) {
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
        let kcp = &mut self.ends[side].kcp;
        let code = match self.expiry {
            Some((expiry, milliseconds)) => kcp.send_until(expiry, message, milliseconds),
            None => kcp.send(message),
        };
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
        // The library only reports a dead link; it keeps working, and so does the session.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    /// The milliseconds, of the first 100, in which a connection without traffic is updated.
    fn updates(mode: &str, first: Micros) -> Vec<u32> {
        let mode: Mode = mode.parse().unwrap();
        let mut end = Endpoint::new(testing::library(), 1, &mode, 32, first).unwrap();
        let due = |now: &Micros| {
            let due = end.is_due(*now);
            if due {
                end.kcp.update(millis(*now));
            }
            due
        };
        (0..100_000)
            .step_by(TICK as usize)
            .filter(due)
            .map(millis)
            .collect()
    }

    #[test]
    fn programs_update_on_a_clock_or_when_check_says() {
        assert_eq!(updates("turbo", 3_000), (3..100).collect::<Vec<_>>());
        assert_eq!(updates("turbo+20ms", 7_000), [7, 27, 47, 67, 87]);
        assert_eq!(updates("1,40,2,1+check", 5_000), [5, 45, 85]);
        assert_eq!(updates("1,2,2,1+check", 91_000), [91, 93, 95, 97, 99]);
    }

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
        let bbr: Mode = "bbr".parse().unwrap();
        let spelled: Mode = "1,10,2,1+bbr".parse().unwrap();
        let name = bbr.name.clone();
        assert_eq!(Mode { name, ..spelled }, bbr);
        let all: Mode = "1,1,0,1+check+cubic+rack+flush".parse().unwrap();
        assert_eq!((all.interval, all.drive), (1, Drive::Check));
        assert_eq!(all.controller, Some(Controller::Cubic));
        assert!(all.rack && all.flush && all.redundancy == 0);
        assert_eq!("fast+flush+20%".parse::<Mode>().unwrap().redundancy, 20);
        let slow: Mode = "normal+20ms".parse().unwrap();
        assert_eq!(slow.drive, Drive::Every(20_000));
        for nonsense in [
            "1,20,2",
            "quick",
            "1,0,2,1",
            "1,20,2,1,0",
            "-1,20,2,1",
            "1,20,2,1,10,3",
            "turbo+",
            "turbo+warp",
            "turbo+0ms",
            "turbo+1001ms",
            "turbo+flush+flush",
            "turbo+check+10ms",
            "bbr+cubic",
            "+bbr",
            "turbo+0%",
            "turbo+101%",
            "turbo+%",
            "turbo+20%+30%",
        ] {
            assert!(nonsense.parse::<Mode>().is_err(), "{nonsense}");
        }
    }
}
