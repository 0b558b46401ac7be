//! Pictures: a dark canvas, axes and panels drawn with plotters into an SVG. The axes are our own, since a talk wants few and
//! round tick labels, on logarithmic scales as well.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub const BACKGROUND: RGBColor = RGBColor(13, 17, 23);
pub const PANEL: RGBColor = RGBColor(19, 25, 33);
pub const GRID: RGBColor = RGBColor(42, 50, 61);
pub const TEXT: RGBColor = RGBColor(230, 237, 243);
pub const FAINT: RGBColor = RGBColor(145, 155, 168);

pub const AMBER: RGBColor = RGBColor(227, 179, 65);
pub const BLUE: RGBColor = RGBColor(88, 166, 255);
pub const GREEN: RGBColor = RGBColor(63, 205, 110);
pub const RED: RGBColor = RGBColor(255, 92, 92);
pub const ORANGE: RGBColor = RGBColor(255, 152, 79);
pub const PURPLE: RGBColor = RGBColor(188, 140, 255);
pub const CYAN: RGBColor = RGBColor(57, 211, 214);
pub const PINK: RGBColor = RGBColor(255, 140, 200);

/// For series without a colour of their own.
pub const PALETTE: [RGBColor; 8] = [GREEN, BLUE, AMBER, RED, PURPLE, ORANGE, CYAN, PINK];

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

/// An SVG being drawn.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
}

impl<'a> Canvas<'a> {
    pub fn new(path: &'a Path, size: (u32, u32)) -> Result<Canvas<'a>> {
        let area = SVGBackend::new(path, size).into_drawing_area();
        area.fill(&BACKGROUND).map_err(|e| anyhow!("{e}"))?;
        Ok(Canvas { area })
    }

    pub fn finish(self) -> Result<()> {
        self.area.present().map_err(|e| anyhow!("{e}"))
    }

    /// Text with its baseline's middle at the point.
    pub fn text(
        &self,
        at: (i32, i32),
        text: &str,
        size: u32,
        color: RGBColor,
        anchor: Anchor,
    ) -> Result<()> {
        self.styled_text(at, text, size, color, anchor, FontTransform::None)
    }

    /// Text that reads upwards.
    pub fn text_upwards(
        &self,
        at: (i32, i32),
        text: &str,
        size: u32,
        color: RGBColor,
    ) -> Result<()> {
        self.styled_text(
            at,
            text,
            size,
            color,
            Anchor::Middle,
            FontTransform::Rotate270,
        )
    }

    fn styled_text(
        &self,
        at: (i32, i32),
        text: &str,
        size: u32,
        color: RGBColor,
        anchor: Anchor,
        transform: FontTransform,
    ) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let horizontal = match anchor {
            Anchor::Left => HPos::Left,
            Anchor::Middle => HPos::Center,
            Anchor::Right => HPos::Right,
        };
        let style = ("sans-serif", size)
            .into_font()
            .transform(transform)
            .color(&color)
            .pos(Pos::new(horizontal, VPos::Center));
        self.area
            .draw(&Text::new(text.to_string(), at, style))
            .map_err(|e| anyhow!("{e}"))
    }

    pub fn line(&self, points: Vec<(i32, i32)>, color: RGBAColor, width: u32) -> Result<()> {
        self.area
            .draw(&PathElement::new(points, color.stroke_width(width)))
            .map_err(|e| anyhow!("{e}"))
    }

    /// A straight line of dashes.
    pub fn dashed(
        &self,
        from: (i32, i32),
        to: (i32, i32),
        color: RGBAColor,
        width: u32,
    ) -> Result<()> {
        const DASH: f64 = 12.0;
        const GAP: f64 = 8.0;
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let point = |along: f64| {
            let share = along / length;
            (
                from.0 + (dx * share).round() as i32,
                from.1 + (dy * share).round() as i32,
            )
        };
        let mut along = 0.0;
        while along < length {
            let end = (along + DASH).min(length);
            self.line(vec![point(along), point(end)], color, width)?;
            along = end + GAP;
        }
        Ok(())
    }

    pub fn rectangle(
        &self,
        corners: [(i32, i32); 2],
        color: RGBAColor,
        filled: bool,
    ) -> Result<()> {
        let style = if filled {
            color.filled()
        } else {
            color.stroke_width(1)
        };
        self.area
            .draw(&Rectangle::new(corners, style))
            .map_err(|e| anyhow!("{e}"))
    }

    pub fn dot(&self, at: (i32, i32), radius: i32, color: RGBColor) -> Result<()> {
        self.area
            .draw(&Circle::new(at, radius, color.filled()))
            .map_err(|e| anyhow!("{e}"))
    }

    /// A cross, the sign of a lost packet.
    pub fn cross(&self, at: (i32, i32), radius: i32, color: RGBColor) -> Result<()> {
        let (x, y) = at;
        let color = color.to_rgba();
        self.line(
            vec![(x - radius, y - radius), (x + radius, y + radius)],
            color,
            2,
        )?;
        self.line(
            vec![(x - radius, y + radius), (x + radius, y - radius)],
            color,
            2,
        )
    }
}

