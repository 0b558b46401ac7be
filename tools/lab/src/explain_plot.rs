//! The picture of `explain`: the packets between two lifelines, the life of each segment by `sn`, and the sender's windows and
//! timers, over one time axis.

use std::path::Path;

use anyhow::Result;
use kcp_abi::extensions::Info;
use kcp_plot::{self as plot, Anchor, Axis, Canvas, Color, Panel, RGBColor};

use crate::endpoint::Mode;
use crate::link::{Fate, Micros};
use crate::trace::{Cause, Need, Sample, Trace, Transmission};

const LEFT: i32 = 84;
const RIGHT: i32 = plot::WIDTH - 30;
const LEGEND: i32 = 84;
const LIFELINES: [i32; 2] = [180, 310];
const ROWS_TOP: i32 = 370;
const ROW: i32 = 14;
const CHART: i32 = 100;
/// Room for the names above a chart.
const CHART_GAP: i32 = 44;
/// Height of the congestion control's phases, and the gap below them.
const PHASES: i32 = 26 + CHART_GAP;

const FIRST: RGBColor = plot::BLUE;
const TIMEOUT: RGBColor = plot::RED;
const FAST: RGBColor = plot::GREEN;
const EARLY: RGBColor = plot::PURPLE;
const SKIP: RGBColor = plot::AMBER;

fn color(cause: Cause) -> RGBColor {
    match cause {
        Cause::First => FIRST,
        Cause::Timeout => TIMEOUT,
        Cause::Fast { .. } => FAST,
        Cause::Early => EARLY,
    }
}

/// A curve of the charts: its colour, its name, its value.
type Line = (RGBColor, &'static str, fn(&Sample) -> f64);

/// The part of the session that is drawn.
struct View<'a> {
    canvas: Canvas<'a>,
    trace: &'a Trace,
    /// In milliseconds.
    time: Axis,
}

fn millis(at: Micros) -> f64 {
    at as f64 / 1e3
}

pub fn draw(
    path: &Path,
    trace: &Trace,
    mode: &Mode,
    (from, to): (u64, u64),
    subtitle: &str,
) -> Result<()> {
    let time = Axis::linear(from as f64, to as f64, 10, "time, ms");
    let (from, to) = time.ends();
    let shown: Vec<u32> = trace
        .transmissions
        .iter()
        .filter(|t| (from..=to).contains(&millis(t.at)))
        .map(|t| t.sn)
        .collect();
    let low = shown.iter().min().copied().unwrap_or(0);
    let high = shown.iter().max().copied().unwrap_or(0);
    let charts_top = ROWS_TOP + ROW * (high - low + 2) as i32 + CHART_GAP;
    let has_control = trace.samples.iter().any(|sample| sample.control.is_some());
    let charts = if has_control { 3 } else { 2 };
    let phases = if has_control { PHASES } else { 0 };
    let height = charts_top + phases + charts * (CHART + CHART_GAP) + 6;
    let title = format!("One session of KCP, {} mode", mode.name);
    let view = View {
        canvas: Canvas::new(path, height, &title, &[subtitle])?,
        trace,
        time,
    };
    view.legend(mode)?;
    view.lifelines()?;
    view.rows(low, high)?;
    if has_control {
        view.phases(charts_top)?;
    }
    view.charts(charts_top + phases, mode, has_control)?;
    view.canvas.finish()
}

