//! `doctor`: reads a capture of connections that somebody else runs, and says why they were late.
//!
//! `frames` reads the file, `datagram` finds UDP in it, `framing` and `flows` find KCP in that. `conversation` gives the segments to
//! two `sender`s, which rebuild what each end knew. `causes` judges each resend, `findings` what it all cost, `report` tells it.

mod both;
pub mod capture;
mod causes;
mod conversation;
mod counters;
mod cwnd;
mod datagram;
mod dispersion;
#[cfg(test)]
mod drawn;
mod fates;
mod findings;
mod flows;
mod frames;
mod framing;
pub mod fuzzed;
#[cfg(test)]
mod go;
mod keys;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod misjudged;
mod outage;
mod page;
#[cfg(test)]
mod plants;
mod played;
mod qlog;
mod replay;
mod report;
#[cfg(test)]
mod ring;
mod sender;
mod stack;
#[cfg(test)]
mod stack_captures;
#[cfg(test)]
mod wireshark;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use kcp_cli::values::{file, number};
use kcp_cli::{OrRefuse, files, interrupt, progress};

use crate::LibraryArgs;

use self::both::{Both, Clock};
use self::causes::{Flushes, Resend, Settings, resends};
use self::findings::{Finding, View, rank};
use self::flows::{Beside, Flows, Found};
use self::frames::Reading;
use self::framing::Framing;
use self::sender::{Sender, Time};

#[derive(Debug, Args)]
pub struct Doctor {
    /// The capture: pcap or pcapng, of either end, both, or something between. A second one, made at the other end at the same time, tells
    /// what became of each packet. Or a file with what connections counted (examples/ring/stats.h)
    #[arg(value_name = "CAPTURE", value_parser = file(), num_args = 1..=2, required = true)]
    captures: Vec<PathBuf>,
    /// Bytes before each packet of KCP [default: worked out]
    #[arg(long, value_name = "BYTES", value_parser = number::<usize>(0..=512))]
    before: Option<usize>,
    /// A key for what kcp-go or kcptun encrypted: aes:PASSWORD as kcptun takes it (also aes-128, aes-192), or hex:BYTES. May be given
    /// several times
    #[arg(long, value_name = "KEY", value_parser = str::parse::<keys::Key>)]
    key: Vec<keys::Key>,
    /// The file to which a program of examples/stack logged the keys of its sessions (KCP_STACK_KEYS for its client and server)
    #[arg(long, value_name = "FILE", value_parser = file())]
    stack_keys: Option<PathBuf>,
    /// Only the conversation with this conv, in decimal or as 0x...
    #[arg(long, value_parser = conv)]
    conv: Option<u32>,
    /// List every resend with its cause
    #[arg(long)]
    resends: bool,
    /// Leave out what each change would bring, which takes a moment: the capture's loss and delay are replayed through this
    /// repository's library
    #[arg(long)]
    no_gain: bool,
    #[command(flatten)]
    library: LibraryArgs,
    /// Write JSON for programs, and nothing else
    #[arg(long)]
    json: bool,
    /// Write a page for a browser: a timeline to zoom, and the findings beside it. It needs no other file
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write qlog for viewers such as qvis: the segments of the first eight conversations
    #[arg(long, value_name = "FILE")]
    qlog: Option<PathBuf>,
}

/// Conversations whose findings get a gain: the first ones.
const REPLAYED: usize = 3;

fn conv(text: &str) -> Result<u32, std::num::ParseIntError> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    }
}

/// One conversation, judged.
pub struct Judged {
    pub found: Found,
    pub settings: [Settings; 2],
    pub resends: [Vec<Resend>; 2],
    pub findings: Vec<Finding>,
}

impl Judged {
    /// What its worst finding costs. A program that has nothing to send is none.
    fn worst(&self) -> Time {
        let sick = self
            .findings
            .iter()
            .filter(|one| one.kind != findings::Kind::Idle);
        sick.map(|one| one.cost).max().unwrap_or(0)
    }
}

