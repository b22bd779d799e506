//! Sums and differences of doubles without rounding.
//!
//! Every double is a whole multiple of a power of two. Of the least such power among the numbers at hand all of them are whole multiples, and so
//! are their sums: whole numbers, long enough for the largest.

use std::cmp::Ordering;

/// A whole number of units, in two's complement of 64 · `N` bits, lowest limb first. What the unit is, a [`Scale`] says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fixed<const N: usize>([u64; N]);

/// The unit `2^lowest`, and the bits that sums of the numbers it was made for need.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    lowest: i32,
    bits: u32,
}

/// Work that is the same for numbers of any length.
pub(crate) trait Exactly {
    type Output;

    fn run<const N: usize>(self, scale: Scale) -> Self::Output;
}

impl Scale {
    /// A unit for finite `values`, and room for sums of as many as `terms` of them.
    pub fn of(values: impl Iterator<Item = f64>, terms: usize) -> Scale {
        let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
        for (mantissa, exponent) in values.map(parts).filter(|(mantissa, _)| *mantissa != 0) {
            lowest = lowest.min(exponent + mantissa.trailing_zeros() as i32);
            highest = highest.max(exponent + 64 - mantissa.leading_zeros() as i32);
        }
        if highest < lowest {
            return Scale { lowest: 0, bits: 0 };
        }
        // One more for the sign, one for rounding the logarithm up.
        Scale { lowest, bits: (highest - lowest) as u32 + terms.max(1).ilog2() + 2 }
    }

    /// Does `work` with numbers that are long enough.
    pub fn dispatch<W: Exactly>(self, work: W) -> W::Output {
        match self.bits {
            ..=128 => work.run::<2>(self),
            129..=256 => work.run::<4>(self),
            257..=512 => work.run::<8>(self),
            // All doubles: 2098 bits, and 2^64 terms.
            _ => work.run::<34>(self),
        }
    }
}

/// The mantissa of the magnitude, and the exponent of its last bit.
#[inline(always)]
fn parts(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let (exponent, fraction) = ((bits >> 52 & 0x7ff) as i32, bits & ((1 << 52) - 1));
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

impl<const N: usize> Fixed<N> {
    pub const ZERO: Fixed<N> = Fixed([0; N]);

    /// One of the numbers that `scale` was made for, as it is.
    #[inline(always)]
    pub fn new(value: f64, scale: Scale) -> Fixed<N> {
        let (mantissa, exponent) = parts(value);
        if mantissa == 0 {
            return Fixed::ZERO;
        }
        let shift = exponent - scale.lowest;
        // The bits below the unit are 0.
        let (mantissa, shift) = if shift < 0 { (mantissa >> -shift, 0) } else { (mantissa, shift as usize) };
        let wide = u128::from(mantissa) << (shift % 64);
        let mut limbs = [0; N];
        limbs[shift / 64] = wide as u64;
        if shift / 64 + 1 < N {
            limbs[shift / 64 + 1] = (wide >> 64) as u64;
        }
        if value < 0.0 { Fixed::ZERO.less(Fixed(limbs)) } else { Fixed(limbs) }
    }

    #[inline(always)]
    pub fn plus(self, other: Fixed<N>) -> Fixed<N> {
        let (mut sum, mut carry) = ([0; N], false);
        for (sum, (a, b)) in sum.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            (*sum, carry) = a.carrying_add(b, carry);
        }
        Fixed(sum)
    }

    #[inline(always)]
    pub fn less(self, other: Fixed<N>) -> Fixed<N> {
        let (mut difference, mut borrow) = ([0; N], false);
        for (difference, (a, b)) in difference.iter_mut().zip(self.0.into_iter().zip(other.0)) {
            (*difference, borrow) = a.borrowing_sub(b, borrow);
        }
        Fixed(difference)
    }

    #[inline(always)]
    pub fn is_negative(self) -> bool {
        (self.0[N - 1] as i64) < 0
    }

    /// The nearest double.
    pub fn to_f64(self, scale: Scale) -> f64 {
        if self.is_negative() {
            return -Fixed::ZERO.less(self).to_f64(scale);
        }
        let Some(top) = self.0.iter().rposition(|limb| *limb != 0) else { return 0.0 };
        let below = |index: usize| top.checked_sub(index).map_or(0, |index| self.0[index]);
        let shift = self.0[top].leading_zeros();
        // The 128 highest bits, from the first that is set; the last of them stands for all that follow, which decide a tie of rounding.
        let next = u128::from(below(1)) << 64 | u128::from(below(2));
        let head = u128::from(self.0[top]) << 64 << shift | next >> (64 - shift);
        let rest = next << 64 << shift != 0 || self.0[..top.saturating_sub(2)].iter().any(|limb| *limb != 0);
        let exponent = scale.lowest + 64 * (top as i32 - 1) - shift as i32;
        scaled((head | u128::from(rest)) as f64, exponent)
    }
}

