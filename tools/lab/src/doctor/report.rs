//! What was found, in words and tables for people, in JSON for programs.

use serde_json::{Value, json};

use super::both::Way;
use super::causes::{FastResend, Need, Resend, Settings, Trigger};
use super::findings::{FEW, Finding, Kind, ack_loss};
use super::flows::{Ends, Found};
use super::sender::{MS, Sender, Time, percentile};
use super::{Diagnosis, Judged, flushes, names};
use crate::table::Table;

fn resend(settings: &Settings) -> String {
    match settings.fast_resend {
        FastResend::After(count) => count.to_string(),
        FastResend::Off => "off".to_string(),
        FastResend::MoreThan(0) => "?".to_string(),
        FastResend::MoreThan(count) => format!("more than {count}, or off"),
    }
}

fn or_unknown<T: ToString>(value: Option<T>) -> String {
    value.map_or("?".to_string(), |value| value.to_string())
}

fn count(resends: &[Resend], wanted: impl Fn(&Resend) -> bool) -> usize {
    resends.iter().filter(|one| wanted(one)).count()
}

/// The share of an end's transmissions that were lost.
fn loss(sender: &Sender, resends: &[Resend]) -> f64 {
    super::causes::lost(sender, resends).count() as f64
        / (sender.fresh + sender.resends).max(1) as f64
}

/// Those that this made the sender send again, since they were lost.
fn lost_by(trigger: Trigger, sender: &Sender, resends: &[Resend]) -> String {
    let lost = super::causes::lost(sender, resends);
    lost.filter(|one| one.trigger == trigger)
        .count()
        .to_string()
}

pub fn print(diagnosis: &Diagnosis, every_resend: bool) {
    let reading = &diagnosis.reading;
    println!(
        "{} frames, {} UDP datagrams, {} conversations of KCP",
        reading.frames,
        diagnosis.beside.datagrams,
        diagnosis.conversations.len()
    );
    if let Some(damage) = &reading.damage {
        println!("The capture is damaged: {damage}. What follows is what came before.");
    }
    if diagnosis.beside.left_out > 0 {
        println!(
            "{} datagrams were left out: too many flows at once.",
            diagnosis.beside.left_out
        );
    }
    let beside = &diagnosis.beside;
    for (link, frames) in &beside.unreadable {
        println!("{frames} frames of link type {link} cannot be read: what they carry is unknown.");
    }
    if beside.cut > 0 {
        println!(
            "{} datagrams were cut by the capture (a larger -s keeps all), {} of them to nothing, {} inside KCP's first header, of which nothing \
             shows. Segments behind the cut are missing below: acknowledgements may seem lost that are only there.",
            beside.cut, beside.cut_to_nothing, beside.cut_in_header
        );
    }
    if beside.fragments > 0 {
        println!(
            "{} datagrams came in pieces of IP: only the first piece of each was read.",
            beside.fragments
        );
    }
    for (ends, datagrams) in &diagnosis.beside.noise {
        println!(
            "{} - {}: {datagrams} datagrams, encrypted: every byte looks random, as with kcptun and kcp-go by default. This is not \"no KCP\"; \
             with --key it may be read.",
            ends[0], ends[1]
        );
    }
    for (ends, datagrams) in &diagnosis.beside.sessions {
        println!(
            "{} - {}: {datagrams} datagrams, encrypted: a session of the stack in examples/stack. --stack-keys reads it, with the file that \
             session_key_log wrote at either end.",
            ends[0], ends[1]
        );
    }
    if diagnosis.beside.other > 0 {
        println!(
            "{} flows of other protocols, {} datagrams",
            diagnosis.beside.other, diagnosis.beside.other_datagrams
        );
    }
    for judged in &diagnosis.conversations {
        conversation(judged, every_resend);
    }
}

/// Fewer may be of packets that passed just before the capture began.
const UNCAPTURED: u64 = 5;

