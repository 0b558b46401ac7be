//! Pictures for the documents, drawn with plotters into SVG. The axes are our own, because they must end on a round tick, also on
//! logarithmic scales, and labels stand beside what they name.
//!
//! All pictures are [`WIDTH`] wide, and no text is smaller than [`SMALL`], so they are readable in a column of 850 pixels.

pub mod axis;
pub mod palette;
pub mod panel;

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::coord::Shift;
use plotters::prelude::{
    Circle, DrawingArea, FontTransform, IntoDrawingArea, IntoFont, PathElement, Polygon, Rectangle,
    SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

pub use axis::{Axis, number};
pub use palette::*;
pub use panel::{Label, Panel};
pub use plotters::style::{Color, RGBAColor, RGBColor};

pub const WIDTH: i32 = 900;
/// Sizes of text in pixels.
pub const SMALL: u32 = 13;
pub const MEDIUM: u32 = 15;
pub const LARGE: u32 = 21;

/// Where a text stands relative to its point.
#[derive(Clone, Copy)]
pub enum Anchor {
    Left,
    Middle,
    Right,
}

/// Approximate width of a text in a wide font.
pub fn width(text: &str, size: u32) -> i32 {
    (text.chars().count() as f64 * f64::from(size) * 0.61).ceil() as i32
}

/// A text, cut to the available room.
fn shortened(text: &str, size: u32, room: i32) -> String {
    if width(text, size) <= room {
        return text.to_string();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while !kept.is_empty() && width(&format!("{}...", String::from_iter(&kept)), size) > room {
        kept.pop();
    }
    String::from_iter(kept) + "..."
}

/// An SVG being drawn.
pub struct Canvas<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    path: &'a Path,
    height: i32,
}

impl<'a> Canvas<'a> {
    /// A title, with lines below it that say what is shown. Everything else begins below `54 + 20 * lines`.
    pub fn new(path: &'a Path, height: i32, title: &str, lines: &[&str]) -> Result<Canvas<'a>> {
        let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
        area.fill(&BACKGROUND).map_err(|e| anyhow!("{e}"))?;
        let canvas = Canvas { area, path, height };
        canvas.text((20, 26), title, LARGE, TEXT, Anchor::Left)?;
        for (number, line) in (0..).zip(lines) {
            canvas.text((20, 54 + 20 * number), line, SMALL, FAINT, Anchor::Left)?;
        }
        Ok(canvas)
    }

    /// Writes the file.
    pub fn finish(self) -> Result<()> {
        self.area.present().map_err(|e| anyhow!("{e}"))?;
        drop(self.area);
        let picture = std::fs::read_to_string(self.path)?;
        let head = picture.find('>').map_or(0, |at| at + 1);
        let (head, rest) = picture.split_at(head);
        std::fs::write(self.path, format!("{head}\n{}{rest}", dark_style()))?;
        Ok(())
    }

    /// Text; the point is the middle of its baseline. Text that would reach beyond the picture is moved into it, or cut if it is
    /// too long: a long name must not discard a measurement.
    pub fn text(
        &self,
        at: (i32, i32),
        text: &str,
        size: u32,
        color: RGBColor,
        anchor: Anchor,
    ) -> Result<()> {
        let (room, low, high) = match anchor {
            Anchor::Left => (WIDTH - at.0, 0, 0),
            Anchor::Middle => (WIDTH, 1, 1),
            Anchor::Right => (at.0, 0, 0),
        };
        let text = shortened(text, size, room);
        let half = width(&text, size) / 2;
        let x = at.0.clamp(low * half, WIDTH - high * half);
        let y = at.1.clamp(8, self.height - 8);
        self.styled_text((x, y), &text, size, color, anchor, FontTransform::None)
    }

    /// Small text, reading upwards.
    pub fn text_upwards(&self, at: (i32, i32), text: &str, color: RGBColor) -> Result<()> {
        let text = shortened(text, SMALL, self.height);
        let half = width(&text, SMALL) / 2;
        let at = (at.0.max(8), at.1.clamp(half, self.height - half));
        let turned = FontTransform::Rotate270;
        self.styled_text(at, &text, SMALL, color, Anchor::Middle, turned)
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
        // The SVG backend divides the size by 1.24.
        let style = ("sans-serif", f64::from(size) * 1.24)
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
        const DASH: f64 = 7.0;
        const GAP: f64 = 4.0;
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

    pub fn rectangle(&self, corners: [(i32, i32); 2], color: RGBAColor) -> Result<()> {
        self.area
            .draw(&Rectangle::new(corners, color.filled()))
            .map_err(|e| anyhow!("{e}"))
    }

    pub fn polygon(&self, points: Vec<(i32, i32)>, color: RGBAColor) -> Result<()> {
        self.area
            .draw(&Polygon::new(points, color))
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
        let rising = vec![(x - radius, y + radius), (x + radius, y - radius)];
        let falling = vec![(x - radius, y - radius), (x + radius, y + radius)];
        self.line(falling, color, 2)?;
        self.line(rising, color, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_picture() -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("picture.svg");
        let canvas = Canvas::new(&path, 200, "A title", &["and what was measured"]).unwrap();
        canvas.dot((10, 10), 3, GREEN).unwrap();
        canvas.finish().unwrap();
        std::fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn text_is_written_in_its_size() {
        let picture = a_picture();
        for size in [SMALL, LARGE] {
            assert!(
                picture.contains(&format!("font-size=\"{size}")),
                "{picture}"
            );
        }
    }

    #[test]
    fn a_picture_has_both_schemes() {
        let picture = a_picture();
        assert!(picture.contains("prefers-color-scheme:dark"));
        assert!(picture.contains("[fill=\"#1A7F37\"]{fill:#3FB950}"));
        assert!(picture.contains("fill=\"#1A7F37\" "), "{picture}");
    }

    #[test]
    fn a_text_is_cut_where_the_picture_ends() {
        assert_eq!(shortened("short", SMALL, 100), "short");
        let cut = shortened("far too long for so little room", SMALL, 100);
        assert!(cut.starts_with("far") && cut.ends_with("..."), "{cut}");
        assert!(width(&cut, SMALL) <= 100);
    }
}
