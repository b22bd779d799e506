//! Reading no more of a file than it should hold: a few compressed bytes may stand for gigabytes.

use std::io::{self, Chain, Cursor, Read, Take};
use std::path::Path;

use crate::content::unreadable;
use crate::error::DatasetError;
use crate::kind;

/// A file of a data set, and what its format knows of it before all of it is read.
pub(crate) struct DataFile<'a> {
    pub path: &'a Path,
    /// How many bytes the decompressed file should have, from its first ones; `None` where nothing tells.
    pub length: Box<Length<'a>>,
    /// What to do about a file of another length.
    pub hint: String,
}

/// The length that the first bytes of a file announce.
type Length<'a> = dyn Fn(&[u8]) -> Result<Option<u128>, DatasetError> + Sync + 'a;

/// A reader of the decompressed content that ends at most one byte after the length it should have.
pub(crate) struct Bounded {
    reader: Chain<Cursor<Vec<u8>>, Take<Box<dyn Read + Send>>>,
    start: Vec<u8>,
    length: Option<u128>,
}

/// Memory reserved at most before that many bytes have come: a header is not to be trusted.
const RESERVED: usize = 1 << 26;

impl Bounded {
    /// Looks at the first bytes that `reader` gives of this file.
    pub fn new(file: &DataFile<'_>, mut reader: Box<dyn Read + Send>) -> Result<Bounded, DatasetError> {
        let mut start = Vec::with_capacity(kind::START);
        reader.by_ref().take(kind::START as u64).read_to_end(&mut start).map_err(unreadable(file.path))?;
        let length = (file.length)(&start)?;
        let rest = length.map_or(u64::MAX, |length| u64::try_from(length + 1).unwrap_or(u64::MAX).saturating_sub(start.len() as u64));
        Ok(Bounded { reader: Cursor::new(start.clone()).chain(reader.take(rest)), start, length })
    }

    /// Reads everything.
    pub fn contents(mut self, file: &DataFile<'_>) -> Result<Vec<u8>, DatasetError> {
        let likely = self.length.map_or(0, |length| usize::try_from(length + 1).unwrap_or(RESERVED).min(RESERVED));
        let mut bytes = Vec::with_capacity(likely);
        self.read_to_end(&mut bytes).map_err(unreadable(file.path))?;
        self.check(file, bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Whether the file has the length it should have, once `got` bytes have come and no more do.
    pub fn check(&self, file: &DataFile<'_>, got: u64) -> Result<(), DatasetError> {
        let Some(length) = self.length.filter(|&length| length != u128::from(got)) else { return Ok(()) };
        let expected = format!("{length} bytes");
        let (what, got) = match kind::of_bytes(&self.start) {
            Some(kind) => ("content", format!("{kind} of {got} bytes")),
            None if u128::from(got) < length => ("truncated file", format!("{got} bytes")),
            None => ("trailing bytes", "more".to_owned()),
        };
        Err(DatasetError::Format { path: file.path.to_owned(), what: what.into(), expected, got, hint: file.hint.clone() })
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}
