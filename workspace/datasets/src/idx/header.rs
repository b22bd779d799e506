//! The header of an IDX file: what it says, and whether it can be true.

use std::path::Path;

use super::Idx;
use crate::error::{DatasetError, FETCH_AGAIN};
use crate::kind;
use crate::picture::MOST_SIDE;

/// What a file of a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Images,
    Labels,
}

impl Part {
    /// Of the four files in the official order.
    pub fn at(index: usize) -> Part {
        if index.is_multiple_of(2) { Part::Images } else { Part::Labels }
    }

    fn magic(self) -> u32 {
        match self {
            Part::Images => 0x0803,
            Part::Labels => 0x0801,
        }
    }

    /// Bytes before the first pixel or label.
    pub fn header(self) -> usize {
        match self {
            Part::Images => 16,
            Part::Labels => 8,
        }
    }
}

/// Count, rows and columns of a file of images, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Images {
    pub count: usize,
    pub rows: usize,
    pub columns: usize,
}

impl Images {
    /// # Errors
    /// When these bytes begin no file of images, or one without images.
    pub fn read(path: &Path, start: &[u8]) -> Result<Images, DatasetError> {
        let words = words(path, start, Part::Images)?;
        let [count, rows, columns] = [words[1], words[2], words[3]].map(|word| word as usize);
        if count == 0 || rows == 0 || columns == 0 {
            let got = format!("{count} images of {rows}x{columns}");
            let expected = "at least one image of at least one pixel";
            return Err(wrong(path, "header", expected, got, "the file holds no images"));
        }
        if rows > MOST_SIDE || columns > MOST_SIDE {
            let expected = format!("images of at most {MOST_SIDE}x{MOST_SIDE} pixels");
            return Err(wrong(path, "header", expected, format!("{rows}x{columns}"), "the header is damaged, or the file is another one"));
        }
        Ok(Images { count, rows, columns })
    }

    fn bytes(self) -> u128 {
        [self.count, self.rows, self.columns].iter().map(|&side| side as u128).product()
    }
}

/// How many labels a file holds.
pub(super) fn labels(path: &Path, start: &[u8]) -> Result<usize, DatasetError> {
    Ok(words(path, start, Part::Labels)?[1] as usize)
}

impl Idx {
    /// How many images a file holds, by its first bytes.
    pub(crate) fn images(&self, path: &Path, start: &[u8]) -> Result<usize, DatasetError> {
        Ok(Images::read(path, start)?.count)
    }

    /// Bytes that a file should have, by its first ones.
    pub(super) fn length(&self, path: &Path, part: Part, start: &[u8]) -> Result<u128, DatasetError> {
        let body = match part {
            Part::Labels => labels(path, start)? as u128,
            Part::Images => {
                let images = Images::read(path, start)?;
                let (height, width) = self.upright(images.rows, images.columns);
                if let Some(size) = self.size.filter(|&size| size != (height, width)) {
                    let (expected, got) = (format!("{}x{}", size.0, size.1), format!("{height}x{width}"));
                    return Err(wrong(path, "size of the images", expected, got, "change key `size` or leave it out"));
                }
                images.bytes()
            }
        };
        Ok(part.header() as u128 + body)
    }
}

/// The big-endian words of a header, four or two of them.
fn words(path: &Path, start: &[u8], part: Part) -> Result<[u32; 4], DatasetError> {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(start[..start.len().min(part.header())].chunks_exact(4)) {
        *word = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let expected = format!("{:#010x}, {}", part.magic(), if part == Part::Images { "images" } else { "labels" });
    if let Some(kind) = kind::of_bytes(start) {
        let hint = match kind {
            "a gzip stream" => "decompress it once, or end its name with `.gz`".to_owned(),
            "an xz stream" => "decompress it once, or end its name with `.xz`".to_owned(),
            _ => format!("this is another file; {FETCH_AGAIN}"),
        };
        return Err(wrong(path, "magic number", expected, kind.to_owned(), hint));
    }
    if start.len() < part.header() {
        let (expected, got) = (format!("{} bytes", part.header()), format!("{} bytes", start.len()));
        return Err(wrong(path, "header", expected, got, format!("the file is truncated; {FETCH_AGAIN}")));
    }
    if words[0] != part.magic() {
        let hint = match words[0] {
            0x0803 => "this is a file of images where labels are expected".to_owned(),
            0x0801 => "this is a file of labels where images are expected".to_owned(),
            _ => "the file is not in IDX format with unsigned bytes".to_owned(),
        };
        return Err(wrong(path, "magic number", expected, format!("{:#010x}", words[0]), hint));
    }
    Ok(words)
}

pub(super) fn wrong(path: &Path, what: &str, expected: impl Into<String>, got: String, hint: impl Into<String>) -> DatasetError {
    DatasetError::Format { path: path.to_owned(), what: what.into(), expected: expected.into(), got, hint: hint.into() }
}
