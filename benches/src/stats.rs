//! Medians and latency summaries of plain numbers; it must not know where they come from.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

const LATENCY_NS_MAX: u64 = 60_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// An empty latency histogram, 1 ns to 60 s.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, SIGNIFICANT_DIGITS)
        .expect("the bounds are valid constants")
}

/// The latencies that a table shows, in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    /// Half are below.
    pub p50_us: f64,
    /// 99 % are below.
    pub p99_us: f64,
    /// 99.9 % are below.
    pub p999_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Latency {
    /// Reads them off a histogram of nanoseconds.
    pub fn of(histogram: &Histogram<u64>) -> Latency {
        let us = |quantile: f64| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Latency {
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: histogram.max() as f64 / 1e3,
        }
    }

    /// For the raw figures.
    pub fn json(&self) -> Value {
        json!({ "p50_us": self.p50_us, "p99_us": self.p99_us, "p99.9_us": self.p999_us, "max_us": self.max_us })
    }
}

/// The median; NaN of nothing.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Between which the middle half lies; NaN of nothing.
pub fn quartiles(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    match values.len().checked_sub(1) {
        Some(last) => (values[quarter], values[last - quarter]),
        None => (f64::NAN, f64::NAN),
    }
}

/// The smallest and the largest; NaN of nothing.
pub fn range(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    values
        .into_iter()
        .fold((f64::NAN, f64::NAN), |(low, high), value| {
            (low.min(value), high.max(value))
        })
}

/// Figures as ratios to the baseline's of the same round; those of rounds that have none are left out.
pub fn ratios(
    own: impl IntoIterator<Item = (usize, f64)>,
    baseline: impl IntoIterator<Item = (usize, f64)>,
) -> Vec<f64> {
    let baseline: Vec<_> = baseline.into_iter().collect();
    let ratio = |(round, value): (usize, f64)| {
        let (_, base) = baseline.iter().find(|(of, _)| *of == round)?;
        Some(value / base)
    };
    own.into_iter().filter_map(ratio).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!(median([]).is_nan());
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn quartiles_leave_a_quarter_out_on_either_side() {
        assert!(quartiles([]).0.is_nan());
        assert_eq!(quartiles([2.0]), (2.0, 2.0));
        assert_eq!(quartiles([5.0, 1.0, 4.0, 2.0, 3.0]), (2.0, 4.0));
        assert_eq!(quartiles((1..=8).map(f64::from)), (3.0, 6.0));
    }

    #[test]
    fn ranges() {
        assert_eq!(range([2.0, 1.0, 3.0]), (1.0, 3.0));
    }

    #[test]
    fn ratios_are_those_of_a_round() {
        let own = [(0, 3.0), (1, 1.0), (2, 5.0)];
        assert_eq!(ratios(own, [(1, 4.0), (0, 2.0)]), [1.5, 0.25]);
    }

    #[test]
    fn latencies_are_microseconds() {
        let mut histogram = histogram();
        (1..=1000).for_each(|us| histogram.record(us * 1000).unwrap());
        let latency = Latency::of(&histogram);
        assert!((latency.p50_us - 500.0).abs() < 1.0, "{latency:?}");
        assert!((latency.p99_us - 990.0).abs() < 2.0, "{latency:?}");
    }
}