/// All that a capture tells.
pub struct Diagnosis {
    pub reading: Reading,
    /// The worst one first, and of about equal ones that with the most packets.
    pub conversations: Vec<Judged>,
    pub beside: Beside,
}

impl Doctor {
    pub fn run(self) -> Result<()> {
        for file in self.html.iter().chain(&self.qlog) {
            files::writable_file(file)?;
        }
        // Not after a gigabyte was read.
        if self.library.given() {
            self.library.open()?;
        }
        for file in &self.captures {
            if counters::is_here(file)? {
                ensure!(
                    self.captures.len() == 1 && self.html.is_none() && self.qlog.is_none(),
                    "{} has counters, no packets: there is nothing to compare or to draw",
                    file.display()
                );
                return counters::run(file, self.json);
            }
        }
        let mut diagnosis = match &self.captures[..] {
            [one] => {
                let (flows, reading) = self.read(one, &|at| at)?;
                diagnose(flows, reading)
            }
            several => of_both_ends(|index, time| self.read(&several[index], time))?,
        };
        if let Some(conv) = self.conv {
            diagnosis.conversations.retain(|one| one.found.conv == conv);
        }
        if !self.no_gain
            && diagnosis
                .conversations
                .iter()
                .any(|one| !one.findings.is_empty())
        {
            let mut replayed = diagnosis.conversations.iter_mut().take(REPLAYED);
            let gains = self.library.open().and_then(|library| {
                replayed.try_for_each(|judged| replay::add_gains(judged, library))
            });
            if let Err(error) = gains {
                eprintln!("warning: no gains are given: {error:#}");
            }
        }
        if let Some(file) = &self.html {
            std::fs::write(file, page::page(&diagnosis))?;
        }
        if let Some(file) = &self.qlog {
            std::fs::write(file, qlog::value(&diagnosis).to_string())?;
        }
        if self.json {
            report::json(&diagnosis);
        } else {
            report::print(&diagnosis, self.resends);
        }
        Ok(())
    }

    /// Reads a capture, with its times as they are to be taken.
    fn read(&self, path: &Path, time: &dyn Fn(Time) -> Time) -> Result<(Flows, Reading)> {
        let bar = progress::bar(std::fs::metadata(path)?.len(), "bytes");
        let forced = self.before.map(|before| Framing {
            before,
            ..Framing::PLAIN
        });
        let mut flows = Flows::new(forced, self.key.clone(), self.qlog.is_some());
        if let Some(file) = &self.stack_keys {
            flows = flows.with_sessions(stack::Sessions::read(file).or_refuse("--stack-keys")?);
        }
        if self.captures.len() > 1 {
            flows = flows.keeping();
        }
        let reading = frames::read(
            path,
            |mut frame| {
                frame.at = time(frame.at);
                flows.frame(&frame);
                !interrupt::requested()
            },
            |done| bar.set_position(done),
        )?;
        bar.finish_and_clear();
        interrupt::tell(format!("{} frames", reading.frames));
        Ok((flows, reading))
    }
}

/// Reads a capture from memory, with its times as they are to be taken.
fn read_bytes(
    capture: &[u8],
    mut flows: Flows,
    time: &dyn Fn(Time) -> Time,
) -> Result<(Flows, Reading)> {
    let reading = frames::read_from(
        std::io::Cursor::new(capture.to_vec()),
        |mut frame| {
            frame.at = time(frame.at);
            flows.frame(&frame);
            true
        },
        |_| {},
    )?;
    Ok((flows, reading))
}

/// What two captures tell, which `read` reads by their number, with times as they are to be taken.
fn of_both_ends(
    read: impl Fn(usize, &dyn Fn(Time) -> Time) -> Result<(Flows, Reading)>,
) -> Result<Diagnosis> {
    let (flows, reading) = read(0, &|at| at)?;
    let (one, beside) = flows.finish();
    let (other, _) = read(1, &|at| at)?;
    let clock = common_clock(&one, &other.finish().0)?;
    let (other, _) = read(1, &|at| clock.convert(at))?;
    Ok(merged(one, other.finish().0, clock, beside, reading))
}

