//! The picture of `latency`: a strip for each protocol with the echo time of every message of one session, and below the
//! distribution over all sessions, once as it is and once for its tail.

use std::path::Path;

use anyhow::Result;

use crate::latency::Series;
use crate::link::Micros;
use crate::plot::{self, Anchor, Axis, Canvas, Panel};
use crate::table::Summary;

const WIDTH: i32 = 1600;
const STRIPS_TOP: i32 = 150;
const STRIP: i32 = 66;
const STRIP_GAP: i32 = 10;
const STRIPS_LEFT: i32 = 330;
const RIGHT: i32 = WIDTH - 50;
const CURVES: i32 = 330;

pub fn draw(path: &Path, series: &[Series], title: &str, subtitle: &str) -> Result<()> {
    let curves_top = STRIPS_TOP + (STRIP + STRIP_GAP) * series.len() as i32 + 100;
    let size = (WIDTH as u32, (curves_top + CURVES + 70) as u32);
    let canvas = Canvas::new(path, size)?;
    canvas.text((50, 42), title, 30, plot::TEXT, Anchor::Left)?;
    canvas.text((50, 78), subtitle, 17, plot::FAINT, Anchor::Left)?;
    strips(&canvas, series)?;
    distributions(&canvas, series, curves_top)?;
    canvas.finish()
}

/// The echo times of the first session of each, all on the same scale.
fn strips(canvas: &Canvas, series: &[Series]) -> Result<()> {
    let firsts = || series.iter().filter_map(|one| one.sessions.first());
    let lasted = firsts()
        .filter_map(|session| session.sent.last())
        .max()
        .map_or(1.0, |&last| last as f64 / 1e6);
    let worst = firsts()
        .filter_map(|session| session.rtt.iter().max())
        .max()
        .map_or(1.0, |&worst| worst as f64 / 1e3);
    canvas.text(
        (STRIPS_LEFT, STRIPS_TOP - 18),
        "One session: echo time of each message, ms (all strips on the same scale)",
        17,
        plot::TEXT,
        Anchor::Left,
    )?;
    for (index, one) in series.iter().enumerate() {
        let top = STRIPS_TOP + (STRIP + STRIP_GAP) * index as i32;
        let mut panel = Panel {
            left: STRIPS_LEFT,
            top,
            right: RIGHT,
            bottom: top + STRIP,
            x: Axis::linear(0.0, lasted, 10, ""),
            y: Axis::linear(0.0, worst * 1.05, 3, ""),
        };
        if index + 1 < series.len() {
            panel.x = panel.x.without_labels();
        } else {
            let middle = (STRIPS_LEFT + RIGHT) / 2;
            let at = (middle, panel.bottom + 38);
            canvas.text(at, "time of sending, s", 15, plot::FAINT, Anchor::Middle)?;
        }
        panel.frame(canvas, "")?;
        names(canvas, one, top)?;
        if let Some(session) = one.sessions.first() {
            let columns = f64::from(panel.right - panel.left) / 2.0;
            let points = worst_of_columns(&session.sent, &session.rtt, lasted / columns);
            panel.area(canvas, points, one.color)?;
        }
    }
    Ok(())
}

/// The name of a protocol and the figures that the claims are about.
fn names(canvas: &Canvas, one: &Series, top: i32) -> Result<()> {
    canvas.rectangle([(50, top), (56, top + STRIP)], one.color.into(), true)?;
    canvas.text((70, top + 16), &one.name, 20, one.color, Anchor::Left)?;
    let Some(summary) = Summary::of(&one.sorted()) else {
        return Ok(());
    };
    let figures = [
        ("mean", summary.mean),
        ("p99", summary.p99 as f64),
        ("max", summary.max as f64),
    ];
    for (column, (name, value)) in figures.into_iter().enumerate() {
        let left = 70 + 72 * column as i32;
        canvas.text((left, top + 39), name, 13, plot::FAINT, Anchor::Left)?;
        let value = plot::number((value / 1000.0).round());
        canvas.text((left, top + 57), &value, 18, plot::TEXT, Anchor::Left)?;
    }
    Ok(())
}

/// Seconds and milliseconds of one session; where several messages fall into one column of `width` seconds, the worst of them,
/// for that is what the player felt.
fn worst_of_columns(sent: &[Micros], rtt: &[Micros], width: f64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut column = -1;
    for (sent, rtt) in sent.iter().zip(rtt) {
        let (x, y) = (*sent as f64 / 1e6, *rtt as f64 / 1e3);
        let at = (x / width) as i64;
        match points.last_mut() {
            Some(last) if at == column => last.1 = last.1.max(y),
            _ => points.push((x, y)),
        }
        column = at;
    }
    points
}

fn distributions(canvas: &Canvas, series: &[Series], top: i32) -> Result<()> {
    let all: Vec<Vec<Micros>> = series.iter().map(Series::sorted).collect();
    let fastest = all.iter().filter_map(|s| s.first()).min();
    let slowest = all.iter().filter_map(|s| s.last()).max();
    let (low, high) = match (fastest, slowest) {
        (Some(&fastest), Some(&slowest)) => {
            (fastest as f64 / 1e3 * 0.9, slowest as f64 / 1e3 * 1.1)
        }
        _ => return Ok(()),
    };
    let cumulative = Panel {
        left: 110,
        top,
        right: 790,
        bottom: top + CURVES,
        x: Axis::logarithmic(low, high, "echo time, ms"),
        y: Axis::linear(0.0, 100.0, 5, "% of messages echoed"),
    };
    cumulative.frame(canvas, "All sessions: how many are back after x ms")?;
    let tail = Panel {
        left: 910,
        top,
        right: RIGHT,
        bottom: top + CURVES,
        x: Axis::logarithmic(low, high, "echo time, ms"),
        y: Axis::logarithmic(0.01, 100.0, "% still waiting"),
    };
    tail.frame(canvas, "The tail: how many wait longer than x ms")?;
    for (one, sorted) in series.iter().zip(&all) {
        let sent = one.sent().max(1) as f64;
        // Every third pixel column is enough for a smooth curve.
        let columns = (tail.right - tail.left) / 3;
        let curve: Vec<(f64, f64)> = (0..=columns)
            .map(|column| {
                let x = low * (high / low).powf(f64::from(column) / f64::from(columns));
                let back = sorted.partition_point(|&rtt| rtt as f64 <= x * 1e3);
                (x, back as f64 / sent * 100.0)
            })
            .collect();
        cumulative.curve(canvas, curve.iter().copied(), one.color, 3)?;
        let waiting = curve.iter().map(|&(x, back)| (x, 100.0 - back));
        let until = waiting
            .clone()
            .take_while(|&(_, share)| share > 0.005)
            .count()
            + 1;
        tail.curve(canvas, waiting.take(until), one.color, 3)?;
    }
    Ok(())
}
