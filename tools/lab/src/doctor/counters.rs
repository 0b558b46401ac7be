//! What a connection counted (`ikcpx_stats`), as lines of JSON that examples/ring/stats.c writes, and what can be said from that alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::findings::{Finding, Kind, rank};
use super::report;
use super::sender::MS;

/// A line that is longer is none.
const LONGEST: u64 = 1 << 16;
const MOST_CONNECTIONS: usize = 4_096;

/// No number is larger, so that differences in microseconds stay within 64 bits whatever a file says.
const MOST: i64 = 1 << 50;

type Line = Map<String, Value>;

fn number(line: &Line, name: &str) -> i64 {
    line.get(name)
        .and_then(Value::as_i64)
        .map_or(0, |number| number.clamp(-MOST, MOST))
}

/// One connection: its first line since counting began, and its last.
struct Connection {
    first: Line,
    last: Line,
    /// Lines since counting began.
    lines: u64,
    /// How often counting began anew.
    again: u64,
    rmt_wnd: (i64, i64),
    most_waiting: i64,
    /// The last line in which it had received something since the line before.
    heard: i64,
}

impl Connection {
    fn new(line: Line) -> Connection {
        let window = number(&line, "rmt_wnd");
        Connection {
            lines: 1,
            again: 0,
            rmt_wnd: (window, window),
            most_waiting: number(&line, "waiting"),
            heard: number(&line, "ms"),
            first: line.clone(),
            last: line,
        }
    }

    fn add(&mut self, line: Line) {
        if number(&line, "time") < number(&self.last, "time") {
            let again = self.again + 1;
            *self = Connection::new(line);
            self.again = again;
            return;
        }
        self.lines += 1;
        let window = number(&line, "rmt_wnd");
        self.rmt_wnd = (self.rmt_wnd.0.min(window), self.rmt_wnd.1.max(window));
        self.most_waiting = self.most_waiting.max(number(&line, "waiting"));
        if number(&line, "packets_received") > number(&self.last, "packets_received") {
            self.heard = number(&line, "ms");
        }
        self.last = line;
    }

    /// How much a counter grew; from its beginning where there is only one line.
    fn grew(&self, name: &str) -> i64 {
        match self.lines {
            ..=1 => number(&self.last, name),
            _ => number(&self.last, name).saturating_sub(number(&self.first, name)),
        }
    }

    fn set(&self, name: &str) -> i64 {
        number(&self.last, name)
    }

    fn resent(&self) -> i64 {
        ["resent_timeout", "resent_skipped", "resent_path"]
            .iter()
            .map(|name| self.grew(name))
            .sum()
    }

    /// What held it up.
    fn findings(&self) -> Vec<Finding> {
        let mut all = Vec::new();
        let mut find = |kind, cost: i64, what, change: &str| {
            all.push(Finding {
                kind,
                side: 0,
                cost: cost * MS,
                what,
                change: change.to_string(),
                usual: true,
                gain: None,
            });
        };
        let time = self.grew("time").max(1);
        let share = |cost: i64| cost * 100 / time;
        let [peer, own, control] =
            ["peer", "window", "control"].map(|by| self.grew(&format!("limited_by_{by}")));
        let (least, most) = self.rmt_wnd;
        if peer > 0 && least * 4 < most * 3 {
            find(
                Kind::NotReading,
                peer,
                format!(
                    "segments waited for the peer's window for {} % of the time, and it shrank to {least} of {most}: the peer did not read",
                    share(peer)
                ),
                "at the peer: call ikcp_recv until it returns a negative number, after each ikcp_input and ikcp_update",
            );
        } else if peer > 0 {
            find(
                Kind::PeerWindow,
                peer,
                format!(
                    "segments waited for the peer's receive window of {most} for {} % of the time",
                    share(peer)
                ),
                "at the peer: a larger receive window (ikcp_wndsize), at least bytes per second * RTT / mss",
            );
        }
        find(
            Kind::OwnWindow,
            own,
            format!(
                "segments waited for the send window of {} for {} % of the time",
                self.set("snd_wnd"),
                share(own)
            ),
            "a larger send window (ikcp_wndsize), at least bytes per second * RTT / mss",
        );
        find(
            Kind::CongestionWindow,
            control,
            format!(
                "segments waited for the congestion window for {} % of the time",
                share(control)
            ),
            "nc = 1 in ikcp_nodelay, or a congestion control that does not take each loss for a full link (ikcpx_bbr)",
        );
        let silent = self.set("ms") - self.heard;
        if silent > 2_000 && self.set("in_flight") > 0 {
            find(
                Kind::PeerSilent,
                silent,
                "segments are in flight, and nothing comes back any more".to_string(),
                "the peer is gone, or the way back is cut: look at the peer",
            );
        }
        rank(all)
    }

