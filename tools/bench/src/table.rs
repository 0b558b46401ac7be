//! The table and the file of single runs.

use std::path::Path;

use anyhow::Result;
use comfy_table::{Cell, CellAlignment, Color, Table, presets};

use crate::measure::{Measured, ratio};
use crate::scenarios::{Line, Target};
use crate::subject::{Outcome, Role, Subject};

/// This library's result in one line.
#[derive(Debug, Clone, PartialEq)]
struct Verdict {
    target: String,
    /// The result in terms of the target, and whether it is met.
    reached: Option<(String, bool)>,
    /// This library's figure over the best of the others.
    best: Option<f64>,
    /// This library sent other packets than the original.
    other_packets: bool,
}

pub fn render(results: &[Measured], subjects: &[Subject], markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(if markdown {
        presets::ASCII_MARKDOWN
    } else {
        presets::UTF8_HORIZONTAL_ONLY
    });
    let names = subjects.iter().map(|subject| subject.name.as_str());
    table.set_header(["scenario", "unit"].into_iter().chain(names).chain([
        "target",
        "reached",
        "",
        "ours / best other",
    ]));
    for measured in results {
        for line in &measured.scenario.lines {
            let mut row = vec![Cell::new(line.title), Cell::new(line.per.unit())];
            row.extend((0..subjects.len()).map(|subject| figure(measured, subject, line)));
            let verdict = judge(results, measured, line, subjects);
            row.push(Cell::new(&verdict.target));
            match &verdict.reached {
                Some((reached, enough)) => {
                    row.push(Cell::new(reached).set_alignment(CellAlignment::Right));
                    row.push(mark(
                        *enough && !verdict.other_packets,
                        if verdict.other_packets {
                            "other packets"
                        } else if *enough {
                            "ok"
                        } else {
                            "miss"
                        },
                    ));
                }
                None => {
                    row.push(Cell::new(""));
                    row.push(if verdict.other_packets {
                        mark(false, "other packets")
                    } else {
                        Cell::new("")
                    });
                }
            }
            row.push(match verdict.best {
                Some(best) => mark(best <= 1.0, &factor(best)).set_alignment(CellAlignment::Right),
                None => Cell::new(""),
            });
            table.add_row(row);
        }
    }
    table
}

fn mark(good: bool, text: &str) -> Cell {
    Cell::new(text).fg(if good { Color::Green } else { Color::Red })
}

fn figure(measured: &Measured, subject: usize, line: &Line) -> Cell {
    let text = match measured.figure(subject, line.per) {
        None => "–".to_string(),
        Some(figure) if figure.highest == figure.lowest => number(figure.median),
        Some(figure) => format!(
            "{} ±{:.0} %",
            number(figure.median),
            100.0 * figure.spread()
        ),
    };
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Three significant digits, with separators for thousands.
fn number(value: f64) -> String {
    if value < 10.0 {
        return format!("{value:.2}");
    }
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn factor(value: f64) -> String {
    match value {
        _ if value < 0.1 => format!("{value:.4}"),
        _ => format!("{value:.2}"),
    }
}

fn judge(results: &[Measured], measured: &Measured, line: &Line, subjects: &[Subject]) -> Verdict {
    let find = |role| subjects.iter().position(|subject| subject.role == role);
    let other_scenario = |name| results.iter().find(|result| result.scenario.name == name);
    let ours = find(Role::Ours);
    // The ratio of this library to `subject` in `scenario`, and whether it is within `limit`.
    let against = |scenario: Option<&Measured>, subject: Option<usize>, limit: f64| {
        let upper = (measured, ours?, line.per);
        let value = ratio(upper, (scenario?, subject?, line.per))?;
        Some((factor(value), value <= limit))
    };
    let (target, reached) = match line.target {
        Target::None => (String::new(), None),
        Target::Null(limit) => (
            format!("{limit} x null"),
            against(Some(measured), find(Role::Null), limit),
        ),
        Target::NullIn(name, limit) => (
            format!("{limit} x null"),
            against(other_scenario(name), find(Role::Null), limit),
        ),
        Target::Original(limit) => (
            format!("{limit} x original"),
            against(Some(measured), find(Role::Original), limit),
        ),
        Target::OwnIn(name, limit) => (
            format!("{limit} x without"),
            against(other_scenario(name), ours, limit),
        ),
        Target::AtMost(limit) => {
            let figure = ours.and_then(|ours| measured.figure(ours, line.per));
            (
                number(limit),
                figure.map(|figure| (number(figure.median), figure.median <= limit)),
            )
        }
    };
    let best = ours.and_then(|ours| {
        let rivals = subjects
            .iter()
            .enumerate()
            .filter(|(_, subject)| matches!(subject.role, Role::Original | Role::Other));
        rivals
            .filter_map(|(rival, _)| ratio((measured, ours, line.per), (measured, rival, line.per)))
            .max_by(f64::total_cmp)
    });
    let other_packets = match (ours, find(Role::Original)) {
        (Some(ours), Some(original)) => {
            let pairs = measured.outcomes[ours]
                .iter()
                .zip(&measured.outcomes[original]);
            !pairs
                .into_iter()
                .all(|(ours, original)| ours.same_traffic(original))
        }
        _ => false,
    };
    Verdict {
        target,
        reached,
        best,
        other_packets,
    }
}

/// Every single run, for other tools.
pub fn write_csv(path: &Path, results: &[Measured], subjects: &[Subject], seed: u64) -> Result<()> {
    let mut file = csv::Writer::from_path(path)?;
    file.write_record([
        "scenario",
        "implementation",
        "seed",
        "nanoseconds",
        "bytes",
        "operations",
        "packets_forth",
        "bytes_forth",
        "packets_back",
        "bytes_back",
        "virtual_ms",
    ])?;
    for measured in results {
        for (subject, outcomes) in subjects.iter().zip(&measured.outcomes) {
            for (repetition, outcome) in outcomes.iter().enumerate() {
                let mut record = vec![
                    measured.scenario.name.to_string(),
                    subject.name.clone(),
                    (seed + repetition as u64).to_string(),
                ];
                let empty = String::new;
                record.extend(match outcome {
                    Outcome::Delivered(run) => [
                        run.nanoseconds.to_string(),
                        run.bytes.to_string(),
                        run.messages.to_string(),
                        run.forth.packets.to_string(),
                        run.forth.bytes.to_string(),
                        run.back.packets.to_string(),
                        run.back.bytes.to_string(),
                        run.milliseconds.to_string(),
                    ],
                    Outcome::Operations(nanoseconds, times) => [
                        nanoseconds.to_string(),
                        empty(),
                        times.to_string(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                    ],
                    Outcome::Bytes(bytes) => [
                        empty(),
                        bytes.to_string(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                        empty(),
                    ],
                });
                file.write_record(record)?;
            }
        }
    }
    file.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits_and_group_thousands() {
        assert_eq!(number(1.234), "1.23");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(1234.0), "1,234");
        assert_eq!(number(1_234_567.0), "1,234,567");
        assert_eq!(factor(0.0451), "0.0451");
        assert_eq!(factor(1.249), "1.25");
    }
}