/// The pairs of conversations with the same conv, of two captures.
fn pairs<'a>(
    one: &'a [Found],
    other: &'a [Found],
) -> impl Iterator<Item = (usize, usize, Both, [usize; 2])> + 'a {
    let candidates = both::candidates(one, other).into_iter();
    candidates.filter_map(move |(index, place)| {
        let (both, same) = both::compare(&one[index], &other[place])?;
        Some((index, place, both, same))
    })
}

/// How the clocks of two captures stand to each other, by the conversation that has most in both.
fn common_clock(one: &[Found], other: &[Found]) -> Result<Clock> {
    pairs(one, other)
        .max_by_key(|(_, _, both, _)| both.common())
        .map(|(_, _, both, _)| both.clock)
        .context(
            "no conversation passed both captures, in both directions, at different ends: they may be of different times, or of one place",
        )
}

/// The conversations that are in both captures; the second one by the first one's clock, which `clock` has made of it.
fn merged(
    one: Vec<Found>,
    other: Vec<Found>,
    clock: Clock,
    beside: Beside,
    reading: Reading,
) -> Diagnosis {
    let mut found: Vec<(usize, usize, Both, [usize; 2])> = pairs(&one, &other).collect();
    // Sessions with one conv may have some packets that are alike, but never as many as a session has in common with itself.
    found.sort_by_key(|(_, _, both, _)| std::cmp::Reverse(both.common()));
    let mut one: Vec<Option<Found>> = one.into_iter().map(Some).collect();
    let mut other: Vec<Option<Found>> = other.into_iter().map(Some).collect();
    let mut conversations = Vec::new();
    for (first, second, mut both, same) in found {
        both.clock = clock;
        if let (Some(first), Some(second)) = (one[first].take(), other[second].take()) {
            conversations.push(judge(both::join(first, second, both, same)));
        }
    }
    // One that uses the number of another may have been answered nowhere, so that it has one direction only.
    for alone in one.into_iter().flatten() {
        let beside = |judged: &Judged| {
            let ends = &judged.found.ends;
            judged.found.conv == alone.conv && ends.iter().any(|end| alone.ends.contains(end))
        };
        if conversations.iter().any(beside) {
            conversations.push(judge(alone));
        }
    }
    finish(conversations, beside, reading)
}

/// The names of the two ends in sentences.
pub fn names(found: &Found) -> [String; 2] {
    found.ends.map(|end| end.to_string())
}

/// The time between packets of an end that sends little but acknowledgements, ms.
fn ack_period(sender: &Sender) -> Option<u32> {
    let total: u64 = sender.packet_gaps.values().sum();
    // The way here stretches some gaps and shortens others.
    let usual = sender::percentile(&sender.packet_gaps, 25)?;
    (total >= 20 && usual >= 15).then(|| sender::percentile(&sender.packet_gaps, 50))?
}

fn diagnose(flows: Flows, reading: Reading) -> Diagnosis {
    let (found, beside) = flows.finish();
    finish(found.into_iter().map(judge).collect(), beside, reading)
}

fn finish(mut conversations: Vec<Judged>, beside: Beside, reading: Reading) -> Diagnosis {
    two_addresses(&mut conversations);
    wrong_conv(&mut conversations);
    conversations.sort_by_key(|one| {
        let packets = one.found.conversation.packets.iter().sum::<u64>();
        // Less than twice the cost makes no one worse.
        std::cmp::Reverse((one.worst().checked_ilog2(), packets))
    });
    Diagnosis {
        reading,
        conversations,
        beside,
    }
}

