use serde::Serialize;

use crate::error::DatasetError;
use crate::split::Normalisation;

/// A data set the program knows by name.
#[derive(Debug, Serialize)]
pub struct Known {
    /// As a spec writes it; also the folder looked for below a root.
    pub name: &'static str,
    /// In words, for a list.
    pub title: &'static str,
    /// As in `format = "..."`.
    pub format: &'static str,
    /// Under which terms, as far as they are stated.
    pub licence: &'static str,
    /// Whom to cite.
    pub citation: &'static str,
    /// Channels, height, width.
    pub shape: (usize, usize, usize),
    /// Number of outputs a network needs.
    pub classes: usize,
    /// Training images.
    pub train: usize,
    /// Test images.
    pub test: usize,
    /// Per-channel means of `pixel / 255`, as the literature rounds them; none for a generated set, whose images are asked.
    pub mean: &'static [f32],
    /// Per-channel deviations of `pixel / 255`.
    pub deviation: &'static [f32],
    /// Folders which the official archives or common tools unpack the files into.
    pub nested: &'static [&'static str],
    /// Addresses of folders that serve the files, the first one tried first.
    pub mirrors: &'static [&'static str],
    /// The one file that holds the set, where it does not come as single files.
    pub archive: Option<Remote>,
    /// The files a reader needs.
    pub files: &'static [KnownFile],
    /// What [`digest`](crate::digest) gives of the official files; `None` where these were not at hand to be asked.
    pub digest: Option<&'static str>,
}

/// A file as a server has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Remote {
    /// Its name below a mirror.
    pub name: &'static str,
    /// Its size in bytes.
    pub bytes: u64,
    /// Its SHA-256, 64 hexadecimal digits; `None` where no trusted source states one.
    pub sha256: Option<&'static str>,
}

/// A file of a known data set.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KnownFile {
    /// Official name, decompressed.
    pub name: &'static str,
    /// Size in bytes, decompressed.
    pub bytes: u64,
    /// SHA-256 of the decompressed content; `None` where no trusted source states one.
    pub sha256: Option<&'static str>,
    /// The compressed form in which it is officially served, where it is a file of its own.
    pub packed: Option<Remote>,
}

impl Known {
    /// How to get the files, for a hint.
    pub(crate) fn how_to_get(&self) -> String {
        if self.files.is_empty() {
            return "its images are generated when they are needed".to_owned();
        }
        let megabytes = |archive: Remote| format!(" (an archive of {} MB)", archive.bytes.div_ceil(1_000_000));
        let size = self.archive.map(megabytes).unwrap_or_default();
        format!("`onebasin data fetch {}` downloads the official files{size}; `--data DIR` names a folder that holds them", self.name)
    }

    /// The constants used with this set; empty for a generated one.
    pub fn normalisation(&self) -> Normalisation {
        Normalisation { mean: self.mean.to_vec(), deviation: self.deviation.to_vec() }
    }
}

/// The data set of this name.
pub fn known(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The names the program knows, in the order of a list.
pub fn known_names() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|known| known.name)
}

/// The data set of this name, or an error that names the nearest one.
///
/// # Errors
/// When the name is not known.
pub(crate) fn require(name: &str) -> Result<&'static Known, DatasetError> {
    known(name).ok_or_else(|| {
        let nearest = known_names()
            .map(|known| (strsim::jaro_winkler(&name.to_lowercase(), known), known))
            .filter(|(likeness, _)| *likeness >= 0.8)
            .max_by(|left, right| left.0.total_cmp(&right.0));
        let hint = match nearest {
            Some((_, nearest)) => format!("did you mean `{nearest}`?"),
            None => format!("declare your own with a table `[datasets.{name}]`"),
        };
        let names: Vec<String> = known_names().map(|known| format!("`{known}`")).collect();
        DatasetError::UnknownName { name: name.to_owned(), known: names.join(", "), hint }
    })
}

const MNIST_LIKE: (&[f32], &[f32]) = (&[0.1307], &[0.3081]);
const FASHION_MNIST: (&[f32], &[f32]) = (&[0.2860], &[0.3530]);
const CIFAR_LIKE: (&[f32], &[f32]) = (&[0.4914, 0.4822, 0.4465], &[0.2023, 0.1994, 0.2010]);