fn conversation(judged: &Judged, every_resend: bool) {
    let found = &judged.found;
    let names = names(found);
    let conversation = &found.conversation;
    let length = (conversation.to - conversation.from.unwrap_or(conversation.to)) as f64 / 1e6;
    println!();
    println!(
        "conv {:#010x}: {} - {}, {length:.1} s, {}{}",
        found.conv,
        names[0],
        names[1],
        framing(found),
        match (found.encrypted, found.is_session) {
            (_, true) => ", encrypted, a session of the stack",
            (true, false) => ", encrypted",
            (false, false) => "",
        }
    );
    if found.strange > 0 || found.parity > 0 {
        println!(
            "  beside it in the same flow: {} datagrams of error correction, {} that are no packets of KCP",
            found.parity, found.strange
        );
    }
    if found.control > 0 {
        println!(
            "  beside it in the same session: {} datagrams with questions, answers and messages without KCP",
            found.control
        );
    }
    let start = conversation.from.unwrap_or(0);
    for (at, from, to) in &found.moves {
        println!(
            "  {from} went on as {to} at {:.1} s: a NAT gave it another port, or it moved",
            (at - start) as f64 / 1e6
        );
    }
    if let Some(both) = &found.both {
        let clock = both.clock;
        println!(
            "  captured at both ends: the first at {}, the second at {}, whose clock is {:.3} ms ahead{}. Of that, half of the least round \
             trip is uncertain; the least delays of both ways are taken for equal.",
            names[both.first_at],
            names[1 - both.first_at],
            clock.offset() as f64 / 1e3,
            match clock.drift {
                Some(drift) => format!(
                    " and gains {:.1} ms in an hour ({:.1} ppm)",
                    drift * 3.6e6,
                    drift * 1e6
                ),
                None => String::new(),
            }
        );
    }
    let uncaptured: u64 = conversation.senders.iter().map(|one| one.uncaptured).sum();
    if uncaptured >= UNCAPTURED {
        println!(
            "  the capture lacks packets that passed: {uncaptured} acknowledgements are for some that are not in it. tcpdump says how many \
             its kernel dropped, and -B makes room"
        );
    }
    let mut table = Table::new(&["", "sent by one end", "sent by the other"]);
    table.row(vec![
        "address".to_string(),
        names[0].clone(),
        names[1].clone(),
    ]);
    for (name, cell) in rows() {
        let cells = [0, 1].map(|side| {
            cell(
                &conversation.senders[side],
                &judged.settings[side],
                &judged.resends[side],
            )
        });
        let [one, other] = cells;
        table.row(vec![name.to_string(), one, other]);
    }
    if let Some(both) = &found.both {
        let millis = |time: Option<Time>| {
            time.map_or("?".to_string(), |time| format!("{:.1}", time as f64 / 1e3))
        };
        let mut row = |name: &str, cell: &dyn Fn(&Way) -> String| {
            let [one, other] = [0, 1].map(|side| cell(&both.ways[side]));
            table.row(vec![name.to_string(), one, other]);
        };
        row("packets lost on the way, of", &|way| {
            let share = way.lost as f64 * 100.0 / way.sent.max(1) as f64;
            format!("{} of {} ({share:.2} %)", way.lost, way.sent)
        });
        row("one way, p5 / p50 / p95, ms", &|way| {
            format!(
                "{} / {} / {}",
                millis(way.delay(5)),
                millis(way.delay(50)),
                millis(way.delay(95))
            )
        });
        row("packets overtaken", &|way| way.overtaken.to_string());
        row("not in the sender's capture", &|way| way.unseen.to_string());
    }
    table.print();
    if every_resend {
        resends(judged);
    }
    if judged.findings.is_empty() {
        println!("Nothing that costs 10 ms or more was found.");
    }
    findings(&judged.findings);
    for (name, kinds, why) in unseen(judged) {
        println!("Cannot be seen from this side, of {name}: {kinds}. {why}");
    }
}

/// What stands around packets, where it differs: of the first end, and of the other one.
fn framing(found: &Found) -> String {
    match found.framing {
        [one, other] if one == other => one.to_string(),
        [one, other] => format!("{one}; from the other end {other}"),
    }
}

/// What the capture cannot show of each end, were it there: the end, the findings, and the reason.
fn unseen(judged: &Judged) -> Vec<(String, String, &'static str)> {
    let found = &judged.found;
    let mut all = Vec::new();
    for side in [0, 1] {
        let sender = &found.conversation.senders[side];
        if sender.pushes == 0 || sender.is_near() {
            continue;
        }
        let mut kinds = Vec::new();
        if !sender.lag_known {
            kinds.push(Kind::LeastTimeout);
        }
        if matches!(judged.settings[side].fast_resend, FastResend::MoreThan(_)) {
            kinds.push(Kind::ResendOff);
        }
        if sender.lag() == 0 {
            kinds.push(Kind::CongestionWindow);
        }
        if kinds.is_empty() {
            continue;
        }
        let kinds: Vec<&str> = kinds.into_iter().map(Kind::name).collect();
        all.push((
            found.ends[side].to_string(),
            kinds.join(", "),
            "Its timers are seen in a capture at its own machine.",
        ));
    }
    all
}

