//! The scale along one side of a panel.

#[derive(Debug, Clone)]
pub struct Axis {
    pub(crate) low: f64,
    pub(crate) high: f64,
    logarithmic: bool,
    pub(crate) label: String,
    pub(crate) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis with about `ticks` round ticks; its ends are the first and the last.
    pub fn linear(low: f64, high: f64, ticks: usize, label: &str) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        let rough = (high - low) / ticks.max(1) as f64;
        let magnitude = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * magnitude)
            .find(|step| *step >= rough * 0.999)
            .unwrap_or(magnitude);
        let first = (low / step + 1e-9).floor() as i64;
        let last = (high / step - 1e-9).ceil() as i64;
        let values = (first..=last).map(|n| n as f64 * step);
        Axis::with_ticks(values, false, label)
    }

    /// A logarithmic axis with ticks at 1, 2 and 5 of each decade, or at the decades alone if there are many. It ends on ticks.
    pub fn logarithmic(low: f64, high: f64, label: &str) -> Axis {
        let low = low.max(1e-9);
        let high = high.max(low * 1.5);
        let factors: &[f64] = if (high / low).log10() > 3.2 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let decades = (low.log10().floor() as i32)..=(high.log10().ceil() as i32 + 1);
        let all: Vec<f64> = decades
            .flat_map(|decade| factors.iter().map(move |f| f * 10f64.powi(decade)))
            .collect();
        let first = all.iter().rposition(|v| *v <= low * 1.001).unwrap_or(0);
        let last = all.iter().position(|v| *v >= high * 0.999);
        let last = last.unwrap_or(all.len() - 1);
        Axis::with_ticks(all[first..=last].iter().copied(), true, label)
    }

    /// A logarithmic axis with ticks at these values, which ascend, from the first to the last of them.
    pub fn at_values(values: &[f64], label: &str) -> Axis {
        match values {
            [] => Axis::logarithmic(1.0, 10.0, label),
            [one] => {
                let mut axis = Axis::logarithmic(one / 2.0, one * 2.0, label);
                axis.ticks = vec![(*one, number(*one))];
                axis
            }
            _ => Axis::with_ticks(values.iter().copied(), true, label),
        }
    }

    fn with_ticks(values: impl Iterator<Item = f64>, logarithmic: bool, label: &str) -> Axis {
        let ticks: Vec<_> = values.map(|value| (value, number(value))).collect();
        Axis {
            low: ticks[0].0,
            high: ticks[ticks.len() - 1].0,
            logarithmic,
            label: label.to_string(),
            ticks,
        }
    }

    /// Keeps the grid lines and omits the labels, for panels that share an axis with the panel below.
    pub fn without_labels(mut self) -> Axis {
        for (_, label) in &mut self.ticks {
            label.clear();
        }
        self.label.clear();
        self
    }

    /// Its first and its last value.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// The position of a value: 0 at the low end, 1 at the high end.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (value.max(1e-12) / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        };
        share.clamp(0.0, 1.0)
    }
}

/// A number in the shortest form that reads well.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_and_axes_end_on_one() {
        assert_eq!(
            labels(&Axis::linear(0.0, 29.3, 6, "")),
            ["0", "5", "10", "15", "20", "25", "30"]
        );
        assert_eq!(
            labels(&Axis::linear(0.0, 1000.0, 2, "")),
            ["0", "500", "1,000"]
        );
        let axis = Axis::logarithmic(60.0, 1500.0, "");
        assert_eq!(labels(&axis), ["50", "100", "200", "500", "1,000", "2,000"]);
        assert_eq!((axis.share(50.0), axis.share(2000.0)), (0.0, 1.0));
        assert_eq!(
            labels(&Axis::logarithmic(0.01, 100.0, "")),
            ["0.01", "0.1", "1", "10", "100"]
        );
        assert_eq!(labels(&Axis::at_values(&[32.0, 128.0], "")), ["32", "128"]);
    }
}
