//! Repeats and interleaves: in every repetition all implementations take turns on the same seed, so other work on the machine
//! affects all of them, and ratios are formed within a repetition.

use anyhow::{Result, ensure};
use kcp_cli::{interrupt, progress};

use crate::scenarios::{Per, Scenario};
use crate::subject::{Outcome, Subject};

/// All runs of one scenario: by subject, then by repetition; empty where the scenario does not apply.
pub struct Measured {
    pub scenario: Scenario,
    pub outcomes: Vec<Vec<Outcome>>,
}

/// A median, and the spread of the runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    pub median: f64,
    pub lowest: f64,
    pub highest: f64,
}

impl Figure {
    pub fn of(mut values: Vec<f64>) -> Option<Figure> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() {
            0 => return None,
            length if length % 2 == 1 => values[middle],
            _ => (values[middle - 1] + values[middle]) / 2.0,
        };
        Some(Figure {
            median,
            lowest: values[0],
            highest: values[values.len() - 1],
        })
    }

    /// Half of the distance between the extremes, as a share of the median.
    pub fn spread(&self) -> f64 {
        match self.median {
            0.0 => 0.0,
            median => (self.highest - self.lowest) / 2.0 / median,
        }
    }
}

impl Measured {
    pub fn figure(&self, subject: usize, per: Per) -> Option<Figure> {
        Figure::of(
            self.outcomes[subject]
                .iter()
                .map(|outcome| outcome.value(per))
                .collect(),
        )
    }
}

/// The median over the repetitions of the ratio of two subjects' figures, possibly from two scenarios.
pub fn ratio(upper: (&Measured, usize, Per), lower: (&Measured, usize, Per)) -> Option<f64> {
    let values = |(measured, subject, per): (&Measured, usize, Per)| {
        measured.outcomes[subject]
            .iter()
            .map(|outcome| outcome.value(per))
            .collect::<Vec<_>>()
    };
    let ratios = values(upper)
        .into_iter()
        .zip(values(lower))
        .map(|(upper, lower)| upper / lower)
        .collect();
    Figure::of(ratios).map(|figure| figure.median)
}

pub struct Plan {
    pub scenarios: Vec<Scenario>,
    pub repetitions: usize,
    pub seed: u64,
}

/// Slow scenarios are not repeated more often than this.
const SLOW_REPETITIONS: usize = 3;

impl Plan {
    fn repetitions(&self, scenario: &Scenario) -> usize {
        match scenario.slow {
            true => self.repetitions.min(SLOW_REPETITIONS),
            false => self.repetitions,
        }
    }

    /// Runs the measurements; after Ctrl-C, returns those that are complete.
    pub fn run(self, subjects: &[Subject]) -> Result<Vec<Measured>> {
        let steps: usize = self
            .scenarios
            .iter()
            .map(|scenario| self.repetitions(scenario) * subjects.len())
            .sum();
        let bar = progress::ticking(steps as u64, "runs");
        let mut results = Vec::new();
        for scenario in &self.scenarios {
            let mut outcomes: Vec<Vec<Outcome>> = vec![Vec::new(); subjects.len()];
            for repetition in 0..self.repetitions(scenario) {
                for turn in 0..subjects.len() {
                    if interrupt::requested() {
                        break;
                    }
                    // Each repetition begins with another subject, so that the order does not matter.
                    let index = (turn + repetition) % subjects.len();
                    bar.set_message(format!("{} / {}", scenario.name, subjects[index].name));
                    let again = outcomes[index].first();
                    if again.is_none_or(Outcome::varies) {
                        let outcome =
                            subjects[index].run(scenario.work, self.seed + repetition as u64)?;
                        outcomes[index].extend(outcome);
                    }
                    bar.inc(1);
                }
            }
            if outcomes.iter().all(Vec::is_empty) {
                continue;
            }
            results.push(Measured {
                scenario: scenario.clone(),
                outcomes,
            });
        }
        let done = format!("{} of {steps} runs", bar.position());
        bar.finish_and_clear();
        interrupt::tell(done);
        ensure!(!results.is_empty(), "nothing was measured");
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_medians_with_their_range() {
        let figure = Figure::of(vec![30.0, 10.0, 20.0]).expect("values");
        assert_eq!(
            (figure.median, figure.lowest, figure.highest),
            (20.0, 10.0, 30.0)
        );
        assert_eq!(figure.spread(), 0.5);
        assert_eq!(
            Figure::of(vec![1.0, 2.0]).map(|figure| figure.median),
            Some(1.5)
        );
        assert_eq!(Figure::of(Vec::new()), None);
    }
}
