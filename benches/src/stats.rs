//! How rounds become one number: medians, and the spread of ratios that were taken within the same round.

use serde::Serialize;

/// The middle of some values and the range of their middle half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Nothing if there are no values.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            low: quantile(&sorted, 0.25)?,
            median: quantile(&sorted, 0.5)?,
            high: quantile(&sorted, 0.75)?,
        })
    }
}

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    Spread::of(&values.into_iter().collect::<Vec<_>>()).map(|spread| spread.median)
}

/// Divides each value by the one that the baseline had in the same round, so that what disturbed a whole round
/// (another guest, a clock change) leaves the ratio alone.
pub(crate) fn ratios(values: &[f64], baseline: &[f64]) -> Vec<f64> {
    values.iter().zip(baseline).map(|(value, base)| value / base).collect()
}

/// The quantile of sorted values, linear between neighbours.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::{Spread, median, ratios};

    #[test]
    fn the_median_of_an_even_count_lies_between_the_middle_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median([5.0, 1.0, 3.0]), Some(3.0));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(median([]), None);
    }

    #[test]
    fn the_spread_is_the_middle_half_and_ignores_one_outlier() {
        let spread = Spread::of(&[1.0, 2.0, 3.0, 4.0, 1000.0]);
        assert_eq!(spread, Some(Spread { low: 2.0, median: 3.0, high: 4.0 }));
    }

    #[test]
    fn ratios_pair_the_same_round() {
        // The machine was twice as slow in the second round; the arm is 0.8 of its baseline in both.
        assert_eq!(ratios(&[80.0, 160.0], &[100.0, 200.0]), vec![0.8, 0.8]);
    }
}
