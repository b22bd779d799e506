//! The number types a gain matrix may hold.

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number type of a gain matrix: `f32` or `f64`. All arithmetic happens after conversion to `f64`.
pub trait Cost: Copy + Send + Sync + sealed::Sealed + 'static {
    /// The value as `f64`, exactly.
    fn to_f64(self) -> f64;

    /// The slice itself where it holds `f64` already.
    fn as_f64(slice: &[Self]) -> Option<&[f64]>;
}

impl Cost for f32 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    fn as_f64(_: &[f32]) -> Option<&[f64]> {
        None
    }
}

impl Cost for f64 {
    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    fn as_f64(slice: &[f64]) -> Option<&[f64]> {
        Some(slice)
    }
}
