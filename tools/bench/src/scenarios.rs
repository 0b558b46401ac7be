//! What is measured, line by line of the table, and what each line has to reach.

use crate::hostile::{Hostile, Order};
use crate::idle::Idle;
use crate::link::Path;
use crate::memory::Footprint;
use crate::size::Code;
use crate::transfer::{Flush, Transfer};
use crate::trickle::Trickle;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Work {
    Transfer(Transfer),
    Idle(Idle),
    Trickle(Trickle),
    Hostile(Hostile),
    Memory(Footprint),
    Size(Code),
}

/// What a figure is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// Nanoseconds per KiB delivered.
    Kib,
    /// Nanoseconds per packet sent by the sending side.
    Packet,
    /// Nanoseconds per operation.
    Operation,
    /// Bytes.
    Byte,
}

impl Per {
    pub fn unit(self) -> &'static str {
        match self {
            Per::Kib => "ns/KiB",
            Per::Packet => "ns/packet",
            Per::Operation => "ns",
            Per::Byte => "bytes",
        }
    }
}

/// The limit for this library.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// Reported for comparison only.
    None,
    /// A multiple of the null protocol's figure.
    Null(f64),
    /// A multiple of the null protocol's figure in another scenario.
    NullIn(&'static str, f64),
    /// A multiple of the original's figure.
    Original(f64),
    /// A multiple of our own figure in another scenario.
    OwnIn(&'static str, f64),
    /// This figure.
    AtMost(f64),
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub title: &'static str,
    pub per: Per,
    pub target: Target,
}

/// One piece of work and the lines it fills.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: &'static str,
    pub work: Work,
    pub lines: Vec<Line>,
    /// Takes about a minute with implementations that walk lists: repeated less, left out of quick runs.
    pub slow: bool,
}

impl Scenario {
    /// The scenarios whose figures its targets refer to.
    pub fn needs(&self) -> impl Iterator<Item = &'static str> {
        self.lines.iter().filter_map(|line| match line.target {
            Target::NullIn(name, _) | Target::OwnIn(name, _) => Some(name),
            _ => None,
        })
    }
}

const MB: u64 = 1_000_000;
/// Payload of a full segment.
const FULL: usize = 1376;
const CLEAN: Path = Path {
    delay: 20,
    jitter: 0,
    loss: 0.0,
    rate: 0,
};
/// 20 to 40 ms.
const LOSSY_1: Path = Path {
    delay: 20,
    jitter: 20,
    loss: 0.01,
    rate: 0,
};
const LOSSY_5: Path = Path {
    delay: 20,
    jitter: 20,
    loss: 0.05,
    rate: 0,
};

/// Messages over `path`, without extra flushes.
pub fn messages(message: usize, window: u32, path: Path, total: u64) -> Transfer {
    Transfer {
        message,
        window,
        stream: false,
        path,
        flush: Flush::Never,
        control: None,
        total,
    }
}

/// The bytes that the curve and quick runs deliver: enough windows for a steady state after the warm-up.
pub fn steady(work: &Transfer) -> u64 {
    let segment = if work.stream { FULL } else { work.message };
    (u64::from(work.window) * segment as u64 * 6).max(2 * MB)
}

fn scenario(
    name: &'static str,
    work: Work,
    title: &'static str,
    per: Per,
    target: Target,
) -> Scenario {
    Scenario {
        name,
        work,
        lines: vec![Line { title, per, target }],
        slow: false,
    }
}

fn transfer(name: &'static str, work: Transfer, title: &'static str, target: Target) -> Scenario {
    scenario(name, Work::Transfer(work), title, Per::Kib, target)
}

/// The target is to be no slower than the original.
fn trickle(name: &'static str, message: usize, title: &'static str) -> Scenario {
    scenario(
        name,
        Work::Trickle(Trickle {
            connections: 3000,
            message,
            turns: 50,
        }),
        title,
        Per::Operation,
        Target::Original(1.0),
    )
}

fn hostile(
    name: &'static str,
    order: Order,
    window: u32,
    times: u32,
    title: &'static str,
    most: f64,
) -> Scenario {
    let work = Work::Hostile(Hostile {
        order,
        window,
        times,
    });
    scenario(name, work, title, Per::Operation, Target::AtMost(most))
}

