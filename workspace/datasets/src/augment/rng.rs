use rand::RngCore;

/// Uniform numbers by a rule of our own, so that images do not change with the version of a library.
pub(super) struct Uniform<R>(pub R);

impl<R: RngCore> Uniform<R> {
    /// In [0, 1), a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// In [low, high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// One of `0..count`.
    pub fn below(&mut self, count: usize) -> usize {
        ((u64::from(self.0.next_u32()) * count as u64) >> 32) as usize
    }
}

/// A source of given words, for tests worked by hand.
#[cfg(test)]
pub(super) struct Script(pub std::collections::VecDeque<u64>);

#[cfg(test)]
impl RngCore for Script {
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    fn next_u64(&mut self) -> u64 {
        self.0.pop_front().expect("the test scripts enough numbers")
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next_u64().to_le_bytes()[..chunk.len()]);
        }
    }
}

/// A generator that gives these numbers of [0, 1), one after the other.
#[cfg(test)]
pub(super) fn scripted(units: &[f64]) -> Uniform<Script> {
    Uniform(Script(units.iter().map(|unit| (unit * 18_446_744_073_709_551_616.0) as u64).collect()))
}
