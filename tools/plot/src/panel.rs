//! A rectangle with two axes, and what is drawn in it.

use anyhow::Result;
use plotters::style::{Color, RGBColor};

use crate::{Anchor, Axis, Canvas, FAINT, GRID, MEDIUM, PANEL, SMALL, TEXT, width};

pub struct Panel {
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
    pub x: Axis,
    pub y: Axis,
}

/// The name of a curve, beside its end.
pub struct Label {
    pub text: String,
    pub color: RGBColor,
    /// Where the curve ends, in pixels.
    pub end: (i32, i32),
}

impl Panel {
    /// The place of a point on the canvas; points beyond the axes are moved to the edge.
    pub fn at(&self, x: f64, y: f64) -> (i32, i32) {
        let width = f64::from(self.right - self.left);
        let height = f64::from(self.bottom - self.top);
        (
            self.left + (self.x.share(x) * width).round() as i32,
            self.bottom - (self.y.share(y) * height).round() as i32,
        )
    }

    /// The background, the grid, the ticks and the labels. A label that would touch the one before it, or the last
    /// one, is left out: an axis ends on a label.
    pub fn frame(&self, canvas: &Canvas, title: &str) -> Result<()> {
        let corners = [(self.left, self.top), (self.right, self.bottom)];
        canvas.rectangle(corners, PANEL.to_rgba())?;
        canvas.text(
            (self.left, self.top - 14),
            title,
            MEDIUM,
            TEXT,
            Anchor::Left,
        )?;
        let mut free_from = i32::MIN;
        let last = self
            .x
            .ticks
            .last()
            .map_or(0, |(_, label)| width(label, SMALL) / 2);
        for (value, label) in &self.x.ticks {
            let (x, _) = self.at(*value, self.y.low);
            canvas.line(vec![(x, self.top), (x, self.bottom)], GRID.to_rgba(), 1)?;
            let half = width(label, SMALL) / 2;
            if x == self.right || x - half >= free_from && x + half + 4 <= self.right - last {
                let at = (x, self.bottom + 13);
                canvas.text(at, label, SMALL, FAINT, Anchor::Middle)?;
                free_from = x + half + 4;
            }
        }
        let mut free_to = i32::MAX;
        for (value, label) in &self.y.ticks {
            let (_, y) = self.at(self.x.low, *value);
            canvas.line(vec![(self.left, y), (self.right, y)], GRID.to_rgba(), 1)?;
            if y == self.top || y + 7 <= free_to && y - 14 >= self.top {
                canvas.text((self.left - 7, y), label, SMALL, FAINT, Anchor::Right)?;
                free_to = y - 7;
            }
        }
        let below = ((self.left + self.right) / 2, self.bottom + 33);
        canvas.text(below, &self.x.label, SMALL, FAINT, Anchor::Middle)?;
        let widest = self.y.ticks.iter().map(|(_, label)| width(label, SMALL));
        let beside = self.left - 20 - widest.max().unwrap_or(0);
        let middle = (self.top + self.bottom) / 2;
        canvas.text_upwards((beside, middle), &self.y.label, FAINT)
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
        canvas.polygon(outline, color.mix(0.25))?;
        self.curve(canvas, points, color, 1)
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
        canvas.line(pixels, color.to_rgba(), width)
    }

    /// A curve of dashes.
    pub fn dashed_curve(
        &self,
        canvas: &Canvas,
        points: &[(f64, f64)],
        color: RGBColor,
        width: u32,
    ) -> Result<()> {
        for pair in points.windows(2) {
            let [from, to] = [pair[0], pair[1]].map(|(x, y)| self.at(x, y));
            canvas.dashed(from, to, color.to_rgba(), width)?;
        }
        Ok(())
    }

    /// The spread of the measurements of one point.
    pub fn spread(
        &self,
        canvas: &Canvas,
        x: f64,
        (low, high): (f64, f64),
        color: RGBColor,
    ) -> Result<()> {
        let ends = vec![self.at(x, low), self.at(x, high)];
        canvas.line(ends, color.mix(0.45), 5)
    }

    /// Names beside the ends of curves, to the right of the panel. Where ends are close, the names move apart and keep their order.
    pub fn labels(&self, canvas: &Canvas, mut labels: Vec<Label>) -> Result<()> {
        labels.sort_by_key(|label| label.end.1);
        let rows = spread_out(
            labels.iter().map(|label| label.end.1),
            self.top,
            self.bottom,
        );
        for (label, y) in labels.iter().zip(rows) {
            let x = self.right + 18;
            canvas.line(
                vec![(label.end.0 + 5, label.end.1), (x - 4, y)],
                label.color.mix(0.6),
                1,
            )?;
            canvas.text((x, y), &label.text, SMALL, label.color, Anchor::Left)?;
        }
        Ok(())
    }
}

/// Rows for texts at ascending heights: no two overlap, and all are within the bounds if there is room.
fn spread_out(wanted: impl Iterator<Item = i32>, top: i32, bottom: i32) -> Vec<i32> {
    const ROW: i32 = 15;
    let mut rows: Vec<i32> = Vec::new();
    for y in wanted {
        let free = rows.last().map_or(top, |last| last + ROW);
        rows.push(y.max(free));
    }
    let mut limit = bottom;
    for row in rows.iter_mut().rev() {
        *row = (*row).min(limit);
        limit = *row - ROW;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn the_last_tick_has_its_label_though_the_one_before_would_touch_it() {
        let path = std::env::temp_dir().join(format!("kcp-plot-{}.svg", std::process::id()));
        let canvas = Canvas::new(&path, 300, "", &[]).unwrap();
        let panel = Panel {
            left: 634,
            top: 100,
            right: 876,
            bottom: 200,
            x: Axis::logarithmic(100.0, 10000.0, ""),
            y: Axis::at_values(&[1.0, 90.0, 100.0], ""),
        };
        panel.frame(&canvas, "").unwrap();
        canvas.finish().unwrap();
        let picture = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for (label, shown) in [
            ("100", true),
            ("10,000", true),
            ("5,000", false),
            ("90", false),
        ] {
            assert_eq!(picture.contains(&format!("\n{label}\n")), shown, "{label}");
        }
    }

    #[test]
    fn labels_do_not_overlap_and_stay_beside_the_panel() {
        assert_eq!(spread_out([50, 52, 120].into_iter(), 0, 200), [50, 65, 120]);
        assert_eq!(
            spread_out([198, 199, 200].into_iter(), 0, 200),
            [170, 185, 200]
        );
    }
}