/// The scale along one side of a panel.
#[derive(Clone)]
pub struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    label: String,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis with about `ticks` round ticks.
    pub fn linear(low: f64, high: f64, ticks: usize, label: &str) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let rough = (high - low) / ticks.max(1) as f64;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough)
            .unwrap_or(magnitude);
        let first = (low / step).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let ticks = (first..=last)
            .map(|n| n as f64 * step)
            .map(|value| (value, number(value)))
            .collect();
        Axis {
            low,
            high,
            logarithmic: false,
            label: label.to_string(),
            ticks,
        }
    }

    /// A logarithmic axis with ticks at 1, 2 and 5 of each decade, or at the decades alone when there are many.
    pub fn logarithmic(low: f64, high: f64, label: &str) -> Axis {
        let low = low.max(1e-9);
        let high = high.max(low * 1.5);
        let factors: &[f64] = if (high / low).log10() > 3.2 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let mut ticks = Vec::new();
        for decade in (low.log10().floor() as i32)..=(high.log10().ceil() as i32) {
            for factor in factors {
                let value = factor * 10f64.powi(decade);
                if value >= low * 0.999 && value <= high * 1.001 {
                    ticks.push((value, number(value)));
                }
            }
        }
        Axis {
            low,
            high,
            logarithmic: true,
            label: label.to_string(),
            ticks,
        }
    }

    /// Ticks at these values, for a scale that is about them.
    pub fn ticks_at(mut self, values: &[f64]) -> Axis {
        self.ticks = values.iter().map(|&v| (v, number(v))).collect();
        self
    }

    /// Keeps the grid lines and leaves the numbers away, for panels that share an axis with the one below.
    pub fn without_labels(mut self) -> Axis {
        for (_, label) in &mut self.ticks {
            label.clear();
        }
        self
    }

    /// Where a value lies, 0 at the low end and 1 at the high one.
    fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(1e-12) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// A number as one would write it on a slide.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1000.0 && value.fract() == 0.0 {
        let digits = format!("{:.0}", size);
        let mut grouped = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if value < 0.0 {
            format!("-{grouped}")
        } else {
            grouped
        }
    } else if size >= 10.0 || value == 0.0 || value.fract().abs() < 1e-9 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_string()
    }
}

/// A rectangle with two axes.
pub struct Panel {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
    pub x: Axis,
    pub y: Axis,
}

impl Panel {
    /// Where a point lies on the canvas; what is beyond the axes is put on the edge.
    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let width = f64::from(self.right - self.left);
        let height = f64::from(self.bottom - self.top);
        (
            self.left + (self.x.share(x) * width).round() as i32,
            self.bottom - (self.y.share(y) * height).round() as i32,
        )
    }

    /// The background, the grid, the ticks and the labels.
    pub fn frame(&self, canvas: &Canvas, title: &str) -> Result<()> {
        canvas.rectangle(
            [(self.left, self.top), (self.right, self.bottom)],
            PANEL.to_rgba(),
            true,
        )?;
        canvas.text((self.left, self.top - 16), title, 17, TEXT, Anchor::Left)?;
        for (value, label) in &self.x.ticks {
            let (x, _) = self.at(*value, self.y.low);
            canvas.line(vec![(x, self.top), (x, self.bottom)], GRID.to_rgba(), 1)?;
            canvas.text((x, self.bottom + 15), label, 14, FAINT, Anchor::Middle)?;
        }
        for (value, label) in &self.y.ticks {
            let (_, y) = self.at(self.x.low, *value);
            canvas.line(vec![(self.left, y), (self.right, y)], GRID.to_rgba(), 1)?;
            canvas.text((self.left - 9, y), label, 14, FAINT, Anchor::Right)?;
        }
        let middle = (self.left + self.right) / 2;
        canvas.text(
            (middle, self.bottom + 38),
            &self.x.label,
            15,
            FAINT,
            Anchor::Middle,
        )?;
        let middle = (self.top + self.bottom) / 2;
        canvas.text_upwards((self.left - 62, middle), &self.y.label, 15, FAINT)
    }

    /// A curve with the area below it filled.
    pub fn area(&self, canvas: &Canvas, points: Vec<(f64, f64)>, color: RGBColor) -> Result<()> {
        let (Some(first), Some(last)) = (points.first(), points.last()) else {
            return Ok(());
        };
        let foot = |x| self.at(x, self.y.low);
        let mut outline = vec![foot(first.0)];
        outline.extend(points.iter().map(|&(x, y)| self.at(x, y)));
        outline.push(foot(last.0));
        canvas
            .area
            .draw(&Polygon::new(outline, color.mix(0.25)))
            .map_err(|e| anyhow!("{e}"))?;
        self.curve(canvas, points, color, 2)
    }

    /// A curve. Points that fall on the same pixel as their predecessor are left out.
    pub fn curve(
        &self,
        canvas: &Canvas,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: u32,
    ) -> Result<()> {
        let mut pixels: Vec<(i32, i32)> = points.into_iter().map(|(x, y)| self.at(x, y)).collect();
        pixels.dedup();
        canvas.line(pixels, color.mix(0.92), width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(
            labels(&Axis::linear(0.0, 29.3, 6, "")),
            ["0", "5", "10", "15", "20", "25"]
        );
        assert_eq!(
            labels(&Axis::logarithmic(40.0, 1500.0, "")),
            ["50", "100", "200", "500", "1,000"]
        );
        assert_eq!(
            labels(&Axis::logarithmic(0.01, 100.0, "")),
            ["0.01", "0.1", "1", "10", "100"]
        );
    }

    #[test]
    fn points_map_to_the_corners_and_stay_inside() {
        let panel = Panel {
            left: 10,
            top: 20,
            right: 110,
            bottom: 220,
            x: Axis::linear(0.0, 10.0, 5, ""),
            y: Axis::logarithmic(1.0, 100.0, ""),
        };
        assert_eq!(panel.at(0.0, 1.0), (10, 220));
        assert_eq!(panel.at(10.0, 100.0), (110, 20));
        assert_eq!(panel.at(5.0, 10.0), (60, 120));
        assert_eq!(panel.at(50.0, 0.0), (110, 220));
    }
}