/// What was found, ranked.
pub fn findings(all: &[Finding]) {
    for (number, finding) in all.iter().enumerate() {
        println!(
            "{}. {} ms: {} [{}]",
            number + 1,
            finding.cost / MS,
            finding.what,
            finding.kind.name()
        );
        println!("   Change: {}", finding.change);
        if let Some(gain) = &finding.gain {
            println!("   Gain, {gain}.");
        }
    }
}

type Cell = fn(&Sender, &Settings, &[Resend]) -> String;

/// What the table of a conversation has.
fn rows() -> Vec<(&'static str, Cell)> {
    vec![
        ("packets", |s, _, _| s.packets.to_string()),
        ("segments", |s, _, _| s.fresh.to_string()),
        ("bytes of payload", |s, _, _| s.payload.to_string()),
        ("largest packet (mtu)", |s, _, _| {
            s.largest_datagram.to_string()
        }),
        ("flushes (interval)", |_, t, _| flushes(t)),
        ("fast resend", |_, t, _| resend(t)),
        ("nodelay", |_, t, _| match t.nodelay {
            Some(0) => "0".to_string(),
            Some(_) => "1 or 2".to_string(),
            None => "?".to_string(),
        }),
        ("least timeout that binds", |_, t, _| or_unknown(t.minrto)),
        ("congestion window", |s, t, _| {
            let model = &s.window_model;
            match t.keeps_congestion_window {
                _ if model.filling + model.beyond < 30 => "?".to_string(),
                // One that sends little keeps to any window.
                true if model.full * 5 < s.busy => "?".to_string(),
                true => "kept to".to_string(),
                false => "off (nc 1)".to_string(),
            }
        }),
        ("most in flight (send window)", |_, t, _| {
            t.most_in_flight.to_string()
        }),
        ("peer's receive window", |s, _, _| {
            s.largest_window.to_string()
        }),
        ("round trip p5 / p50 / p95, ms", |s, _, _| {
            let at = |percent| or_unknown(percentile(&s.rtt, percent));
            format!("{} / {} / {}", at(5), at(50), at(95))
        }),
        ("segments lost", |s, _, r| {
            format!("{:.1} %", loss(s, r) * 100.0)
        }),
        ("acknowledgements lost", |s, _, _| {
            match s.acked_by_number + s.acked_by_una {
                FEW.. if !s.peer_tells_last() => format!("{:.1} %", ack_loss(s) * 100.0),
                _ => "?".to_string(),
            }
        }),
        ("resent", |s, _, _| (s.resends + s.late_resends).to_string()),
        ("  after a timeout", |s, _, r| {
            lost_by(Trigger::Timeout, s, r)
        }),
        ("  after skips", |s, _, r| lost_by(Trigger::Skip, s, r)),
        ("  early", |s, _, r| lost_by(Trigger::Early, s, r)),
        ("  to a peer that was gone", |s, _, r| {
            let all = count(r, |one| one.need == Need::Lost) as u64;
            (all - super::causes::lost(s, r).count() as u64).to_string()
        }),
        ("  needless", |s, _, r| {
            (count(r, |one| one.need != Need::Lost) as u64 + s.late_resends).to_string()
        }),
    ]
}

fn resends(judged: &Judged) {
    let start = judged.found.conversation.from.unwrap_or(0);
    let mut table = Table::new(&[
        "time, ms",
        "sent by",
        "sn",
        "cause",
        "waited, ms",
        "verdict",
    ]);
    for side in [0, 1] {
        for one in &judged.resends[side] {
            table.row(vec![
                format!("{:.1}", (one.at - start) as f64 / 1e3),
                judged.found.ends[side].to_string(),
                one.sn.to_string(),
                one.trigger.to_string(),
                one.waited.to_string(),
                match one.unsure {
                    true => format!("{} (likelier)", one.need),
                    false => one.need.to_string(),
                },
            ]);
        }
    }
    table.print();
}

fn need(need: Need) -> &'static str {
    match need {
        Need::Lost => "lost",
        Need::AckLost => "ack-lost",
        Need::Underway => "underway",
    }
}