const fn idx_file(name: &'static str, bytes: u64, sha256: &'static str, packed: Remote) -> KnownFile {
    KnownFile { name, bytes, sha256: Some(sha256), packed: Some(packed) }
}

const fn remote(name: &'static str, bytes: u64, sha256: &'static str) -> Remote {
    Remote { name, bytes, sha256: Some(sha256) }
}

const fn plain(name: &'static str, bytes: u64, sha256: Option<&'static str>) -> KnownFile {
    KnownFile { name, bytes, sha256, packed: None }
}

/// The official order: train images, train labels, test images, test labels, as readers expect.
static KNOWN: [Known; 6] = [
    Known {
        name: "mnist",
        title: "MNIST, handwritten digits, 28x28 grey",
        format: "idx",
        licence: "none stated in the files; commonly described as CC BY-SA 3.0",
        citation: "Y. LeCun, C. Cortes, C. J. C. Burges, The MNIST database of handwritten digits",
        shape: (1, 28, 28),
        classes: 10,
        train: 60_000,
        test: 10_000,
        mean: MNIST_LIKE.0,
        deviation: MNIST_LIKE.1,
        nested: &["MNIST/raw", "raw"],
        mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
        archive: None,
        files: &[
            idx_file(
                "train-images-idx3-ubyte",
                47_040_016,
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                remote("train-images-idx3-ubyte.gz", 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            ),
            idx_file(
                "train-labels-idx1-ubyte",
                60_008,
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
                remote("train-labels-idx1-ubyte.gz", 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            ),
            idx_file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                remote("t10k-images-idx3-ubyte.gz", 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            ),
            idx_file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
                remote("t10k-labels-idx1-ubyte.gz", 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
            ),
        ],
        digest: Some("a5607100a93392ec9a9bfac20c555536e594742a5c2bcb3ac6f4327692023b5e"),
    },
    Known {
        name: "fashion-mnist",
        title: "Fashion-MNIST, articles of clothing, 28x28 grey",
        format: "idx",
        licence: "MIT, copyright 2017 Zalando SE",
        citation: "H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747",
        shape: (1, 28, 28),
        classes: 10,
        train: 60_000,
        test: 10_000,
        mean: FASHION_MNIST.0,
        deviation: FASHION_MNIST.1,
        nested: &["FashionMNIST/raw", "data/fashion", "raw"],
        mirrors: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        archive: None,
        files: &[
            idx_file(
                "train-images-idx3-ubyte",
                47_040_016,
                "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
                remote("train-images-idx3-ubyte.gz", 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            ),
            idx_file(
                "train-labels-idx1-ubyte",
                60_008,
                "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
                remote("train-labels-idx1-ubyte.gz", 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            ),
            idx_file(
                "t10k-images-idx3-ubyte",
                7_840_016,
                "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
                remote("t10k-images-idx3-ubyte.gz", 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            ),
            idx_file(
                "t10k-labels-idx1-ubyte",
                10_008,
                "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
                remote("t10k-labels-idx1-ubyte.gz", 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
            ),
        ],
        digest: Some("3e35d33f93c75309f7194801644d000edbd8a62531f2d7d6f60206496f3ed6ce"),
    },
    Known {
        name: "emnist-letters",
        title: "EMNIST letters, handwritten letters, 28x28 grey",
        format: "idx",
        licence: "none stated; a work of NIST, cite the paper",
        citation: "G. Cohen, S. Afshar, J. Tapson, A. van Schaik, EMNIST: an extension of MNIST to handwritten letters, arXiv:1702.05373",
        shape: (1, 28, 28),
        // Labels are 1..=26: the networks of the literature have an output 0 that is never right.
        classes: 27,
        train: 124_800,
        test: 20_800,
        mean: MNIST_LIKE.0,
        deviation: MNIST_LIKE.1,
        nested: &["EMNIST/raw", "gzip", "raw"],
        mirrors: &["https://biometrics.nist.gov/cs_links/EMNIST/", "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/"],
        archive: Some(remote("gzip.zip", 561_753_746, "fb9bb67e33772a9cc0b895e4ecf36d2cf35be8b709693c3564cea2a019fcda8e")),
        files: &[
            plain("emnist-letters-train-images-idx3-ubyte", 97_843_216, None),
            plain("emnist-letters-train-labels-idx1-ubyte", 124_808, None),
            plain("emnist-letters-test-images-idx3-ubyte", 16_307_216, None),
            plain("emnist-letters-test-labels-idx1-ubyte", 20_808, None),
        ],
        digest: None,
    },
    Known {
        name: "cifar10",
        title: "CIFAR-10, photographs of ten kinds, 32x32 colour",
        format: "cifar",
        licence: "none stated; the authors ask to be cited",
        citation: "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        shape: (3, 32, 32),
        classes: 10,
        train: 50_000,
        test: 10_000,
        mean: CIFAR_LIKE.0,
        deviation: CIFAR_LIKE.1,
        nested: &["cifar-10-batches-bin"],
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        archive: Some(remote("cifar-10-binary.tar.gz", 170_052_171, "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")),
        files: &[
            plain("data_batch_1.bin", 30_730_000, Some("cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5")),
            plain("data_batch_2.bin", 30_730_000, Some("a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed")),
            plain("data_batch_3.bin", 30_730_000, Some("bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67")),
            plain("data_batch_4.bin", 30_730_000, Some("014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48")),
            plain("data_batch_5.bin", 30_730_000, Some("755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add")),
            plain("test_batch.bin", 30_730_000, Some("8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b")),
        ],
        digest: Some("748d330ef06d46ab85e28ae1437aa15fa6748a0f7bb187d6c44b51bf972a024b"),
    },
    Known {
        name: "cifar100",
        title: "CIFAR-100, photographs of a hundred kinds, 32x32 colour",
        format: "cifar",
        licence: "none stated; the authors ask to be cited",
        citation: "A. Krizhevsky, Learning multiple layers of features from tiny images, 2009",
        shape: (3, 32, 32),
        classes: 100,
        train: 50_000,
        test: 10_000,
        mean: CIFAR_LIKE.0,
        deviation: CIFAR_LIKE.1,
        nested: &["cifar-100-binary"],
        mirrors: &["https://www.cs.toronto.edu/~kriz/"],
        archive: Some(remote("cifar-100-binary.tar.gz", 168_513_733, "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec")),
        files: &[
            plain("train.bin", 153_700_000, Some("f31298fc616915fa142368359df1c4ca2ae984d6915ca468b998a5ec6aeebf29")),
            plain("test.bin", 30_740_000, Some("d8b1e6b7b3bee4020055f0699b111f60b1af1e262aeb93a0b659061746f8224a")),
        ],
        digest: None,
    },
    Known {
        name: "glyphs",
        title: "glyphs, generated digits and letters, any size",
        format: "glyphs",
        licence: "generated by this program; no rights reserved",
        citation: "this program",
        shape: (1, 28, 28),
        classes: 10,
        train: 20_000,
        test: 5_000,
        // Computed from the images made.
        mean: &[],
        deviation: &[],
        nested: &[],
        mirrors: &[],
        archive: None,
        files: &[],
        digest: None,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_the_nearest_one_and_a_strange_one_the_list() {
        let text = require("fashon-mnist").unwrap_err().to_string();
        assert!(text.contains("hint: did you mean `fashion-mnist`?"), "{text}");
        assert!(require("CIFAR-10").unwrap_err().to_string().contains("did you mean `cifar10`?"));
        let text = require("weather").unwrap_err().to_string();
        assert!(text.contains("`emnist-letters`") && text.contains("[datasets.weather]"), "{text}");
    }

    #[test]
    fn every_digest_is_a_digest_and_counts_agree_with_file_sizes() {
        for known in &KNOWN {
            let shape = known.shape.0 * known.shape.1 * known.shape.2;
            let digests = known.files.iter().flat_map(|file| [file.sha256, file.packed.and_then(|packed| packed.sha256)]);
            for digest in digests.chain([known.archive.and_then(|archive| archive.sha256)]).flatten() {
                assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{}: {digest}", known.name);
            }
            let total: u64 = known.files.iter().map(|file| file.bytes).sum();
            let images = (known.train + known.test) as u64;
            let expected = match known.name {
                "glyphs" => 0,
                "cifar10" => images * (shape as u64 + 1),
                "cifar100" => images * (shape as u64 + 2),
                _ => images * (shape as u64 + 1) + 2 * 16 + 2 * 8,
            };
            assert_eq!(total, expected, "{}", known.name);
        }
    }
}