fn judge(found: Found) -> Judged {
    let senders = &found.conversation.senders;
    let settings = [Settings::of(&senders[0]), Settings::of(&senders[1])];
    let mut resends = [0, 1].map(|side| resends(&senders[side], &settings[side]));
    if let Some(both) = &found.both {
        for side in [0, 1] {
            both::correct(&both.ways[side], &senders[side], &mut resends[side]);
        }
    }
    let names = names(&found);
    let mut all = Vec::new();
    for side in [0, 1] {
        let view = View {
            side,
            sender: &senders[side],
            settings: &settings[side],
            resends: &resends[side],
            peer_sender: &senders[1 - side],
            from: found.conversation.from.unwrap_or(0),
            to: found.conversation.to,
            name: &names[side],
            peer_name: &names[1 - side],
            peer_beside: found.strange_until[1 - side],
            peer_losses: causes::lost(&senders[1 - side], &resends[1 - side]).count() as u64,
            pace: found.conversation.pace(side),
        };
        all.extend(view.findings());
    }
    Judged {
        settings,
        resends,
        findings: rank(all),
        found,
    }
}

/// Conversations with the same conv and one end in common, at the same time: two programs that take each other's number.
fn two_addresses(conversations: &mut [Judged]) {
    let spans: Vec<_> = conversations
        .iter()
        .map(|one| {
            let conversation = &one.found.conversation;
            (
                one.found.conv,
                one.found.ends,
                conversation.from.unwrap_or(0),
                conversation.to,
            )
        })
        .collect();
    for (index, one) in conversations.iter_mut().enumerate() {
        let (conv, ends, from, to) = spans[index];
        for (other, span) in spans.iter().enumerate() {
            let shared = ends.iter().position(|end| span.1.contains(end));
            let together = to.min(span.3) - from.max(span.2);
            if other == index || span.0 != conv || together <= 0 {
                continue;
            }
            if let Some(shared) = shared {
                one.findings.push(Finding {
                    kind: findings::Kind::TwoSenders,
                    side: 1 - shared,
                    cost: together,
                    what: format!(
                        "another address talks to {} under the same conv at the same time",
                        ends[shared]
                    ),
                    change: "a conv of its own for each connection".to_string(),
                    usual: true,
                    gain: None,
                });
                one.findings = rank(std::mem::take(&mut one.findings));
                break;
            }
        }
    }
}

/// Each end of a flow speaks under a conv of its own, so neither takes what the other says.
fn wrong_conv(conversations: &mut [Judged]) {
    let told: Vec<_> = conversations
        .iter()
        .map(|one| {
            let conversation = &one.found.conversation;
            let only = conversation
                .packets
                .iter()
                .position(|&count| count == 0)
                .map(|silent| 1 - silent);
            (
                one.found.ends,
                one.found.conv,
                only,
                conversation.from.unwrap_or(0),
                conversation.to,
            )
        })
        .collect();
    for (one, (ends, conv, only, from, to)) in conversations.iter_mut().zip(&told) {
        let Some(side) = *only else { continue };
        let other = told.iter().find(|other| {
            other.0 == *ends && other.2 == Some(1 - side) && other.3 < *to && *from < other.4
        });
        if let Some(other) = other {
            one.findings.push(Finding {
                kind: findings::Kind::WrongConv,
                side,
                cost: to - from,
                what: format!(
                    "{} speaks under conv {conv:#x}, {} under {:#x}: each refuses what the other sends",
                    ends[side],
                    ends[1 - side],
                    other.1
                ),
                change: "the same conv in ikcp_create at both ends".to_string(),
                usual: true,
                gain: None,
            });
            one.findings = rank(std::mem::take(&mut one.findings));
        }
    }
}

/// How a sender's flushes are told.
pub fn flushes(settings: &Settings) -> String {
    match settings.flushes {
        _ if let Some(interval @ 18..) = settings.interval => {
            format!("every {interval} ms, and between")
        }
        Flushes::Every(period) => format!("every {period} ms"),
        Flushes::Ticks => "on ticks of 15.6 ms".to_string(),
        Flushes::Free => "at any time".to_string(),
        Flushes::Unknown => "?".to_string(),
    }
}