pub fn value(diagnosis: &Diagnosis) -> Value {
    let conversations: Vec<Value> = diagnosis.conversations.iter().map(one).collect();
    let flows = |all: &[(Ends, u64)]| -> Vec<Value> {
        let one = |(ends, datagrams): &(Ends, u64)| json!({"ends": ends.map(|end| end.to_string()), "datagrams": datagrams});
        all.iter().map(one).collect()
    };
    json!({
        "frames": diagnosis.reading.frames,
        "damage": diagnosis.reading.damage,
        "datagrams": diagnosis.beside.datagrams,
        "encrypted": flows(&diagnosis.beside.noise),
        "stack_sessions": flows(&diagnosis.beside.sessions),
        "other_flows": diagnosis.beside.other,
        "left_out": diagnosis.beside.left_out,
        "cut": diagnosis.beside.cut,
        "fragments": diagnosis.beside.fragments,
        "unreadable_frames": diagnosis.beside.unreadable.values().sum::<u64>(),
        "conversations": conversations,
    })
}

fn one(judged: &Judged) -> Value {
    let found = &judged.found;
    let start = found.conversation.from.unwrap_or(0);
    let sides: Vec<Value> = [0, 1]
        .map(|side| {
            let sender = &found.conversation.senders[side];
            let settings = &judged.settings[side];
            let rtt = |percent| percentile(&sender.rtt, percent);
            let resends: Vec<Value> = judged.resends[side]
                .iter()
                .map(|one| {
                    json!({
                        "at_ms": (one.at - start) as f64 / 1e3,
                        "sn": one.sn,
                        "cause": one.trigger.to_string(),
                        "need": need(one.need),
                        "unsure": one.unsure,
                        "waited_ms": one.waited,
                    })
                })
                .collect();
            json!({
                "address": found.ends[side].to_string(),
                "packets": sender.packets,
                "segments": sender.fresh,
                "payload_bytes": sender.payload,
                "largest_packet": sender.largest_datagram,
                "flushes": flushes(settings),
                "fast_resend": resend(settings),
                "nodelay": settings.nodelay,
                "binding_minrto_ms": settings.minrto,
                "most_in_flight": settings.most_in_flight,
                "peer_window": sender.largest_window,
                "rtt_ms": {"p5": rtt(5), "p50": rtt(50), "p95": rtt(95)},
                "segments_lost": loss(sender, &judged.resends[side]),
                "acknowledgements_lost": ack_loss(sender),
                "resent_not_listed": sender.resent_untold,
                "resends": resends,
            })
        })
        .into();
    let findings: Vec<Value> = judged
        .findings
        .iter()
        .map(|finding| {
            json!({
                "kind": finding.kind.name(),
                "sender": found.ends[finding.side].to_string(),
                "cost_ms": finding.cost / MS,
                "what": finding.what,
                "change": finding.change,
                "gain": finding.gain,
            })
        })
        .collect();
    json!({
        "conv": found.conv,
        "framing": framing(found),
        "encrypted": found.encrypted,
        "stack_session": found.is_session,
        "uncaptured": found.conversation.senders.each_ref().map(|one| one.uncaptured),
        "moves": found.moves.iter().map(|(at, from, to)| json!({
            "at_ms": (at - start) as f64 / 1e3, "from": from.to_string(), "to": to.to_string(),
        })).collect::<Vec<_>>(),
        "seconds": (found.conversation.to - start) as f64 / 1e6,
        "sides": sides,
        "both_ends": found.both.as_ref().map(|both| json!({
            "first_capture_at": found.ends[both.first_at].to_string(),
            "second_clock_ahead_ms": both.clock.offset() as f64 / 1e3,
            "drift_ppm": both.clock.drift.map(|drift| drift * 1e6),
            "ways": both.ways.iter().map(|way| json!({
                "sent": way.sent,
                "lost": way.lost,
                "overtaken": way.overtaken,
                "not_in_senders_capture": way.unseen,
                "delay_us": {"p0": way.delay(0), "p50": way.delay(50), "p95": way.delay(95)},
            })).collect::<Vec<_>>(),
        })),
        "findings": findings,
        "not_seen": unseen(judged).into_iter().map(|(sender, kinds, why)| json!({
            "sender": sender, "kinds": kinds.split(", ").collect::<Vec<_>>(), "why": why,
        })).collect::<Vec<_>>(),
    })
}

pub fn json(diagnosis: &Diagnosis) {
    println!("{:#}", value(diagnosis));
}
