use std::io::{Cursor, Read};
use std::path::Path;

use png::{BitDepth, ColorType, Transformations};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

use crate::error::DatasetError;

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
    fn named(path: &Path) -> Option<Coding> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" => Some(Coding::Png),
            "jpg" | "jpeg" => Some(Coding::Jpeg),
            _ => None,
        }
    }

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

/// Whether the name is that of a picture this version reads.
pub(crate) fn is_picture(path: &Path) -> bool {
    Coding::named(path).is_some()
}

/// Channels, height and width from the file's first bytes.
pub(crate) fn shape(path: &Path) -> Result<(usize, usize, usize), DatasetError> {
    // Headers may come after a profile or a preview; the rest of the picture is not decoded.
    let (coding, bytes) = bytes(path)?;
    match coding {
        Coding::Png => {
            let reader = png_reader(&bytes).map_err(|error| damaged(path, coding, error.to_string()))?;
            Ok((png_channels(path, reader.output_color_type())?, reader.info().height as usize, reader.info().width as usize))
        }
        Coding::Jpeg => {
            let (_, shape) = jpeg_decoder(path, &bytes)?;
            Ok(shape)
        }
    }
}

/// Decodes the file.
///
/// # Errors
/// When it cannot be read, is damaged, is not what its name says, has more than 8 bits a channel, is see-through, or is neither grey nor
/// red, green and blue.
pub(crate) fn read(path: &Path) -> Result<Picture, DatasetError> {
    let (coding, bytes) = bytes(path)?;
    match coding {
        Coding::Png => read_png(path, &bytes),
        Coding::Jpeg => {
            let (mut decoder, shape) = jpeg_decoder(path, &bytes)?;
            let interleaved = decoder.decode().map_err(|error| damaged(path, coding, format!("{error:?}")))?;
            if interleaved.len() != shape.0 * shape.1 * shape.2 {
                return Err(damaged(path, coding, format!("{} bytes of pixels", interleaved.len())));
            }
            Ok(Picture { shape, interleaved })
        }
    }
}

/// The content, and what it is: what the name says.
fn bytes(path: &Path) -> Result<(Coding, Vec<u8>), DatasetError> {
    let mut bytes = Vec::new();
    let mut file = std::fs::File::open(path).map_err(DatasetError::io("open", path))?;
    file.read_to_end(&mut bytes).map_err(DatasetError::io("read", path))?;
    let (named, found) = (Coding::named(path), Coding::of(&bytes));
    match (named, found) {
        (Some(named), Some(found)) if named == found => Ok((named, bytes)),
        _ => Err(DatasetError::Format {
            path: path.to_owned(),
            what: "kind of file".into(),
            expected: named.map_or("a PNG or JPEG picture".to_owned(), |named| format!("a {} picture, as its name says", named.title())),
            got: match found {
                Some(found) => format!("a {} picture", found.title()),
                None if bytes.is_empty() => "an empty file".to_owned(),
                None => "neither PNG nor JPEG".to_owned(),
            },
            hint: "rename, convert or remove the file".into(),
        }),
    }
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
        expected: "8 bits a channel, grey or red, green and blue, nothing see-through".into(),
        got: got.into(),
        hint: "convert the picture".into(),
    }
}

fn png_reader(bytes: &[u8]) -> Result<png::Reader<Cursor<&[u8]>>, png::DecodingError> {
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info()
}

/// 1 or 3, with opaque pictures in mind.
fn png_channels(path: &Path, (colours, depth): (ColorType, BitDepth)) -> Result<usize, DatasetError> {
    if depth != BitDepth::Eight {
        return Err(refused(path, &format!("{} bits a channel", depth as u8)));
    }
    Ok(match colours {
        ColorType::Grayscale | ColorType::GrayscaleAlpha => 1,
        ColorType::Rgb | ColorType::Rgba | ColorType::Indexed => 3,
    })
}

fn read_png(path: &Path, bytes: &[u8]) -> Result<Picture, DatasetError> {
    let damaged = |error: png::DecodingError| damaged(path, Coding::Png, error.to_string());
    let mut reader = png_reader(bytes).map_err(damaged)?;
    let colours = reader.output_color_type();
    let channels = png_channels(path, colours)?;
    let (height, width) = (reader.info().height as usize, reader.info().width as usize);
    let length = reader.output_buffer_size().ok_or_else(|| refused(path, &format!("{height}x{width} pixels")))?;
    let mut interleaved = vec![0; length];
    reader.next_frame(&mut interleaved).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    if matches!(colours.0, ColorType::GrayscaleAlpha | ColorType::Rgba) {
        if interleaved.iter().skip(channels).step_by(channels + 1).any(|&opacity| opacity != 255) {
            return Err(refused(path, "see-through pixels"));
        }
        interleaved = interleaved.chunks_exact(channels + 1).flat_map(|pixel| &pixel[..channels]).copied().collect();
    }
    Ok(Picture { shape: (channels, height, width), interleaved })
}

type Jpeg<'a> = JpegDecoder<ZCursor<&'a [u8]>>;

fn jpeg_decoder<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Jpeg<'a>, (usize, usize, usize)), DatasetError> {
    // Without vector code, so that the picture is the same on every processor; strict, so that a cut file is an error.
    let options = DecoderOptions::default().set_use_unsafe(false).set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(path, Coding::Jpeg, format!("{error:?}")))?;
    let info = decoder.info().ok_or_else(|| damaged(path, Coding::Jpeg, "no header".to_owned()))?;
    let (channels, colours) = match info.components {
        1 => (1, ColorSpace::Luma),
        3 => (3, ColorSpace::RGB),
        other => return Err(refused(path, &format!("{other} channels"))),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(colours));
    Ok((decoder, (channels, usize::from(info.height), usize::from(info.width))))
}
