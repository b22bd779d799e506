//! Numbers as text: the one place that decides how many digits are written.

/// Significant digits of every number in a CSV file: enough to tell apart what training in f32 tells apart, few enough that another
/// processor's roundings seldom show.
pub const CSV_DIGITS: usize = 7;

/// Significant digits of a number that people read.
const SHOWN_DIGITS: usize = 4;

/// Digits of a standard deviation, beside a number that people read.
const SPREAD_DIGITS: usize = 2;

/// A number as CSV files have it: rounded to [`CSV_DIGITS`] significant digits, without trailing zeros but always with a point, so that
/// every reader takes the column for one of floats. From 1e7 on and below 1e-4 with an exponent. Zero has no sign.
pub fn csv(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let Rounded { mantissa, exponent } = Rounded::new(value, CSV_DIGITS);
    let with_point = |text: String| if text.contains('.') { text } else { format!("{text}.0") };
    match exponent {
        _ if mantissa == 0.0 => "0.0".to_owned(),
        -4..=6 => with_point(trimmed(&format!("{value:.*}", (CSV_DIGITS as i32 - 1 - exponent) as usize))),
        _ => format!("{}e{exponent}", with_point(trimmed(&format!("{mantissa:.*}", CSV_DIGITS - 1)))),
    }
}

/// A number for people, with four significant digits: `0.1567`, `12.40`, `5.3e-6`, `6e10`. Zero is `0`.
pub fn shown(value: f64) -> String {
    significant(value, SHOWN_DIGITS)
}

/// A standard deviation for people, with two significant digits.
pub fn spread(value: f64) -> String {
    significant(value, SPREAD_DIGITS)
}

/// A share such as an accuracy for people: four decimals, more where 0 or 1 would be read that it is not.
pub fn share(value: f64) -> String {
    if value != 0.0 && value.abs() < 5e-5 {
        return shown(value);
    }
    let decimals = (SHOWN_DIGITS..12).find(|&decimals| value >= 1.0 || format!("{value:.decimals$}") != format!("{:.decimals$}", 1.0));
    fixed(value, decimals.unwrap_or(SHOWN_DIGITS))
}

/// A number with so many significant digits, with an exponent below 1e-3 and where its digits end above the unit.
pub fn significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    let Rounded { mantissa, exponent } = Rounded::new(value, digits);
    match exponent {
        _ if mantissa == 0.0 => "0".to_owned(),
        -3..=4 => fixed(value, (digits as i32 - 1 - exponent).max(0) as usize),
        _ => format!("{}e{exponent}", trimmed(&format!("{mantissa:.*}", digits - 1))),
    }
}

