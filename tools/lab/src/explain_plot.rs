//! The picture of `explain`: the packets between two lifelines, the life of each segment by `sn`, and the sender's windows and
//! timers, all over the same time axis.

use std::path::Path;

use anyhow::Result;
use plotters::style::{Color, RGBColor};

use crate::link::{Fate, Micros};
use crate::plot::{self, Anchor, Axis, Canvas, Panel};
use crate::trace::{Cause, Need, Sample, Trace, Transmission};

const WIDTH: i32 = 1800;
const LEFT: i32 = 120;
const RIGHT: i32 = WIDTH - 50;
const LIFELINES: [i32; 2] = [205, 395];
const ROWS_TOP: i32 = 490;
const ROW: i32 = 13;
const CHART: i32 = 140;
const CHART_GAP: i32 = 50;

const FIRST: RGBColor = plot::BLUE;
const TIMEOUT: RGBColor = plot::RED;
const FAST: RGBColor = plot::GREEN;
const SKIP: RGBColor = plot::AMBER;

fn color(cause: Cause) -> RGBColor {
    match cause {
        Cause::First => FIRST,
        Cause::Timeout => TIMEOUT,
        Cause::Fast { .. } => FAST,
    }
}

/// A curve of the charts: its colour, its name, its value.
type Line = (RGBColor, &'static str, fn(&Sample) -> f64);

/// The part of the session that is drawn.
struct View<'a> {
    canvas: Canvas<'a>,
    trace: &'a Trace,
    /// In milliseconds.
    from: f64,
    to: f64,
}

fn millis(at: Micros) -> f64 {
    at as f64 / 1e3
}

pub fn draw(
    path: &Path,
    trace: &Trace,
    (from, to): (u64, u64),
    title: &str,
    subtitle: &str,
) -> Result<()> {
    let (from, to) = (from as f64, to as f64);
    let shown: Vec<u32> = trace
        .transmissions
        .iter()
        .filter(|t| (from..=to).contains(&millis(t.at)))
        .map(|t| t.sn)
        .collect();
    let low = shown.iter().min().copied().unwrap_or(0);
    let high = shown.iter().max().copied().unwrap_or(0);
    let charts_top = ROWS_TOP + ROW * (high - low + 2) as i32 + 60;
    let height = charts_top + 2 * CHART + CHART_GAP + 70;
    let view = View {
        canvas: Canvas::new(path, (WIDTH as u32, height as u32))?,
        trace,
        from,
        to,
    };
    view.canvas
        .text((50, 42), title, 30, plot::TEXT, Anchor::Left)?;
    view.canvas
        .text((50, 78), subtitle, 17, plot::FAINT, Anchor::Left)?;
    view.legend()?;
    view.lifelines()?;
    view.rows(low, high)?;
    view.charts(charts_top)?;
    view.canvas.finish()
}