impl View<'_> {
    fn x(&self, at: Micros) -> i32 {
        LEFT + (self.time.share(millis(at)) * f64::from(RIGHT - LEFT)).round() as i32
    }

    fn shows(&self, at: Micros) -> bool {
        let (from, to) = self.time.ends();
        (from..=to).contains(&millis(at))
    }

    /// The legend: signs and their meanings.
    fn legend(&self, mode: &Mode) -> Result<()> {
        let canvas = &self.canvas;
        let small = |at, text| canvas.text(at, text, plot::SMALL, plot::TEXT, Anchor::Left);
        let (mut left, mut y) = (20, LEGEND);
        let mut signs = vec![(Some(FIRST), "sent for the first time")];
        // With time-based loss detection, a segment may stay unsent when its timer has run out.
        signs.extend(match mode.tells_loss_by_time() {
            true => [
                (Some(EARLY), "sent again: found lost by time"),
                (Some(TIMEOUT), "sent again: its timeout had passed"),
            ],
            false => [
                (Some(TIMEOUT), "sent again: its timer ran out"),
                (Some(FAST), "sent again: skipped by acknowledgements"),
            ],
        });
        signs.extend([
            (Some(SKIP), "a skip"),
            (Some(plot::FAINT), "acknowledgement (ACK)"),
            (Some(plot::TEXT), "given to the program"),
            (None, "lost"),
        ]);
        for (color, text) in signs {
            let wide = 36 + plot::width(text, plot::SMALL);
            if left + wide > plot::WIDTH {
                (left, y) = (20, y + 20);
            }
            match color {
                Some(color) => canvas.dot((left + 5, y), 5, color)?,
                None => canvas.cross((left + 5, y), 5, plot::TEXT)?,
            }
            small((left + 16, y), text)?;
            left += wide;
        }
        Ok(())
    }

    fn lifelines(&self) -> Result<()> {
        let canvas = &self.canvas;
        let corners = [(LEFT, LIFELINES[0]), (RIGHT, LIFELINES[1])];
        canvas.rectangle(corners, plot::PANEL.to_rgba())?;
        for (y, name) in LIFELINES.into_iter().zip(["sender", "receiver"]) {
            canvas.line(vec![(LEFT, y), (RIGHT, y)], plot::FAINT.to_rgba(), 2)?;
            canvas.text((LEFT - 8, y), name, plot::SMALL, plot::TEXT, Anchor::Right)?;
        }
        let acks = self.trace.acknowledgements.iter();
        for ack in acks.filter(|ack| self.shows(ack.at)) {
            self.arrow(ack.at, ack.fate, [1, 0], plot::FAINT, 1)?;
        }
        let sent = || self.trace.transmissions.iter().filter(|t| self.shows(t.at));
        for one in sent().filter(|t| t.cause == Cause::First) {
            self.arrow(one.at, one.fate, [0, 1], FIRST, 1)?;
        }
        let mut free_from = [i32::MIN; 3];
        for one in sent().filter(|t| t.cause != Cause::First) {
            self.arrow(one.at, one.fate, [0, 1], color(one.cause), 2)?;
            // The segment's number is in the first of three lines that has room.
            let x = self.x(one.at);
            let text = format!("{}", one.sn);
            let half = plot::width(&text, plot::SMALL) / 2;
            if let Some(line) = free_from.iter().position(|&free| x - half >= free) {
                free_from[line] = x + half + 3;
                let y = LIFELINES[0] - 11 - 14 * line as i32;
                canvas.text((x, y), &text, plot::SMALL, color(one.cause), Anchor::Middle)?;
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
                if !self.shows(arrival) {
                    // The packet arrives beyond the picture: the line is cut at the edge.
                    let share = (self.time.ends().1 - millis(at)) / millis(arrival - at);
                    end.1 = start.1 + (share * f64::from(end.1 - start.1)) as i32;
                }
                self.canvas.line(vec![start, end], color.mix(alpha), width)
            }
            Fate::Lost(_) => {
                let drop = f64::from(LIFELINES[to] - LIFELINES[from]) * 0.45;
                let end = ((start.0 + 10).min(RIGHT), start.1 + drop as i32);
                self.canvas
                    .line(vec![start, end], color.mix(alpha), width)?;
                self.canvas.cross(end, 4, color)
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
            x: self.time.clone().without_labels(),
            y: Axis::linear(0.0, 1.0, 1, "").without_labels(),
        };
        panel.frame(
            canvas,
            "Each segment, from its first transmission to the acknowledgement that reached the sender",
        )?;
        let beside = (LEFT - 48, (ROWS_TOP + bottom) / 2);
        canvas.text_upwards(beside, "sn, the number of the segment", plot::FAINT)?;
        for sn in (low..=high).filter(|sn| sn % 5 == 0) {
            let at = (LEFT - 7, y(sn));
            canvas.text(at, &sn.to_string(), plot::SMALL, plot::FAINT, Anchor::Right)?;
        }
        for sn in low..=high {
            self.row(sn, y(sn))?;
        }
        Ok(())
    }

    fn row(&self, sn: u32, y: i32) -> Result<()> {
        let canvas = &self.canvas;
        let sent = || self.trace.transmissions.iter().enumerate();
        let own: Vec<(usize, &Transmission)> = sent().filter(|(_, t)| t.sn == sn).collect();
        let Some((_, first)) = own.first() else {
            return Ok(());
        };
        let acknowledged = self.trace.acknowledged.get(&sn);
        let end = acknowledged.map_or(RIGHT, |&at| self.x(at));
        let shade = if own.len() > 1 { 0.5 } else { 0.2 };
        let start = self.x(first.at);
        canvas.line(vec![(start, y), (end, y)], FIRST.mix(shade), 3)?;
        let skips = self.trace.skips.iter().filter(|skip| skip.sn == sn);
        for skip in skips.filter(|skip| self.shows(skip.at)) {
            let x = self.x(skip.at);
            canvas.line(vec![(x, y - 5), (x, y + 5)], SKIP.to_rgba(), 2)?;
        }
        let delivered = self.trace.delivered.get(&sn).filter(|at| self.shows(**at));
        if let Some(&at) = delivered {
            canvas.dot((self.x(at), y), 2, plot::TEXT)?;
        }
        for (_, one) in own.iter().filter(|(_, one)| self.shows(one.at)) {
            match one.fate {
                Fate::Lost(_) => canvas.cross((self.x(one.at), y), 4, color(one.cause))?,
                Fate::Arrives(_) => canvas.dot((self.x(one.at), y), 3, color(one.cause))?,
            }
        }

        // Why it was retransmitted: to the right of its row, or to the left at the end of the picture.
        let causes: Vec<String> = own[1..]
            .iter()
            .map(|&(index, one)| {
                let needless = match self.trace.need(index) {
                    Need::Lost => "",
                    Need::AckLost | Need::Early => ", not needed",
                };
                match one.cause {
                    Cause::Fast { skips } => format!("{skips} skips{needless}"),
                    Cause::Early => format!("early{needless}"),
                    _ => format!("RTO {} ms{needless}", one.rto),
                }
            })
            .collect();
        let text = causes.join("; ");
        let wide = plot::width(&text, plot::SMALL);
        let delivered = delivered.map_or(0, |&at| self.x(at));
        let after = end.max(delivered) + 9;
        if after + wide <= RIGHT {
            canvas.text((after, y), &text, plot::SMALL, plot::TEXT, Anchor::Left)
        } else if start - 9 - wide >= LEFT {
            canvas.text(
                (start - 9, y),
                &text,
                plot::SMALL,
                plot::TEXT,
                Anchor::Right,
            )
        } else {
            Ok(()) // no room: the signs on the row must do
        }
    }

    /// The phases of the congestion control, one after the other.
    fn phases(&self, top: i32) -> Result<()> {
        let canvas = &self.canvas;
        let at = (LEFT, top - 14);
        let title = "Phases of the congestion control";
        canvas.text(at, title, plot::MEDIUM, plot::TEXT, Anchor::Left)?;
        let mut samples = self
            .trace
            .samples
            .iter()
            .filter(|sample| self.shows(sample.at))
            .filter_map(|sample| Some((sample.at, sample.control?)))
            .peekable();
        while let Some((start, control)) = samples.next() {
            let mut end = start;
            while let Some((at, _)) = samples.next_if(|(_, c)| c.phase == control.phase) {
                end = at;
            }
            let (left, right) = (self.x(start), self.x(end + 1_000).max(self.x(start) + 1));
            let color = plot::SERIES[control.phase as usize % plot::SERIES.len()];
            let corners = [(left, top), (right, top + 26)];
            canvas.rectangle(corners, color.mix(0.3))?;
            // The whole name, its last word, or nothing.
            let name = control.phase_name();
            let last = name.rsplit(' ').next().unwrap_or(name);
            let fits = |name: &&str| plot::width(name, plot::SMALL) + 4 <= right - left;
            if let Some(name) = [name, last].iter().copied().find(fits) {
                let at = ((left + right) / 2, top + 13);
                canvas.text(at, name, plot::SMALL, plot::TEXT, Anchor::Middle)?;
            }
        }
        Ok(())
    }

    fn charts(&self, top: i32, mode: &Mode, has_control: bool) -> Result<()> {
        let samples = || {
            self.trace
                .samples
                .iter()
                .filter(|sample| self.shows(sample.at))
        };
        let mut segments: Vec<Line> = vec![
            (plot::BLUE, "in flight (not acknowledged)", |s| {
                f64::from(s.in_flight)
            }),
            (plot::FAINT, "waitsnd (in flight and queued)", |s| {
                f64::from(s.waiting)
            }),
        ];
        // A line that the mode ignores would mislead.
        if mode.nocwnd == 0 || mode.controller.is_some() {
            segments.push((plot::AMBER, "cwnd (congestion window)", |s| {
                f64::from(s.cwnd)
            }));
        }
        let timers: Vec<Line> = vec![
            (plot::RED, "RTO (timeout of the next segment)", |s| {
                f64::from(s.rto)
            }),
            (plot::CYAN, "smoothed RTT", |s| f64::from(s.srtt)),
        ];
        let mut charts = vec![("segments", segments)];
        if has_control {
            let rates: Vec<Line> = vec![
                (plot::GREEN, "rate of sending (0: not paced)", |s| {
                    rate(s, |control| control.pacing_rate)
                }),
                (plot::BLUE, "estimate of what the path delivers", |s| {
                    rate(s, |control| control.bandwidth)
                }),
            ];
            charts.push(("Mbit/s", rates));
        }
        charts.push(("ms", timers));
        let last = charts.len() - 1;
        for (number, (unit, series)) in charts.into_iter().enumerate() {
            let x = match number {
                number if number == last => self.time.clone(),
                _ => self.time.clone().without_labels(),
            };
            let top = top + number as i32 * (CHART + CHART_GAP);
            let highest = samples()
                .flat_map(|sample| series.iter().map(move |(_, _, value)| value(sample)))
                .fold(1.0, f64::max);
            let panel = Panel {
                left: LEFT,
                top,
                right: RIGHT,
                bottom: top + CHART,
                x,
                y: Axis::linear(0.0, highest, 4, unit),
            };
            panel.frame(&self.canvas, "")?;
            let mut left = LEFT;
            for (color, name, value) in &series {
                let points = samples().map(|sample| (millis(sample.at), value(sample)));
                panel.curve(&self.canvas, corners(points), *color, 2)?;
                let from = (left, top - 14);
                self.canvas
                    .line(vec![from, (left + 18, top - 14)], color.to_rgba(), 3)?;
                let at = (left + 24, top - 14);
                self.canvas
                    .text(at, name, plot::SMALL, *color, Anchor::Left)?;
                left += 44 + plot::width(name, plot::SMALL);
            }
        }
        Ok(())
    }
}

/// A rate of the congestion control in Mbit/s.
fn rate(sample: &Sample, pick: fn(Info) -> u32) -> f64 {
    sample
        .control
        .map_or(0.0, |control| f64::from(pick(control)) * 8.0 / 1e6)
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
