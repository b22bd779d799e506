use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The BLAKE3 hash of some content, written as 64 hexadecimal digits.
///
/// ```
/// use onebasin_repro::Fingerprint;
/// let content = Fingerprint::of_bytes(b"abc");
/// assert_eq!(content.short(), "6437b3ac3846");
/// assert_eq!(content.to_string().parse(), Ok(content));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text that is no fingerprint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FingerprintError(String);

impl fmt::Display for FingerprintError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is not a fingerprint of 64 hexadecimal digits", self.0)
    }
}

impl std::error::Error for FingerprintError {}

impl Fingerprint {
    /// The fingerprint of bytes in memory.
    pub fn of_bytes(bytes: &[u8]) -> Fingerprint {
        Fingerprint(*blake3::hash(bytes).as_bytes())
    }

    /// The fingerprint of everything `reader` yields.
    ///
    /// # Errors
    /// What the reader says.
    pub fn of_reader(reader: impl Read) -> io::Result<Fingerprint> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(reader)?;
        Ok(Fingerprint(*hasher.finalize().as_bytes()))
    }

    /// The fingerprint of a value as canonical JSON: keys sorted, no spaces.
    ///
    /// # Panics
    /// When the value has no JSON form (a map with keys that are not texts), which is a bug of the caller.
    pub fn of_json(value: &impl Serialize) -> Fingerprint {
        // `Value` keeps its maps sorted by key, which makes the text canonical.
        let value = serde_json::to_value(value).expect("recipes have a JSON form");
        Fingerprint::of_bytes(value.to_string().as_bytes())
    }

    /// The first 12 digits, as tables show them.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, FingerprintError> {
        let wrong = || FingerprintError(text.to_owned());
        if text.len() != 64 || !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let mut bytes = [0; 32];
        for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Fingerprint(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_order_in_which_keys_were_written_does_not_matter() {
        let left: serde_json::Value = serde_json::from_str(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#).unwrap();
        let right: serde_json::Value = serde_json::from_str(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#).unwrap();
        assert_eq!(Fingerprint::of_json(&left), Fingerprint::of_json(&right));
        assert_ne!(Fingerprint::of_json(&left), Fingerprint::of_json(&json!({"a": 1})));
    }

    #[test]
    fn a_reader_and_its_bytes_agree() {
        let bytes = vec![7u8; 300_000];
        assert_eq!(Fingerprint::of_reader(bytes.as_slice()).unwrap(), Fingerprint::of_bytes(&bytes));
    }

    #[test]
    fn a_text_that_is_no_fingerprint_is_an_error_that_quotes_it() {
        for text in ["", "6437b3ac3846", &"g".repeat(64), &"A".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<Fingerprint>().unwrap_err().to_string().contains(text));
        }
    }
}
