use std::io::{Cursor, Read};
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use crate::content::open_file;
use crate::error::DatasetError;
use crate::kind;

/// One decoded file.
pub(crate) struct Picture {
    /// Channels (1 or 3), height, width.
    pub shape: (usize, usize, usize),
    /// Row after row, the channels of a pixel side by side.
    pub interleaved: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Coding {
    Png,
    Jpeg,
}

impl Coding {
    fn of(bytes: &[u8]) -> Option<Coding> {
        match bytes {
            [0x89, b'P', b'N', b'G', ..] => Some(Coding::Png),
            [0xff, 0xd8, 0xff, ..] => Some(Coding::Jpeg),
            _ => None,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Coding::Png => "PNG",
            Coding::Jpeg => "JPEG",
        }
    }
}

/// Height and width at most, in pixels: a header may claim more than any memory holds.
pub(crate) const MOST_SIDE: usize = 8192;

/// Whether the name is that of a picture. What the file holds may be either kind, whatever its name says.
pub(crate) fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase();
    ["png", "jpg", "jpeg"].contains(&extension.as_str())
}

/// Channels, height and width from the header.
pub(crate) fn shape(path: &Path) -> Result<(usize, usize, usize), DatasetError> {
    // Headers may come after a profile or a preview; the rest of the picture is not decoded.
    let (coding, bytes) = bytes(path)?;
    match coding {
        Coding::Png => Ok(png_header(path, &bytes)?.1),
        Coding::Jpeg => Ok(jpeg_header(path, &bytes)?.1),
    }
}

/// Decodes the file, once `check` has seen what shape its header claims.
///
/// # Errors
/// When it cannot be read, is damaged, is neither PNG nor JPEG, has more than 8 bits a channel, is transparent, or is neither grey nor
/// RGB; what `check` says.
pub(crate) fn read(path: &Path, check: impl FnOnce((usize, usize, usize)) -> Result<(), DatasetError>) -> Result<Picture, DatasetError> {
    let (coding, bytes) = bytes(path)?;
    match coding {
        Coding::Png => {
            let (reader, shape) = png_header(path, &bytes)?;
            check(shape)?;
            png_pixels(path, reader, shape)
        }
        Coding::Jpeg => {
            let (mut decoder, shape) = jpeg_header(path, &bytes)?;
            check(shape)?;
            let interleaved = decoder.decode().map_err(|error| damaged(path, coding, said(&error)))?;
            if interleaved.len() != shape.0 * shape.1 * shape.2 {
                return Err(damaged(path, coding, format!("{} bytes of pixels", interleaved.len())));
            }
            Ok(Picture { shape, interleaved })
        }
    }
}

/// The content, and what it is.
fn bytes(path: &Path) -> Result<(Coding, Vec<u8>), DatasetError> {
    let mut bytes = Vec::new();
    open_file(path)?.read_to_end(&mut bytes).map_err(DatasetError::io("read", path))?;
    let Some(coding) = Coding::of(&bytes) else {
        return Err(DatasetError::Format {
            path: path.to_owned(),
            what: "kind of file".into(),
            expected: "a PNG or JPEG picture".into(),
            got: match kind::of_bytes(&bytes[..bytes.len().min(kind::START)]) {
                Some(kind) => kind.to_owned(),
                None if bytes.is_empty() => "an empty file".to_owned(),
                None => "neither of them".to_owned(),
            },
            hint: "convert or remove the file".into(),
        });
    };
    Ok((coding, bytes))
}

fn damaged(path: &Path, coding: Coding, reason: String) -> DatasetError {
    DatasetError::Format {
        path: path.to_owned(),
        what: "picture".into(),
        expected: format!("one complete {}", coding.title()),
        got: reason,
        hint: "the file is truncated or damaged; replace or remove it".into(),
    }
}

