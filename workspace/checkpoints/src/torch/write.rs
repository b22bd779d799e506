use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::{Dtype, StateDict, Tensor};

/// The bytes of a file that `torch.load(.., weights_only=True)` reads: an `OrderedDict` of the tensors in their order, below the keys of the
/// nesting. Equal content gives equal bytes. Tied tensors that are still equal share their storage.
///
/// # Panics
/// If the file would be larger than memory can hold.
pub fn to_pytorch(dict: &StateDict) -> Vec<u8> {
    let storages = storages(dict);
    let pickle = pickle(dict, &storages);
    let mut files: Vec<(String, &[u8])> = vec![("archive/data.pkl".to_owned(), &pickle), ("archive/byteorder".to_owned(), b"little")];
    let own = dict.tensors.iter().enumerate().filter(|(index, _)| storages[*index] == *index);
    files.extend(own.map(|(index, (_, tensor))| (format!("archive/data/{index}"), tensor.bytes())));
    files.push(("archive/version".to_owned(), b"3\n"));
    write_archive(files.into_iter())
}

/// A zip archive of files as they are.
pub(super) fn write_archive<'a>(files: impl Iterator<Item = (String, &'a [u8])>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    // PyTorch maps files into memory, where each storage must begin at such a place.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored).with_alignment(64).large_file(false);
    for (name, bytes) in files {
        let options = if bytes.len() >= u32::MAX as usize { options.large_file(true) } else { options };
        archive.start_file(name, options).expect("a name that is not there yet");
        archive.write_all(bytes).expect("memory takes what it is given");
    }
    archive.finish().expect("memory takes what it is given").into_inner()
}

/// The storage of each tensor, by the index of the first tensor in it.
fn storages(dict: &StateDict) -> Vec<usize> {
    let mut storages: Vec<usize> = (0..dict.tensors.len()).collect();
    let place = |name: &String| dict.tensors.iter().position(|(other, _)| other == name);
    for tied in &dict.tied {
        let places: Vec<usize> = tied.iter().filter_map(place).collect();
        if places.windows(2).all(|pair| dict.tensors[pair[0]].1 == dict.tensors[pair[1]].1) {
            places.iter().for_each(|&index| storages[index] = places[0]);
        }
    }
    storages
}

fn pickle(dict: &StateDict, storages: &[usize]) -> Vec<u8> {
    let mut out = Pickler(vec![0x80, 2]);
    for key in &dict.nesting {
        out.0.push(b'}');
        out.text(key);
    }
    out.global("collections", "OrderedDict");
    out.0.extend_from_slice(b")R");
    if !dict.tensors.is_empty() {
        out.0.push(b'(');
        for (index, (name, tensor)) in dict.tensors.iter().enumerate() {
            out.text(name);
            out.tensor(storages[index], tensor);
        }
        out.0.push(b'u');
    }
    dict.nesting.iter().for_each(|_| out.0.push(b's'));
    out.0.push(b'.');
    out.0
}

/// Opcodes of protocol 2, without memos.
struct Pickler(Vec<u8>);

impl Pickler {
    fn global(&mut self, module: &str, name: &str) {
        self.0.extend_from_slice(format!("c{module}\n{name}\n").as_bytes());
    }

    fn text(&mut self, text: &str) {
        self.0.push(b'X');
        self.0.extend_from_slice(&u32::try_from(text.len()).expect("names are short").to_le_bytes());
        self.0.extend_from_slice(text.as_bytes());
    }

    fn number(&mut self, number: usize) {
        self.0.extend_from_slice(&[0x8a, 8]);
        self.0.extend_from_slice(&i64::try_from(number).expect("lengths fit").to_le_bytes());
    }

    fn numbers(&mut self, numbers: impl Iterator<Item = usize>) {
        self.0.push(b'(');
        numbers.for_each(|number| self.number(number));
        self.0.push(b't');
    }

    fn tensor(&mut self, index: usize, tensor: &Tensor) {
        let dtype = tensor.dtype();
        let typed = dtype.storage();
        self.global("torch._utils", if typed.is_some() { "_rebuild_tensor_v2" } else { "_rebuild_tensor_v3" });
        self.0.push(b'(');
        self.storage(index, typed.unwrap_or("UntypedStorage"), if typed.is_some() { tensor.len() } else { tensor.bytes().len() });
        self.number(0);
        self.numbers(tensor.shape().iter().copied());
        let extents = tensor.shape();
        self.numbers((0..extents.len()).map(|axis| extents[axis + 1..].iter().map(|&extent| extent.max(1)).product()));
        self.0.push(0x89);
        self.global("collections", "OrderedDict");
        self.0.extend_from_slice(b")R");
        if typed.is_none() {
            self.dtype(dtype);
        }
        self.0.extend_from_slice(b"tR");
    }

    fn dtype(&mut self, dtype: Dtype) {
        self.global("torch", dtype.torch());
    }

    fn storage(&mut self, index: usize, class: &str, count: usize) {
        self.0.push(b'(');
        self.text("storage");
        if class == "UntypedStorage" {
            self.global("torch.storage", class)
        } else {
            self.global("torch", class)
        }
        self.text(&index.to_string());
        self.text("cpu");
        self.number(count);
        self.0.extend_from_slice(b"tQ");
    }
}
