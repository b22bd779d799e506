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

    /// Zero, to fill a buffer.
    const ZERO: Self;
}

impl Cost for f32 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Cost for f64 {
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }
}
