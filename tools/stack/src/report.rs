//! The table of one work: medians, and the median of the ratios to the stack within the same round.

use comfy_table::Table;
use comfy_table::presets::ASCII_MARKDOWN;

use crate::peer::Peer;
use crate::run::Found;
use crate::work::{Kind, Work};

/// Bytes that a full packet of KCP carries in the stack: 1,400, less the headers of KCP, channel, path and seal.
const PAYLOAD: f64 = 1400.0 - 24.0 - 1.0 - 33.0;

pub fn print(work: &Work, peers: &[&Peer], runs: &[Vec<Found>]) {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN);
    let head: &[&str] = match work.kind {
        Kind::Echo => &["server, us a message", "messages a second", "cheaper by"],
        Kind::Idle => &["server, us a second", "memory, KB"],
        _ => &[
            "MB a core second",
            "MB a second",
            "packets for one needed",
            "ratio",
        ],
    };
    let mut first = vec![work.name.as_str()];
    first.extend(head);
    table.set_header(first);
    for (peer, found) in peers.iter().zip(runs) {
        if found.is_empty() {
            continue;
        }
        let mid = |value: &dyn Fn(&Found) -> f64| median(found.iter().map(value).collect());
        let ratio = median(
            found
                .iter()
                .zip(&runs[0])
                .map(|(one, stack)| ratio(work, one, stack))
                .collect(),
        );
        let mut row = vec![peer.name.clone()];
        match work.kind {
            Kind::Echo => {
                row.push(format!("{:.2}", mid(&message_cost)));
                row.push(format!(
                    "{:.0}",
                    mid(&|one| one.messages as f64 / one.seconds)
                ));
                row.push(format!("{ratio:.2}"));
            }
            Kind::Idle => {
                row.push(format!(
                    "{:.2}",
                    mid(&|one| one.server * 1e6 / one.seconds / work.connections as f64)
                ));
                row.push(format!("{:.1}", mid(&|one| one.memory / 1024.0)));
            }
            _ => {
                row.push(format!("{:.0}", mid(&rate)));
                row.push(format!(
                    "{:.0}",
                    mid(&|one| one.bytes as f64 / 1e6 / one.seconds)
                ));
                row.push(match found[0].packets {
                    0 => String::new(),
                    _ => format!(
                        "{:.2}",
                        mid(&|one| one.packets as f64 / (one.messages as f64 * needed(work)))
                    ),
                });
                row.push(format!("{ratio:.2}"));
            }
        }
        table.add_row(row);
    }
    println!("{table}\n");
}

/// Microseconds of the server's CPU for a message and its echo.
fn message_cost(found: &Found) -> f64 {
    found.server * 1e6 / found.messages as f64
}

/// Megabytes for a second of a core, the work of both ends.
fn rate(found: &Found) -> f64 {
    found.bytes as f64 / 1e6 / (found.server + found.clients)
}

/// Packets of a message that is sent in bulk.
fn needed(work: &Work) -> f64 {
    (work.size as f64 / PAYLOAD).ceil()
}

/// How many times as good as the stack in the same round.
fn ratio(work: &Work, one: &Found, stack: &Found) -> f64 {
    match work.kind {
        Kind::Echo => message_cost(stack) / message_cost(one),
        _ => rate(one) / rate(stack),
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