/// All scenarios, in the table's order.
pub fn all() -> Vec<Scenario> {
    use Target::{AtMost, NullIn, OwnIn};
    let clean = |message, window, total| messages(message, window, CLEAN, total);
    let lossy = |message, window, total| messages(message, window, LOSSY_1, total);
    let flushing = |flush, work| Transfer { flush, ..work };
    let stream = Transfer {
        stream: true,
        ..clean(1, 1024, 10 * MB)
    };

    let mut hard = transfer(
        "loss-32768",
        lossy(FULL, 32_768, 200 * MB),
        "1,376 B, 1 % loss, 20 to 40 ms, window 32,768",
        Target::Original(0.01),
    );
    hard.slow = true;
    hard.lines.push(Line {
        title: "the same, per packet sent (target: null without loss)",
        per: Per::Packet,
        target: NullIn("bulk-32768", 1.6),
    });

    vec![
        transfer(
            "bulk-128",
            clean(FULL, 128, 100 * MB),
            "1,376 B, no loss, 20 ms, window 128",
            Target::Null(1.2),
        ),
        transfer(
            "bulk-1024",
            clean(FULL, 1024, 200 * MB),
            "1,376 B, no loss, 20 ms, window 1,024",
            Target::Null(1.2),
        ),
        transfer(
            "bulk-8192",
            clean(FULL, 8192, 200 * MB),
            "1,376 B, no loss, 20 ms, window 8,192",
            Target::Null(1.25),
        ),
        transfer(
            "bulk-32768",
            clean(FULL, 32_768, 400 * MB),
            "1,376 B, no loss, 20 ms, window 32,768",
            Target::Null(1.2),
        ),
        transfer(
            "small-128",
            clean(64, 128, 20 * MB),
            "64 B, no loss, 20 ms, window 128",
            Target::Null(1.35),
        ),
        transfer(
            "loss-1024",
            lossy(FULL, 1024, 50 * MB),
            "1,376 B, 1 % loss, 20 to 40 ms, window 1,024",
            Target::Original(0.17),
        ),
        transfer(
            "loss-8192",
            lossy(FULL, 8192, 60 * MB),
            "1,376 B, 1 % loss, 20 to 40 ms, window 8,192",
            Target::Original(0.045),
        ),
        hard,
        transfer(
            "small-loss-1024",
            messages(64, 1024, LOSSY_5, 10 * MB),
            "64 B, 5 % loss, 20 to 40 ms, window 1,024",
            Target::Original(0.07),
        ),
        transfer(
            "stream-1024",
            stream,
            "stream, 1-byte writes, no loss, window 1,024",
            Target::Original(0.1),
        ),
        transfer(
            "small-1024",
            clean(64, 1024, 20 * MB),
            "64 B, no loss, 20 ms, window 1,024",
            Target::None,
        ),
        transfer(
            "small-1024-flush",
            flushing(Flush::AfterSend, clean(64, 1024, 8 * MB)),
            "the same, flush after every send",
            OwnIn("small-1024", 1.1),
        ),
        transfer(
            "bulk-1024-flush",
            flushing(Flush::AfterSendAndInput, clean(FULL, 1024, 100 * MB)),
            "1,376 B, no loss, window 1,024, flush after every send and input",
            OwnIn("bulk-1024", 1.2),
        ),
        transfer(
            "loss-1024-flush",
            flushing(Flush::AfterSendAndInput, lossy(FULL, 1024, 50 * MB)),
            "1,376 B, 1 % loss, window 1,024, flush after every send and input",
            OwnIn("loss-1024", 2.0),
        ),
        scenario(
            "idle",
            Work::Idle(Idle {
                connections: 10_000,
                in_flight: 32,
                milliseconds: 100,
            }),
            "10,000 connections, 32 in flight, nothing due: update and check",
            Per::Operation,
            AtMost(35.0),
        ),
        trickle(
            "trickle-64",
            64,
            "3,000 connections, 64 B each 10 ms: a message and its acknowledgement",
        ),
        trickle(
            "trickle-1376",
            FULL,
            "3,000 connections, 1,376 B each 10 ms",
        ),
        hostile(
            "reverse",
            Order::Reverse,
            32_768,
            0,
            "window 32,768: segment arriving in reverse order",
            450.0,
        ),
        hostile(
            "duplicate",
            Order::DuplicateOfOldest,
            32_768,
            2000,
            "window 32,768: duplicate of the oldest",
            50.0,
        ),
        hostile(
            "tail-ack",
            Order::AcknowledgedFromTail,
            32_768,
            2000,
            "window 32,768: acknowledgement from the tail",
            600.0,
        ),
        hostile(
            "hole-acks",
            Order::AcknowledgedIntoHole,
            32_768,
            4,
            "window 32,768: datagram of 2,729 acknowledgements into a hole",
            50_000.0,
        ),
        hostile(
            "peeksize",
            Order::Peek,
            1024,
            10_000,
            "ikcp_peeksize at 1,024 queued fragments",
            100.0,
        ),
        hostile(
            "refused-recv",
            Order::RefusedRecv,
            1024,
            10_000,
            "refused ikcp_recv at 1,024 queued fragments",
            100.0,
        ),
        scenario(
            "memory-idle",
            Work::Memory(Footprint::New),
            "memory of an idle connection",
            Per::Byte,
            AtMost(2100.0),
        ),
        scenario(
            "memory-after-burst",
            Work::Memory(Footprint::AfterBurst),
            "memory of a connection idle for a minute after a burst",
            Per::Byte,
            AtMost(2100.0),
        ),
        scenario(
            "memory-after-burst-checked",
            Work::Memory(Footprint::AfterBurstChecked),
            "the same, updated only when ikcp_check says so",
            Per::Byte,
            AtMost(2100.0),
        ),
        scenario(
            "memory-queued",
            Work::Memory(Footprint::Queued),
            "memory with 200 messages of 64 B queued",
            Per::Byte,
            AtMost(31_768.0),
        ),
        scenario(
            "memory-in-flight",
            Work::Memory(Footprint::InFlight),
            "memory with 200 messages of 1,376 B in flight",
            Per::Byte,
            AtMost(294_168.0),
        ),
        scenario(
            "size-shared",
            Work::Size(Code::Shared),
            "stripped libkcp.so",
            Per::Byte,
            AtMost(40_960.0),
        ),
        scenario(
            "size-static",
            Work::Size(Code::Static),
            "text added to a static program with --gc-sections",
            Per::Byte,
            AtMost(32_768.0),
        ),
    ]
}

