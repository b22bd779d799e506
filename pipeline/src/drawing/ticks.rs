//! Round values on an axis, with labels that tell neighbours apart.

/// Values from here on, and values below the other, are labelled with exponents.
const LARGE: f64 = 1e5;
const SMALL: f64 = 1e-3;

/// A value on an axis and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Tick {
    pub value: f64,
    pub label: String,
}

/// The multiples in an interval of 1, 2, 2.5 or 5 times a power of ten, the finest of which there are at most so many. Their labels have as
/// many decimals as the step needs; nothing where the interval is empty or holds no number.
pub fn ticks(low: f64, high: f64, most: usize) -> Vec<Tick> {
    if !(low.is_finite() && high.is_finite() && low < high) {
        return Vec::new();
    }
    // Steps are `factor` × 10^`power`: whole numbers, so that labels are exact.
    let mut power = ((high - low) / most.max(1) as f64).log10().floor() as i32 - 2;
    loop {
        for factor in [10, 20, 25, 50] {
            let step = exact(factor, power);
            let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
            if last - first < most as f64 {
                let multiples = (first as i128..=last as i128).map(|count| count * factor).collect();
                return labelled(multiples, power);
            }
        }
        power += 1;
    }
}

/// `factor` × 10^`power`, as near as a number comes.
fn exact(factor: i128, power: i32) -> f64 {
    format!("{factor}e{power}").parse().unwrap_or(f64::NAN)
}

/// Labels of whole multiples of 10^`power`.
fn labelled(mut multiples: Vec<i128>, mut power: i32) -> Vec<Tick> {
    while multiples.iter().any(|&multiple| multiple != 0) && multiples.iter().all(|multiple| multiple % 10 == 0) {
        multiples.iter_mut().for_each(|multiple| *multiple /= 10);
        power += 1;
    }
    let largest = multiples.iter().map(|&multiple| exact(multiple, power).abs()).fold(0.0, f64::max);
    let is_plain = largest == 0.0 || (SMALL..LARGE).contains(&largest);
    let label = |multiple: i128| if is_plain { plain(multiple, power) } else { with_exponent(multiple, power) };
    multiples.iter().map(|&multiple| Tick { value: exact(multiple, power), label: label(multiple) }).collect()
}

/// `1.50`: all labels of an axis have the same decimals.
fn plain(multiple: i128, power: i32) -> String {
    if power >= 0 {
        return format!("{multiple}{}", "0".repeat(if multiple == 0 { 0 } else { power as usize }));
    }
    let decimals = power.unsigned_abs() as usize;
    let digits = format!("{:0>width$}", multiple.unsigned_abs(), width = decimals + 1);
    let (whole, rest) = digits.split_at(digits.len() - decimals);
    format!("{}{whole}.{rest}", if multiple < 0 { "-" } else { "" })
}

/// `1.5e-6`, with as many digits as the value has.
fn with_exponent(multiple: i128, power: i32) -> String {
    if multiple == 0 {
        return "0".to_owned();
    }
    let digits = multiple.unsigned_abs().to_string();
    let exponent = power + digits.len() as i32 - 1;
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    let point = if rest.is_empty() { "" } else { "." };
    format!("{}{first}{point}{rest}e{exponent}", if multiple < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(low: f64, high: f64) -> Vec<String> {
        ticks(low, high, 7).into_iter().map(|tick| tick.label).collect()
    }

    #[test]
    fn ticks_are_round_whatever_the_range() {
        assert_eq!(of(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(of(0.087, 0.2), ["0.10", "0.12", "0.14", "0.16", "0.18", "0.20"]);
        assert_eq!(of(0.1, 2.7), ["0.5", "1.0", "1.5", "2.0", "2.5"]);
        assert_eq!(of(2.302_583, 2.302_588), ["2.302583", "2.302584", "2.302585", "2.302586", "2.302587", "2.302588"]);
        assert_eq!(of(-3e3, 5.2e4), ["0", "10000", "20000", "30000", "40000", "50000"]);
        assert_eq!(of(5.9e10, 6.15e10), ["5.9e10", "5.95e10", "6e10", "6.05e10", "6.1e10", "6.15e10"]);
        assert_eq!(of(0.0, 6.1e-6), ["0", "1e-6", "2e-6", "3e-6", "4e-6", "5e-6", "6e-6"]);
        assert_eq!(of(-0.0011, 0.001), ["-0.0010", "-0.0005", "0.0000", "0.0005", "0.0010"]);
        assert!(of(1.0, 1.0).is_empty() && of(f64::NAN, 1.0).is_empty());
    }

    #[test]
    fn neighbours_have_labels_of_their_own_over_forty_orders_of_magnitude() {
        for exponent in -20..20 {
            for (offset, span) in [(0.0, 1.0), (1.0, 0.37), (3.3, 1e-6), (-7.1, 0.02)] {
                let scale = 10f64.powi(exponent);
                let (low, high) = (offset * scale, (offset + span) * scale);
                let found = ticks(low, high, 7);
                assert!((3..=7).contains(&found.len()), "{low} to {high}: {found:?}");
                assert!(found.windows(2).all(|pair| pair[0].label != pair[1].label && pair[0].value < pair[1].value), "{found:?}");
                let room = 1e-6 * (high - low);
                for Tick { value, label } in &found {
                    assert!((low - room..=high + room).contains(value), "{low} to {high}: {value}");
                    assert_eq!(label.parse::<f64>().unwrap(), *value);
                    assert!(label.len() <= 14, "{label}");
                }
            }
        }
    }
}