/// `value · 2^exponent`, in steps that neither overflow nor underflow before the last.
fn scaled(mut value: f64, mut exponent: i32) -> f64 {
    while exponent.abs() > 900 {
        let step = 900 * exponent.signum();
        value *= f64::powi(2.0, step);
        exponent -= step;
    }
    value * f64::powi(2.0, exponent)
}

impl<const N: usize> Ord for Fixed<N> {
    #[inline(always)]
    fn cmp(&self, other: &Fixed<N>) -> Ordering {
        let highest = (self.0[N - 1] as i64).cmp(&(other.0[N - 1] as i64));
        highest.then_with(|| self.0.iter().rev().cmp(other.0.iter().rev()))
    }
}

impl<const N: usize> PartialOrd for Fixed<N> {
    #[inline(always)]
    fn partial_cmp(&self, other: &Fixed<N>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The sum of the values less that of the others.
    struct Total<'a>(&'a [f64], &'a [f64]);

    impl Exactly for Total<'_> {
        type Output = f64;

        fn run<const N: usize>(self, scale: Scale) -> f64 {
            let sum = self.0.iter().fold(Fixed::<N>::ZERO, |sum, value| sum.plus(Fixed::new(*value, scale)));
            self.1.iter().fold(sum, |sum, value| sum.less(Fixed::new(*value, scale))).to_f64(scale)
        }
    }

    fn total(plus: &[f64], less: &[f64]) -> f64 {
        Scale::of(plus.iter().chain(less).copied(), plus.len() + less.len()).dispatch(Total(plus, less))
    }

    #[test]
    fn what_large_numbers_swallow_in_doubles_is_kept() {
        assert_eq!(total(&[1e32, 5.25, 1e-300], &[1e32, 5.25]), 1e-300);
        assert_eq!(total(&[f64::MAX, 5e-324], &[f64::MAX]), 5e-324);
        assert_eq!(total(&[f64::MIN, f64::MAX, 3.0], &[7.0]), -4.0);
        assert_eq!(total(&[], &[]), 0.0);
        assert_eq!(total(&[0.1; 10], &[]), 1.0);
    }

    #[test]
    fn a_sum_is_rounded_once_and_ties_go_to_the_even_neighbour() {
        let ulp = f64::EPSILON;
        assert_eq!(total(&[1.0, ulp / 2.0], &[]), 1.0);
        assert_eq!(total(&[1.0, ulp / 2.0, 1e-200], &[]), 1.0 + ulp);
        assert_eq!(total(&[1.0 + ulp, ulp / 2.0], &[]), 1.0 + 2.0 * ulp);
    }

    proptest! {
        #[test]
        fn one_number_comes_back_as_it_was_and_two_round_as_doubles_do(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(a.is_finite() && b.is_finite() && (a + b).is_finite() && (a - b).is_finite());
            prop_assert_eq!(total(&[a], &[]), a);
            prop_assert_eq!(total(&[a, b], &[]), a + b);
            prop_assert_eq!(total(&[a], &[b]), a - b);
        }

        #[test]
        fn order_is_that_of_the_doubles(a in -1e9..1e9_f64, b in -1e9..1e9_f64) {
            struct Compare(f64, f64);
            impl Exactly for Compare {
                type Output = (Ordering, bool);
                fn run<const N: usize>(self, scale: Scale) -> Self::Output {
                    let (a, b) = (Fixed::<N>::new(self.0, scale), Fixed::<N>::new(self.1, scale));
                    (a.cmp(&b), a.is_negative())
                }
            }
            let found = Scale::of([a, b].into_iter(), 2).dispatch(Compare(a, b));
            prop_assert_eq!(found, (a.total_cmp(&b), a < 0.0));
        }
    }
}