fn refused(path: &Path, got: &str) -> DatasetError {
    DatasetError::Format {
        path: path.to_owned(),
        what: "colours".into(),
        expected: "8 bits per channel, grey or RGB, opaque".into(),
        got: got.into(),
        hint: "convert the picture".into(),
    }
}

/// What a decoder says, in one line.
fn said(error: &DecodeErrors) -> String {
    let text = match error {
        DecodeErrors::Format(text) => text.clone(),
        DecodeErrors::FormatStatic(text) => (*text).to_owned(),
        other => other.to_string(),
    };
    text.trim_start_matches("I/O errors ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn check_size(path: &Path, height: usize, width: usize) -> Result<(), DatasetError> {
    if (1..=MOST_SIDE).contains(&height) && (1..=MOST_SIDE).contains(&width) {
        return Ok(());
    }
    Err(DatasetError::Format {
        path: path.to_owned(),
        what: "size of the picture".into(),
        expected: format!("from 1x1 to {MOST_SIDE}x{MOST_SIDE}"),
        got: format!("{height}x{width}"),
        hint: "scale the picture, or remove it".into(),
    })
}

type Png<'a> = png::Reader<Cursor<&'a [u8]>>;

fn png_header<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Png<'a>, (usize, usize, usize)), DatasetError> {
    // The size stands in the first chunk, and is looked at before the decoder makes room for a row.
    if let Some(&[w0, w1, w2, w3, h0, h1, h2, h3]) = bytes.get(16..24) {
        check_size(path, u32::from_be_bytes([h0, h1, h2, h3]) as usize, u32::from_be_bytes([w0, w1, w2, w3]) as usize)?;
    }
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    let reader = decoder.read_info().map_err(|error| damaged(path, Coding::Png, error.to_string()))?;
    let shape = (png_channels(path, reader.output_color_type())?, reader.info().height as usize, reader.info().width as usize);
    Ok((reader, shape))
}

/// 1 or 3; an alpha channel is not counted.
fn png_channels(path: &Path, (colours, depth): (ColorType, BitDepth)) -> Result<usize, DatasetError> {
    if depth != BitDepth::Eight {
        return Err(refused(path, &format!("{} bits per channel", depth as u8)));
    }
    Ok(match colours {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        ColorType::Rgb | ColorType::Rgba | ColorType::Indexed => 3,
    })
}

fn png_pixels(path: &Path, mut reader: Png<'_>, shape: (usize, usize, usize)) -> Result<Picture, DatasetError> {
    let damaged = |error: png::DecodingError| damaged(path, Coding::Png, error.to_string());
    let channels = shape.0;
    let (colours, _) = reader.output_color_type();
    let length = reader.output_buffer_size().ok_or_else(|| refused(path, &format!("{}x{} pixels", shape.1, shape.2)))?;
    let mut interleaved = vec![0; length];
    reader.next_frame(&mut interleaved).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    if matches!(colours, ColorType::GrayscaleAlpha | ColorType::Rgba) {
        if interleaved.iter().skip(channels).step_by(channels + 1).any(|&opacity| opacity != 255) {
            return Err(refused(path, "transparent pixels"));
        }
        interleaved = interleaved.chunks_exact(channels + 1).flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    Ok(Picture { shape, interleaved })
}

type Jpeg<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

fn jpeg_header<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Jpeg<'a>, (usize, usize, usize)), DatasetError> {
    // Without vector code, so that the picture is the same on every processor; strict, so that a cut file is an error.
    let options = DecoderOptions::default().set_use_unsafe(false).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(path, Coding::Jpeg, said(&error)))?;
    let info = decoder.info().ok_or_else(|| damaged(path, Coding::Jpeg, "no header".to_owned()))?;
    let (height, width) = (usize::from(info.height), usize::from(info.width));
    check_size(path, height, width)?;
    let (channels, colours) = match info.components {
        1 => (1, ColorSpace::Luma),
        3 => (3, ColorSpace::RGB),
        other => return Err(refused(path, &format!("{other} channels"))),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    Ok((decoder, (channels, height, width)))
}