impl View<'_> {
    fn time_axis(&self, label: &str) -> Axis {
        Axis::linear(self.from, self.to, 16, label)
    }

    fn x(&self, at: Micros) -> i32 {
        let share = (millis(at) - self.from) / (self.to - self.from);
        LEFT + (share * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn shows(&self, at: Micros) -> bool {
        (self.from..=self.to).contains(&millis(at))
    }

    fn legend(&self) -> Result<()> {
        let entries = [
            (FIRST, "first transmission"),
            (TIMEOUT, "resent: its timer ran out"),
            (FAST, "resent: skipped by acknowledgements"),
            (SKIP, "a skip"),
            (plot::FAINT, "acknowledgement"),
            (plot::TEXT, "given to the program"),
        ];
        let mut left = 50;
        for (color, text) in entries {
            self.canvas.dot((left + 6, 116), 6, color)?;
            self.canvas
                .text((left + 20, 116), text, 16, plot::TEXT, Anchor::Left)?;
            left += 50 + 9 * text.len() as i32;
        }
        self.canvas.cross((left + 6, 116), 6, plot::TEXT)?;
        self.canvas
            .text((left + 20, 116), "lost", 16, plot::TEXT, Anchor::Left)
    }

    fn lifelines(&self) -> Result<()> {
        let canvas = &self.canvas;
        canvas.rectangle(
            [(LEFT, LIFELINES[0]), (RIGHT, LIFELINES[1])],
            plot::PANEL.to_rgba(),
            true,
        )?;
        for (y, name) in LIFELINES.into_iter().zip(["sender", "receiver"]) {
            canvas.line(vec![(LEFT, y), (RIGHT, y)], plot::FAINT.to_rgba(), 2)?;
            canvas.text((LEFT - 12, y), name, 16, plot::TEXT, Anchor::Right)?;
        }
        for ack in self
            .trace
            .acknowledgements
            .iter()
            .filter(|ack| self.shows(ack.at))
        {
            self.arrow(ack.at, ack.fate, [1, 0], plot::FAINT, 1)?;
        }
        let sent = || self.trace.transmissions.iter().filter(|t| self.shows(t.at));
        for one in sent().filter(|t| t.cause == Cause::First) {
            self.arrow(one.at, one.fate, [0, 1], FIRST, 1)?;
        }
        let mut free_from = [i32::MIN; 3];
        for one in sent().filter(|t| t.cause != Cause::First) {
            self.arrow(one.at, one.fate, [0, 1], color(one.cause), 3)?;
            // The labels stand on the first of three lines that has room.
            let x = self.x(one.at);
            let text = format!("{}", one.sn);
            if let Some(line) = free_from.iter().position(|&free| x >= free) {
                free_from[line] = x + 12 + 9 * text.len() as i32;
                let y = LIFELINES[0] - 12 - 16 * line as i32;
                canvas.text((x, y), &text, 14, color(one.cause), Anchor::Middle)?;
            }
        }
        Ok(())
    }

    /// A packet between the lifelines; a lost one ends in a cross half way.
    fn arrow(
        &self,
        at: Micros,
        fate: Fate,
        [from, to]: [usize; 2],
        color: RGBColor,
        width: u32,
    ) -> Result<()> {
        let start = (self.x(at), LIFELINES[from]);
        let alpha = if width == 1 { 0.7 } else { 1.0 };
        match fate {
            Fate::Arrives(arrival) => {
                let mut end = (self.x(arrival), LIFELINES[to]);
                if end.0 > RIGHT {
                    // Beyond the picture: cut the line at its edge.
                    let share = f64::from(RIGHT - start.0) / f64::from(end.0 - start.0);
                    end.1 = start.1 + (share * f64::from(end.1 - start.1)) as i32;
                    end.0 = RIGHT;
                }
                self.canvas.line(vec![start, end], color.mix(alpha), width)
            }
            Fate::Lost(_) => {
                let drop = f64::from(LIFELINES[to] - LIFELINES[from]) * 0.45;
                let end = ((start.0 + 18).min(RIGHT), start.1 + drop as i32);
                self.canvas
                    .line(vec![start, end], color.mix(alpha), width)?;
                self.canvas.cross(end, 5, color)
            }
        }
    }

    /// The life of each segment, one row for each `sn`.
    fn rows(&self, low: u32, high: u32) -> Result<()> {
        let canvas = &self.canvas;
        let bottom = ROWS_TOP + ROW * (high - low + 2) as i32;
        let y = |sn: u32| ROWS_TOP + ROW * (sn.wrapping_sub(low) + 1) as i32;
        let panel = Panel {
            left: LEFT,
            top: ROWS_TOP,
            right: RIGHT,
            bottom,
            x: self.time_axis("").without_labels(),
            y: Axis::linear(0.0, 1.0, 1, "").without_labels(),
        };
        panel.frame(
            canvas,
            "Each segment from its first transmission to the acknowledgement that reached the sender",
        )?;
        canvas.text_upwards((LEFT - 62, (ROWS_TOP + bottom) / 2), "sn", 15, plot::FAINT)?;
        for sn in (low..=high).filter(|sn| sn % 5 == 0) {
            canvas.text(
                (LEFT - 9, y(sn)),
                &sn.to_string(),
                14,
                plot::FAINT,
                Anchor::Right,
            )?;
        }
        for sn in low..=high {
            let own = || self.trace.transmissions.iter().filter(move |t| t.sn == sn);
            let Some(first) = own().next() else { continue };
            let end = self
                .trace
                .acknowledged
                .get(&sn)
                .copied()
                .unwrap_or(Micros::MAX);
            let resent = own().count() > 1;
            let (shade, width) = if resent { (0.8, 3) } else { (0.35, 3) };
            let span = [first.at, end].map(|at| self.x(at.min((self.to * 1e3) as u64)).max(LEFT));
            canvas.line(
                vec![(span[0], y(sn)), (span[1], y(sn))],
                FIRST.mix(shade * 0.6),
                width,
            )?;
            for skip in self
                .trace
                .skips
                .iter()
                .filter(|s| s.sn == sn && self.shows(s.at))
            {
                let x = self.x(skip.at);
                canvas.line(vec![(x, y(sn) - 5), (x, y(sn) + 5)], SKIP.to_rgba(), 2)?;
            }
            if let Some(&at) = self.trace.delivered.get(&sn).filter(|at| self.shows(**at)) {
                canvas.dot((self.x(at), y(sn)), 3, plot::TEXT)?;
            }
        }
        for (index, one) in self.trace.transmissions.iter().enumerate() {
            if self.shows(one.at) {
                self.transmission(index, one, y(one.sn))?;
            }
        }
        Ok(())
    }

    fn transmission(&self, index: usize, one: &Transmission, y: i32) -> Result<()> {
        let at = (self.x(one.at), y);
        match one.fate {
            Fate::Arrives(_) => self.canvas.dot(at, 4, color(one.cause))?,
            Fate::Lost(_) => self.canvas.cross(at, 5, color(one.cause))?,
        }
        if one.cause == Cause::First {
            return Ok(());
        }
        let mut label = format!("{} (rto {})", one.cause, one.rto);
        if self.trace.need(index) != Need::Lost {
            label.push_str(", not needed");
        }
        // Right of everything the row has yet to show, so that no mark is covered; left of it where the picture ends.
        let last = [&self.trace.acknowledged, &self.trace.delivered]
            .into_iter()
            .filter_map(|times| times.get(&one.sn))
            .map(|&time| self.x(time))
            .fold(at.0, i32::max);
        let resent = |t: &&Transmission| t.sn == one.sn && t.cause != Cause::First;
        let earlier = self.trace.transmissions[..index]
            .iter()
            .filter(resent)
            .count() as i32;
        let all = self.trace.transmissions.iter().filter(resent).count() as i32;
        const STEP: i32 = 215;
        if last + 12 + all * STEP <= RIGHT {
            let left = last + 12 + STEP * earlier;
            return self
                .canvas
                .text((left, y), &label, 13, color(one.cause), Anchor::Left);
        }
        let first = self.trace.transmissions.iter().find(|t| t.sn == one.sn);
        let right = first.map_or(at.0, |t| self.x(t.at)) - 12 - STEP * (all - 1 - earlier);
        self.canvas
            .text((right, y), &label, 13, color(one.cause), Anchor::Right)
    }

    fn charts(&self, top: i32) -> Result<()> {
        let samples = || {
            self.trace
                .samples
                .iter()
                .filter(|sample| self.shows(sample.at))
        };
        let segments: [Line; 3] = [
            (plot::AMBER, "cwnd", |s| f64::from(s.cwnd)),
            (plot::BLUE, "in flight", |s| f64::from(s.in_flight)),
            (plot::FAINT, "waitsnd", |s| f64::from(s.waiting)),
        ];
        let timers: [Line; 2] = [
            (plot::RED, "RTO", |s| f64::from(s.rto)),
            (plot::CYAN, "smoothed RTT", |s| f64::from(s.srtt)),
        ];
        let charts: [(&str, &[Line]); 2] = [("segments", &segments), ("ms", &timers)];
        for (number, (unit, series)) in charts.into_iter().enumerate() {
            let top = top + number as i32 * (CHART + CHART_GAP);
            let highest = samples()
                .flat_map(|sample| series.iter().map(move |(_, _, value)| value(sample)))
                .fold(1.0, f64::max);
            let last = number == 1;
            let x = self.time_axis(if last { "time, ms" } else { "" });
            let panel = Panel {
                left: LEFT,
                top,
                right: RIGHT,
                bottom: top + CHART,
                x: if last { x } else { x.without_labels() },
                y: Axis::linear(0.0, highest * 1.08, 4, unit),
            };
            panel.frame(&self.canvas, "")?;
            let mut left = LEFT;
            for (color, _, value) in series.iter().rev() {
                let points = samples().map(|sample| (millis(sample.at), value(sample)));
                panel.curve(&self.canvas, corners(points), *color, 2)?;
            }
            for (color, name, _) in series {
                self.canvas.dot((left + 6, top - 16), 5, *color)?;
                self.canvas
                    .text((left + 18, top - 16), name, 15, *color, Anchor::Left)?;
                left += 45 + 9 * name.len() as i32;
            }
        }
        Ok(())
    }
}

/// A curve of steps, reduced to its corners.
fn corners(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut previous: Option<(f64, f64)> = None;
    for point in points {
        match previous {
            Some(before) if before.1 == point.1 => {}
            Some(before) => kept.extend([before, point]),
            None => kept.push(point),
        }
        previous = Some(point);
    }
    kept.extend(previous);
    kept
}
