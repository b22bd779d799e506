use crate::Tensor;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A header of JSON, then the numbers.
    Safetensors,
    /// A pickle, in a zip archive or before the numbers.
    Pytorch,
    /// A zip archive of NumPy arrays.
    Npz,
}

/// Named tensors in the order of their file.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDict {
    /// What the file was.
    pub format: Format,
    /// The keys under which the tensors stood, outermost first; none where the file holds nothing else.
    pub nesting: Vec<String>,
    /// Keys that stood beside those of the nesting: what a training kept.
    pub beside: Vec<String>,
    /// Those of them that hold some of the network's numbers: a second name for them, which changes with them.
    pub sharing: Vec<String>,
    /// Names as in the file, and tensors.
    pub tensors: Vec<(String, Tensor)>,
    /// Names that share one storage at one place: tied tensors, each list of two or more.
    pub tied: Vec<Vec<String>>,
    /// What stood among the tensors and is none, each as a line for a person.
    pub passed_over: Vec<String>,
    /// Strings of a safetensors file's metadata.
    pub metadata: Vec<(String, String)>,
}

impl StateDict {
    /// Tensors alone.
    pub fn new(tensors: Vec<(String, Tensor)>) -> StateDict {
        StateDict {
            format: Format::Safetensors,
            nesting: Vec::new(),
            beside: Vec::new(),
            sharing: Vec::new(),
            tensors,
            tied: Vec::new(),
            passed_over: Vec::new(),
            metadata: Vec::new(),
        }
    }

    /// The tensor of a name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
    }
}