/// A number with so many decimals. Zero, and what rounds to it, has no sign.
pub fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|byte| matches!(byte, b'-' | b'0' | b'.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

/// A number with so many decimals; with an exponent where these would show less than two of its digits, or more than it has.
pub fn legible(value: f64, decimals: usize) -> String {
    let least = 10f64.powi(1 - decimals as i32);
    if value.abs() < 1e6 && (value == 0.0 || value.abs() >= least) { fixed(value, decimals) } else { shown(value) }
}

/// Two numbers of bytes in the unit of the smaller, with as many decimals as tell them apart: `318.5 MiB` and `300.0 MiB`.
pub fn sizes(bytes: [u64; 2]) -> [String; 2] {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let smaller = bytes[0].min(bytes[1]);
    let power = (0..UNITS.len()).rev().find(|&power| smaller >> (10 * power) > 0).unwrap_or(0);
    let text = |decimals: usize| bytes.map(|bytes| format!("{:.decimals$} {}", bytes as f64 / f64::from(1 << (10 * power)), UNITS[power]));
    let least = usize::from(power > 0);
    let apart = (least..=9).map(text).find(|[one, other]| one != other);
    apart.unwrap_or_else(|| text(least))
}

/// A number rounded to some significant digits: `mantissa` × 10^`exponent`.
struct Rounded {
    mantissa: f64,
    exponent: i32,
}

impl Rounded {
    fn new(value: f64, digits: usize) -> Rounded {
        let text = format!("{value:.*e}", digits - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        Rounded { mantissa: mantissa.parse().unwrap_or_default(), exponent: exponent.parse().unwrap_or_default() }
    }
}

/// Decimals without the zeros at their end.
fn trimmed(text: &str) -> String {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_files_have_seven_digits_a_point_and_no_negative_zero() {
        for (value, expected) in [
            (0.0, "0.0"),
            (-0.0, "0.0"),
            (1.0, "1.0"),
            (0.9546, "0.9546"),
            (838.864_295_1, "838.8643"),
            (1_234_567.8, "1234568.0"),
            (12_345_678.0, "1.234568e7"),
            (6e10, "6.0e10"),
            (0.000_123_456_789, "0.0001234568"),
            (8.3e-9, "8.3e-9"),
            (-5.3e-6, "-5.3e-6"),
            (9.999_999_99, "10.0"),
            (9_999_999.99, "1.0e7"),
            (f64::MIN_POSITIVE, "2.225074e-308"),
        ] {
            assert_eq!(csv(value), expected);
        }
    }

    #[test]
    fn numbers_in_files_are_read_back_to_seven_digits() {
        for value in [0.1, 1.0 / 3.0, 2.718_3e2, 1e-30, 123_456.789, 8_818_319_493.794_6, -7.7e12, f64::MAX] {
            let read: f64 = csv(value).parse().unwrap();
            assert!((read - value).abs() <= 5.1e-7 * value.abs(), "{value}: {}", csv(value));
        }
    }

    #[test]
    fn decimals_give_way_to_an_exponent_where_they_would_show_nothing() {
        for (value, expected) in
            [(0.0, "0.0000"), (0.2, "0.2000"), (-0.0021, "-0.0021"), (3.6e-7, "3.6e-7"), (-1.7e-6, "-1.7e-6"), (9.99e8, "9.99e8")]
        {
            assert_eq!(legible(value, 4), expected);
        }
    }

    #[test]
    fn people_read_four_digits_and_no_zero_that_is_none() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.462_04, "1.462"),
            (0.007_970_4, "0.007970"),
            (5.312e-6, "5.312e-6"),
            (8_818_319_493.794_6, "8.818e9"),
            (6e10, "6e10"),
            (12_345.6, "12346"),
            (-2.5, "-2.500"),
        ] {
            assert_eq!(shown(value), expected);
        }
        assert_eq!([0.003_83, 0.12, 1.2e-7].map(spread), ["0.0038", "0.12", "1.2e-7"]);
    }

    #[test]
    fn a_share_is_one_or_zero_only_if_it_is() {
        let values = [0.0, 0.000_01, 0.0999, 0.95, 0.999_96, 0.999_999_9, 1.0, 1.5];
        assert_eq!(values.map(share), ["0.0000", "1e-5", "0.0999", "0.9500", "0.99996", "0.9999999", "1.0000", "1.5000"]);
    }

    #[test]
    fn two_sizes_are_told_in_one_unit_that_tells_them_apart() {
        let mib = 1 << 20;
        for (bytes, expected) in [
            ([334_000_000, 300 * mib], ["318.5 MiB", "300.0 MiB"]),
            ([334_000_000, mib], ["318.5 MiB", "1.0 MiB"]),
            ([3 << 30, 2 << 30], ["3.0 GiB", "2.0 GiB"]),
            ([(8 << 30) + mib, 8 << 30], ["8.001 GiB", "8.000 GiB"]),
            ([2048, 100], ["2048 B", "100 B"]),
            ([mib, mib], ["1.0 MiB", "1.0 MiB"]),
            ([5, 0], ["5 B", "0 B"]),
        ] {
            assert_eq!(sizes(bytes), expected);
        }
    }
}