    /// What counters tell without a time that it cost.
    fn notes(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.again > 0 {
            all.push(format!(
                "counting began anew {} times: what follows is of the last time",
                self.again
            ));
        }
        let (resent, needless) = (self.resent(), self.grew("resent_needless"));
        let sent = self.grew("segments_sent").max(1);
        if resent > 0 {
            all.push(format!(
                "{resent} segments were sent again, {:.1} % of those sent: {} after a timeout, {} after skips, {needless} for nothing",
                resent as f64 * 100.0 / sent as f64,
                self.grew("resent_timeout"),
                self.grew("resent_skipped"),
            ));
        }
        if needless >= 5 && needless * 5 > resent {
            all.push(
                "many resends are needless: round trips vary more than timeouts allow (a larger rx_minrto), packets overtake each other \
                 (resend 3 or more, ikcpx_rack), or acknowledgements are lost"
                    .to_string(),
            );
        }
        if self.set("resend") == 0 && self.grew("resent_timeout") >= 3 {
            all.push(
                "fast resend is off, so each loss waits for a timeout: resend = 2 in ikcp_nodelay"
                    .to_string(),
            );
        }
        if self.set("interval") > 20 {
            all.push(format!(
                "the interval is {} ms, half of which each message, acknowledgement and resend waits: 10 in ikcp_nodelay",
                self.set("interval")
            ));
        }
        let (least, rtt) = (self.set("minrto"), self.set("rtt_smoothed"));
        if rtt > 0 && least > 2 * rtt && self.grew("resent_timeout") >= 3 {
            all.push(format!("timeouts are {least} ms or more, and round trips take {rtt} ms: a smaller rx_minrto, nodelay 1"));
        }
        if self.grew("packets_refused") > 0 {
            all.push(format!(
                "{} packets were refused by ikcp_input: of another conv, or no packets of KCP",
                self.grew("packets_refused")
            ));
        }
        if self.grew("probes_sent") > 0 {
            all.push(format!(
                "{} window probes were sent: the peer's window was shut",
                self.grew("probes_sent")
            ));
        }
        all
    }
}

/// Whether a file has such lines, and is not a capture.
pub fn is_here(path: &Path) -> Result<bool> {
    let mut start = Vec::new();
    File::open(path)
        .with_context(|| format!("{}", path.display()))?
        .take(1)
        .read_to_end(&mut start)?;
    Ok(start == b"{")
}

/// The connections of a file by their conv, and how many lines are none.
fn read(source: impl Read) -> Result<(BTreeMap<u64, Connection>, u64)> {
    let mut source = BufReader::new(source);
    let mut connections: BTreeMap<u64, Connection> = BTreeMap::new();
    let mut bad = 0;
    let mut bytes = Vec::new();
    while source
        .by_ref()
        .take(LONGEST)
        .read_until(b'\n', &mut bytes)?
        > 0
    {
        let value: Option<Line> = serde_json::from_slice(&bytes).ok();
        bytes.clear();
        let line = value.filter(|line| number(line, "kcp_stats") == 1);
        let conv = line.as_ref().and_then(|line| line.get("conv")?.as_u64());
        let (Some(line), Some(conv)) = (line, conv) else {
            bad += 1;
            continue;
        };
        let full = connections.len() >= MOST_CONNECTIONS;
        match connections.get_mut(&conv) {
            Some(connection) => connection.add(line),
            None if !full => {
                connections.insert(conv, Connection::new(line));
            }
            None => bad += 1,
        }
    }
    ensure!(
        !connections.is_empty(),
        "no lines of ikcpx_stats, as examples/ring/stats.c writes them"
    );
    Ok((connections, bad))
}

/// The same of a file, as JSON.
#[cfg(test)]
pub fn of(path: &Path) -> Result<Value> {
    let (connections, bad) = read(File::open(path)?)?;
    Ok(value(&connections, bad))
}

