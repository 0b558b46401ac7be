//! The picture of `latency`: a row for each protocol, with the echo time of every message of one session and the distribution
//! over all sessions.

use std::path::Path;

use anyhow::Result;
use kcp_plot::{self as plot, Anchor, Axis, Canvas, Color, Panel};

use crate::latency::Series;
use crate::link::Micros;
use crate::table::Summary;

const TOP: i32 = 122;
const ROW: i32 = 62;
const GAP: i32 = 18;
/// Left and right end of the strips and of the distributions.
const STRIPS: [i32; 2] = [240, 590];
const DISTRIBUTIONS: [i32; 2] = [634, 876];
/// Right ends of a protocol's figures.
const FIGURES: [i32; 3] = [62, 122, 182];

pub fn draw(path: &Path, series: &[Series], title: &str, subtitle: &str) -> Result<()> {
    let height = TOP + (ROW + GAP) * series.len() as i32 + 40;
    let canvas = Canvas::new(path, height, title, &[subtitle])?;
    headings(&canvas)?;
    for (index, one) in series.iter().enumerate() {
        names(&canvas, one, TOP + (ROW + GAP) * index as i32)?;
    }
    strips(&canvas, series)?;
    distributions(&canvas, series)?;
    canvas.finish()
}

fn headings(canvas: &Canvas) -> Result<()> {
    for (name, right) in ["mean", "p99", "max, ms"].iter().zip(FIGURES) {
        let at = (right, TOP - 16);
        canvas.text(at, name, plot::SMALL, plot::FAINT, Anchor::Right)?;
    }
    for (left, lines) in [
        (
            STRIPS[0],
            [
                "Echo time of each message in one",
                "session, ms; all on one scale",
            ],
        ),
        (
            DISTRIBUTIONS[0],
            [
                "All sessions: dot at the median,",
                "bars to p95, p99 and maximum",
            ],
        ),
    ] {
        for (line, text) in lines.into_iter().enumerate() {
            let at = (left, TOP - 34 + 18 * line as i32);
            canvas.text(at, text, plot::SMALL, plot::TEXT, Anchor::Left)?;
        }
    }
    Ok(())
}

/// The name of a protocol, and its main figures.
fn names(canvas: &Canvas, one: &Series, top: i32) -> Result<()> {
    canvas.text(
        (20, top + 16),
        &one.name,
        plot::MEDIUM,
        one.color,
        Anchor::Left,
    )?;
    let Some(summary) = Summary::of(&one.sorted()) else {
        let at = (20, top + 42);
        return canvas.text(
            at,
            "nothing was echoed",
            plot::SMALL,
            plot::TEXT,
            Anchor::Left,
        );
    };
    let figures = [summary.mean, summary.p99 as f64, summary.max as f64];
    for (value, right) in figures.into_iter().zip(FIGURES) {
        let value = plot::number((value / 1000.0).round());
        canvas.text(
            (right, top + 42),
            &value,
            plot::MEDIUM,
            plot::TEXT,
            Anchor::Right,
        )?;
    }
    Ok(())
}

/// A panel in one row; the last row has the common axis.
fn panel(index: usize, count: usize, [left, right]: [i32; 2], x: Axis, y: Axis) -> Panel {
    let top = TOP + (ROW + GAP) * index as i32;
    Panel {
        left,
        top,
        right,
        bottom: top + ROW,
        x: if index + 1 < count {
            x.without_labels()
        } else {
            x
        },
        y,
    }
}

/// The echo times of each protocol's first session.
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
    for (index, one) in series.iter().enumerate() {
        // The last message may be sent a moment after the full second.
        let x = Axis::linear(0.0, lasted * 0.99, 6, "time of sending, s");
        let columns = f64::from(STRIPS[1] - STRIPS[0]) / x.ends().1;
        let panel = panel(
            index,
            series.len(),
            STRIPS,
            x,
            Axis::linear(0.0, worst, 2, ""),
        );
        panel.frame(canvas, "")?;
        if let Some(session) = one.sessions.first() {
            let points = worst_of_columns(&session.sent, &session.rtt, 1.0 / columns);
            panel.area(canvas, points, one.color)?;
        }
    }
    Ok(())
}

/// Seconds and milliseconds of one session. If several messages fall into one column of `width` seconds, it shows the worst,
/// because that is what the player felt.
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

fn distributions(canvas: &Canvas, series: &[Series]) -> Result<()> {
    let summaries: Vec<Option<Summary>> = series
        .iter()
        .map(|one| Summary::of(&one.sorted()))
        .collect();
    let known = || summaries.iter().flatten();
    let low = known().map(|s| s.p50).min().unwrap_or(1) as f64 / 1e3 * 0.95;
    let high = known().map(|s| s.max).max().unwrap_or(10) as f64 / 1e3;
    for (index, (one, summary)) in series.iter().zip(&summaries).enumerate() {
        let x = Axis::logarithmic(low, high, "echo time, ms (logarithmic)");
        let y = Axis::linear(0.0, 1.0, 1, "").without_labels();
        let panel = panel(index, series.len(), DISTRIBUTIONS, x, y);
        panel.frame(canvas, "")?;
        let Some(summary) = summary else { continue };
        let [p50, p95, p99, max] = [summary.p50, summary.p95, summary.p99, summary.max]
            .map(|micros| panel.at(micros as f64 / 1e3, 0.5));
        canvas.line(vec![p99, max], one.color.to_rgba(), 1)?;
        canvas.line(vec![p95, p99], one.color.mix(0.7), 5)?;
        canvas.line(vec![p50, p95], one.color.mix(0.7), 11)?;
        canvas.line(
            vec![(max.0, max.1 - 6), (max.0, max.1 + 6)],
            one.color.to_rgba(),
            2,
        )?;
        canvas.dot(p50, 7, one.color)?;
    }
    Ok(())
}
