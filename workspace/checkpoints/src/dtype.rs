use half::{bf16, f16};

/// The type of a tensor's numbers, as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// 64 bits, floating.
    F64,
    /// 32 bits, floating.
    F32,
    /// 16 bits, floating.
    F16,
    /// 16 bits, floating, with the exponent of 32.
    Bf16,
    /// 8 bits, floating, 4 of them exponent.
    F8E4M3,
    /// 8 bits, floating, 5 of them exponent.
    F8E5M2,
    /// 64 bits, whole.
    I64,
    /// 32 bits, whole.
    I32,
    /// 16 bits, whole.
    I16,
    /// 8 bits, whole.
    I8,
    /// 64 bits, not negative.
    U64,
    /// 32 bits, not negative.
    U32,
    /// 16 bits, not negative.
    U16,
    /// 8 bits, not negative.
    U8,
    /// A byte that is 0 or 1.
    Bool,
}

/// Type, bytes of a number, its name in safetensors, PyTorch's class of storages, and what `torch.` calls it.
const TABLE: [(Dtype, usize, &str, &str, &str); 15] = [
    (Dtype::F64, 8, "F64", "DoubleStorage", "float64"),
    (Dtype::F32, 4, "F32", "FloatStorage", "float32"),
    (Dtype::F16, 2, "F16", "HalfStorage", "float16"),
    (Dtype::Bf16, 2, "BF16", "BFloat16Storage", "bfloat16"),
    (Dtype::F8E4M3, 1, "F8_E4M3", "", "float8_e4m3fn"),
    (Dtype::F8E5M2, 1, "F8_E5M2", "", "float8_e5m2"),
    (Dtype::I64, 8, "I64", "LongStorage", "int64"),
    (Dtype::I32, 4, "I32", "IntStorage", "int32"),
    (Dtype::I16, 2, "I16", "ShortStorage", "int16"),
    (Dtype::I8, 1, "I8", "CharStorage", "int8"),
    (Dtype::U64, 8, "U64", "", "uint64"),
    (Dtype::U32, 4, "U32", "", "uint32"),
    (Dtype::U16, 2, "U16", "", "uint16"),
    (Dtype::U8, 1, "U8", "ByteStorage", "uint8"),
    (Dtype::Bool, 1, "BOOL", "BoolStorage", "bool"),
];

impl Dtype {
    fn row(self) -> &'static (Dtype, usize, &'static str, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).expect("every type has a row")
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        self.row().1
    }

    /// Its name in safetensors: `F32`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// PyTorch's class of storages of this type, where it has one.
    pub(crate) fn storage(self) -> Option<&'static str> {
        Some(self.row().3).filter(|name| !name.is_empty())
    }

    /// What `torch.` calls it.
    pub(crate) fn torch(self) -> &'static str {
        self.row().4
    }

    pub(crate) fn from_name(name: &str) -> Option<Dtype> {
        TABLE.iter().find(|row| row.2 == name).map(|row| row.0)
    }

    pub(crate) fn from_storage(name: &str) -> Option<Dtype> {
        TABLE.iter().find(|row| !row.3.is_empty() && row.3 == name).map(|row| row.0)
    }

    pub(crate) fn from_torch(name: &str) -> Option<Dtype> {
        let name = match name {
            "float" => "float32",
            "double" => "float64",
            "half" => "float16",
            "long" => "int64",
            "int" => "int32",
            "short" => "int16",
            name => name,
        };
        TABLE.iter().find(|row| row.4 == name).map(|row| row.0)
    }

    /// Whether its numbers may have fractions.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4M3 | Dtype::F8E5M2)
    }

    /// The numbers of little-endian bytes, to the nearest `f32`; `None` for types of 8 floating bits.
    pub(crate) fn widen(self, bytes: &[u8]) -> Option<Vec<f32>> {
        fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Option<Vec<f32>> {
            Some(bytes.as_chunks::<N>().0.iter().map(|&chunk| number(chunk)).collect())
        }
        match self {
            Dtype::F64 => each(bytes, |chunk| f64::from_le_bytes(chunk) as f32),
            Dtype::F32 => each(bytes, f32::from_le_bytes),
            Dtype::F16 => each(bytes, |chunk| f16::from_le_bytes(chunk).to_f32()),
            Dtype::Bf16 => each(bytes, |chunk| bf16::from_le_bytes(chunk).to_f32()),
            Dtype::F8E4M3 | Dtype::F8E5M2 => None,
            Dtype::I64 => each(bytes, |chunk| i64::from_le_bytes(chunk) as f32),
            Dtype::I32 => each(bytes, |chunk| i32::from_le_bytes(chunk) as f32),
            Dtype::I16 => each(bytes, |chunk| f32::from(i16::from_le_bytes(chunk))),
            Dtype::I8 => each(bytes, |chunk| f32::from(i8::from_le_bytes(chunk))),
            Dtype::U64 => each(bytes, |chunk| u64::from_le_bytes(chunk) as f32),
            Dtype::U32 => each(bytes, |chunk| u32::from_le_bytes(chunk) as f32),
            Dtype::U16 => each(bytes, |chunk| f32::from(u16::from_le_bytes(chunk))),
            Dtype::U8 | Dtype::Bool => each(bytes, |[byte]| f32::from(byte)),
        }
    }

    /// `f32` numbers as little-endian bytes of this floating type, each to the nearest; `None` for others.
    pub(crate) fn narrow(self, values: &[f32]) -> Option<Vec<u8>> {
        fn each<const N: usize>(values: &[f32], bytes: impl Fn(f32) -> [u8; N]) -> Option<Vec<u8>> {
            Some(values.iter().flat_map(|&value| bytes(value)).collect())
        }
        match self {
            Dtype::F64 => each(values, |value| f64::from(value).to_le_bytes()),
            Dtype::F32 => each(values, f32::to_le_bytes),
            Dtype::F16 => each(values, |value| f16::from_f32(value).to_le_bytes()),
            Dtype::Bf16 => each(values, |value| bf16::from_f32(value).to_le_bytes()),
            _ => None,
        }
    }
}