/// Reads the file and tells.
pub fn run(path: &Path, as_json: bool) -> Result<()> {
    let file = File::open(path).with_context(|| format!("{}", path.display()))?;
    let (connections, bad) = read(file).with_context(|| format!("{}", path.display()))?;
    if as_json {
        println!("{:#}", value(&connections, bad));
        return Ok(());
    }
    println!("{} connections, by what they counted", connections.len());
    if bad > 0 {
        println!("{bad} lines could not be read.");
    }
    for (conv, one) in &connections {
        println!();
        println!(
            "conv {conv:#010x}: {:.1} s in {} lines, {} segments, {} bytes delivered, round trip {} ms (least {}), at most {} waiting",
            one.grew("time") as f64 / 1e3,
            one.lines,
            one.grew("segments_sent"),
            one.grew("bytes_delivered"),
            one.set("rtt_smoothed"),
            one.set("rtt_min"),
            one.most_waiting,
        );
        one.notes().iter().for_each(|note| println!("  {note}"));
        let findings = one.findings();
        if findings.is_empty() {
            println!("Nothing that costs 10 ms or more was counted.");
        }
        report::findings(&findings);
    }
    Ok(())
}

fn value(connections: &BTreeMap<u64, Connection>, bad: u64) -> Value {
    let all: Vec<Value> = connections
        .iter()
        .map(|(conv, one)| {
            let findings: Vec<Value> = one
                .findings()
                .iter()
                .map(|one| json!({"kind": one.kind.name(), "cost_ms": one.cost / MS, "what": one.what, "change": one.change}))
                .collect();
            json!({
                "conv": conv,
                "seconds": one.grew("time") as f64 / 1e3,
                "segments": one.grew("segments_sent"),
                "resent": one.resent(),
                "resent_timeout": one.grew("resent_timeout"),
                "resent_skipped": one.grew("resent_skipped"),
                "resent_needless": one.grew("resent_needless"),
                "notes": one.notes(),
                "findings": findings,
            })
        })
        .collect();
    json!({"counted": all, "unreadable_lines": bad})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ms: u64, more: Value) -> String {
        let mut line = json!({"kcp_stats": 1, "ms": ms, "time": ms, "conv": 7, "snd_wnd": 32, "rmt_wnd": 128, "in_flight": 3});
        for (name, value) in more.as_object().unwrap() {
            line[name] = value.clone();
        }
        format!("{line}\n")
    }

    fn kinds(text: &str) -> Vec<&'static str> {
        let (connections, _) = read(text.as_bytes()).unwrap();
        let findings = connections[&7].findings();
        findings.iter().map(|one| one.kind.name()).collect()
    }

    #[test]
    fn what_limited_is_ranked_by_its_time() {
        let text = [
            line(0, json!({"packets_received": 1})),
            line(
                1_000,
                json!({"limited_by_window": 300, "limited_by_peer": 500, "packets_received": 9}),
            ),
        ];
        assert_eq!(kinds(&text.concat()), ["peer-window", "own-window"]);
        let shrunk = line(
            2_000,
            json!({"limited_by_window": 300, "limited_by_peer": 500, "packets_received": 99, "rmt_wnd": 3}),
        );
        assert_eq!(kinds(&(text.concat() + &shrunk))[0], "not-reading");
        let silent = line(9_000, json!({"packets_received": 99, "rmt_wnd": 3}));
        assert_eq!(kinds(&(text.concat() + &shrunk + &silent)), ["peer-silent"]);
    }

    #[test]
    fn counting_that_began_anew_and_lines_that_are_none_are_told() {
        let text = line(5_000, json!({"limited_by_window": 4_000}))
            + "{\"kcp_stats\":1}\nnonsense\n"
            + &line(100, json!({}));
        let (connections, bad) = read(text.as_bytes()).unwrap();
        assert_eq!((bad, connections[&7].again), (2, 1));
        assert_eq!(connections[&7].findings().len(), 0);
        assert!(read(&b"{\"other\":1}\n"[..]).is_err());
    }

    #[test]
    fn the_first_line_after_counting_began_anew_counts_from_its_beginning() {
        let text = [
            line(1_000, json!({})),
            line(2_000, json!({})),
            line(3_000, json!({})),
            line(900, json!({"limited_by_window": 400})),
        ];
        assert_eq!(kinds(&text.concat()), ["own-window"]);
    }

    #[test]
    fn numbers_that_no_connection_counts_do_not_overflow() {
        for huge in [i64::MAX, i64::MIN] {
            let all: Map<String, Value> = [
                "rmt_wnd",
                "limited_by_peer",
                "limited_by_window",
                "limited_by_control",
                "resent_timeout",
                "resent_skipped",
                "resent_path",
                "resent_needless",
                "minrto",
                "rtt_smoothed",
                "packets_received",
            ]
            .map(|name| (name.to_string(), json!(huge)))
            .into_iter()
            .collect();
            let text = line(0, json!({})) + &line(i64::MAX as u64, Value::Object(all));
            let (connections, _) = read(text.as_bytes()).unwrap();
            assert!(!value(&connections, 0).to_string().is_empty());
        }
    }
}
