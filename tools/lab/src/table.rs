//! Tables: one set of rows, printed for people and written as CSV for programs; and the figures of a distribution.

use std::path::Path;

use anyhow::{Context, Result};
use comfy_table::{Cell, CellAlignment, Table as Drawn, presets::UTF8_FULL_CONDENSED};

/// Rows of text under headings. The first column is a name, the others are figures.
#[derive(Debug)]
pub struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[&'static str]) -> Table {
        Table {
            headings: headings.to_vec(),
            rows: Vec::new(),
        }
    }

    pub fn row(&mut self, cells: Vec<String>) {
        assert_eq!(
            cells.len(),
            self.headings.len(),
            "a row that does not fit its headings"
        );
        self.rows.push(cells);
    }

    pub fn print(&self) {
        let mut drawn = Drawn::new();
        drawn.load_preset(UTF8_FULL_CONDENSED);
        drawn.set_header(self.headings.clone());
        for row in &self.rows {
            drawn.add_row(row.iter().enumerate().map(|(column, text)| {
                let alignment = if column == 0 {
                    CellAlignment::Left
                } else {
                    CellAlignment::Right
                };
                Cell::new(text).set_alignment(alignment)
            }));
        }
        println!("{drawn}");
    }

    pub fn write_csv(&self, path: &Path) -> Result<()> {
        let mut writer =
            csv::Writer::from_path(path).with_context(|| format!("{}", path.display()))?;
        writer.write_record(&self.headings)?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        writer.flush()?;
        Ok(())
    }
}

/// The figures of a distribution, in the unit of its samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub mean: f64,
    pub p50: u64,
    pub p95: u64,
    pub p99: u64,
    pub max: u64,
}

impl Summary {
    /// Exact percentiles (nearest rank) of sorted samples; `None` without samples.
    pub fn of(sorted: &[u64]) -> Option<Summary> {
        let max = *sorted.last()?;
        let rank = |percent: usize| sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1];
        Some(Summary {
            mean: sorted.iter().sum::<u64>() as f64 / sorted.len() as f64,
            p50: rank(50),
            p95: rank(95),
            p99: rank(99),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let samples: Vec<u64> = (1..=200).collect();
        let summary = Summary::of(&samples).unwrap();
        assert_eq!(
            summary,
            Summary {
                mean: 100.5,
                p50: 100,
                p95: 190,
                p99: 198,
                max: 200
            }
        );
        let one = Summary::of(&[7]).unwrap();
        assert_eq!((one.p50, one.p99, one.max), (7, 7, 7));
        assert_eq!(Summary::of(&[]), None);
    }
}