/// All scenarios whose name contains one of `filters` (without filters, all), and those that their targets refer to.
pub fn selected(filters: &[String], quick: bool) -> Vec<Scenario> {
    let all = all();
    let named = |scenario: &Scenario| {
        filters
            .iter()
            .any(|filter| scenario.name.contains(filter.as_str()))
    };
    let mut names: Vec<_> = all
        .iter()
        .filter(|scenario| named(scenario) || (filters.is_empty() && !(quick && scenario.slow)))
        .flat_map(|scenario| std::iter::once(scenario.name).chain(scenario.needs()))
        .collect();
    names.sort_unstable();
    let mut chosen: Vec<_> = all
        .into_iter()
        .filter(|scenario| names.binary_search(&scenario.name).is_ok())
        .collect();
    if quick {
        for scenario in &mut chosen {
            if let Work::Transfer(work) = &mut scenario.work {
                work.total = (work.total / 8).max(steady(work)).min(work.total);
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_brings_along_what_its_targets_refer_to() {
        let names = |filters: &[&str], quick| {
            let filters: Vec<_> = filters.iter().map(|filter| filter.to_string()).collect();
            selected(&filters, quick)
                .iter()
                .map(|scenario| scenario.name)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            names(&["small-1024-flush"], false),
            ["small-1024", "small-1024-flush"]
        );
        assert_eq!(names(&["loss-32768"], true), ["bulk-32768", "loss-32768"]);
        assert_eq!(names(&[], false).len(), all().len());
        assert_eq!(names(&[], true).len(), all().len() - 1);
        assert!(names(&["no such"], false).is_empty());
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = all().iter().map(|scenario| scenario.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all().len());
    }
}
