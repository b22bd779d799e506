use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;

use crate::content::digits;
use crate::error::DatasetError;
use crate::known::KnownFile;

/// Which files to extract from a `.tar.gz` or a `.zip`, and where to put them.
///
/// Paths in the archive never decide where anything is written: a member is recognised by its folder and name, and is written to the
/// place of the known file.
pub(crate) struct Unpacking<'a> {
    pub archive: &'a Path,
    /// Folders of the archive in which the files may lie.
    pub nested: &'a [&'static str],
    /// The files, each plain or compressed with gzip in the archive; plain when taken out.
    pub files: &'a [&'a KnownFile],
    /// The folder to extract to. The caller holds its lock.
    pub folder: &'a Path,
}

/// Called with the index of the file and the bytes written so far; returns whether to continue.
pub(crate) type Progress<'a> = dyn FnMut(usize, u64) -> ControlFlow<()> + 'a;

/// Endings of a file in an archive, and whether it is compressed there.
const ENDINGS: [(&str, bool); 2] = [("", false), (".gz", true)];

impl Unpacking<'_> {
    /// Extracts the files, checks size and SHA-256 of each, moves them into place once all are right, and removes the archive.
    ///
    /// The archive stays when `progress` stops the work or the disk fails, so that the next call need not download it again.
    ///
    /// # Errors
    /// An archive that is damaged, lacks a file or holds a wrong one, which is then removed; a disk that cannot be read or written;
    /// `progress` said to stop.
    pub fn run(&self, progress: &mut Progress<'_>) -> Result<(), DatasetError> {
        let staging = self.folder.join(".unpacking");
        // A killed process may have left it.
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(DatasetError::io("remove", &staging)(error)),
            _ => {}
        }
        std::fs::create_dir(&staging).map_err(DatasetError::io("create", &staging))?;
        let result = self.stage(&staging, progress).and_then(|()| self.publish(&staging));
        // What stays behind does no harm but takes space.
        let _ = std::fs::remove_dir_all(&staging);
        if matches!(result, Ok(()) | Err(DatasetError::Format { .. })) {
            let _ = std::fs::remove_file(self.archive);
        }
        result
    }

    fn stage(&self, staging: &Path, progress: &mut Progress<'_>) -> Result<(), DatasetError> {
        let file = File::open(self.archive).map_err(DatasetError::io("open", self.archive))?;
        let file = BufReader::with_capacity(1 << 16, file);
        let missing = match self.archive.extension().and_then(|extension| extension.to_str()) {
            Some("zip") => self.stage_zip(file, staging, progress)?,
            _ => self.stage_tar(file, staging, progress)?,
        };
        missing.map_or(Ok(()), |missing| {
            let folders: Vec<String> = self.nested.iter().map(|folder| format!("`{folder}`")).collect();
            let expected = format!("it in a folder {} of the archive", folders.join(" or "));
            Err(self.wrong(format!("`{}`", missing.name), expected, "no such file".to_owned()))
        })
    }

    /// The first file that is not in the archive, if any.
    fn stage_tar(&self, file: impl Read, staging: &Path, progress: &mut Progress<'_>) -> Result<Option<&KnownFile>, DatasetError> {
        // Enough for the other files of the official archives, but a limit for decompression bombs.
        let limit = 2 * self.files.iter().map(|file| file.bytes).sum::<u64>() + (1 << 20);
        let mut archive = tar::Archive::new(MultiGzDecoder::new(file).take(limit));
        let mut taken = vec![false; self.files.len()];
        for entry in archive.entries().map_err(|error| self.unreadable(error))? {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let wanted = self.wanted(&entry.path_bytes());
            if let Some((index, packed)) = wanted.filter(|(index, _)| !taken[*index]) {
                self.take(index, packed, entry, staging, progress)?;
                taken[index] = true;
            }
            if taken.iter().all(|taken| *taken) {
                break;
            }
        }
        Ok(taken.iter().position(|taken| !taken).map(|index| self.files[index]))
    }

    /// The index of the file with this path in the archive, and whether it is compressed.
    fn wanted(&self, path: &[u8]) -> Option<(usize, bool)> {
        let path = std::str::from_utf8(path).ok()?;
        let (folder, name) = path.strip_prefix("./").unwrap_or(path).rsplit_once('/')?;
        let is = |file: &KnownFile, ending| name.strip_suffix(ending) == Some(file.name);
        let place = |(ending, packed)| self.files.iter().position(|file| is(file, ending)).map(|index| (index, packed));
        if self.nested.contains(&folder) { ENDINGS.into_iter().find_map(place) } else { None }
    }

    /// The first file that is not in the archive, if any.
    fn stage_zip(
        &self,
        file: impl Read + io::Seek,
        staging: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<Option<&KnownFile>, DatasetError> {
        let unreadable = |error| match error {
            ZipError::Io(error) => self.unreadable(error),
            error => self.unreadable(io::Error::other(error.to_string())),
        };
        // Its beginning is not looked for: the search can take a directory to begin one entry late.
        let mut archive = zip::ZipArchive::with_config(Config { archive_offset: ArchiveOffset::Known(0) }, file).map_err(unreadable)?;
        for (index, file) in self.files.iter().copied().enumerate() {
            let names =
                self.nested.iter().flat_map(|folder| ENDINGS.map(|(ending, packed)| (format!("{folder}/{}{ending}", file.name), packed)));
            let found = names.filter_map(|(name, packed)| archive.index_for_name(&name).map(|member| (member, packed))).next();
            let Some((member, packed)) = found else { return Ok(Some(file)) };
            let member = archive.by_index(member).map_err(unreadable)?;
            self.take(index, packed, member, staging, progress)?;
        }
        Ok(None)
    }

    /// Writes the content of one file, at most as many bytes as it should have.
    fn take(
        &self,
        index: usize,
        packed: bool,
        content: impl Read,
        staging: &Path,
        progress: &mut Progress<'_>,
    ) -> Result<(), DatasetError> {
        let known = self.files[index];
        let path = staging.join(known.name);
        let mut file = File::create_new(&path).map_err(DatasetError::io("write", &path))?;
        let content: Box<dyn Read + '_> = if packed { Box::new(MultiGzDecoder::new(content)) } else { Box::new(content) };
        let mut content = content.take(known.bytes + 1);
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let length = match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            bytes += length as u64;
            if bytes > known.bytes {
                let got = format!("more than {} bytes", known.bytes);
                return Err(self.wrong(format!("`{}`", known.name), format!("{} bytes", known.bytes), got));
            }
            hasher.update(&buffer[..length]);
            file.write_all(&buffer[..length]).map_err(DatasetError::io("write", &path))?;
            if progress(index, bytes).is_break() {
                return Err(DatasetError::Interrupted { file: known.name.to_owned() });
            }
        }
        if bytes < known.bytes {
            return Err(self.wrong(format!("`{}`", known.name), format!("{} bytes", known.bytes), format!("{bytes} bytes")));
        }
        let found = digits(hasher);
        if let Some(expected) = known.sha256.filter(|expected| *expected != found) {
            return Err(self.wrong(format!("SHA-256 of `{}`", known.name), format!("`{expected}`"), format!("`{found}`")));
        }
        file.sync_all().map_err(DatasetError::io("write", &path))
    }

    fn publish(&self, staging: &Path) -> Result<(), DatasetError> {
        for file in self.files {
            let from: PathBuf = staging.join(file.name);
            std::fs::rename(&from, self.folder.join(file.name)).map_err(DatasetError::io("rename", &from))?;
        }
        Ok(())
    }

    /// Errors that are not the system's come from the decoder: the archive is damaged.
    fn unreadable(&self, source: io::Error) -> DatasetError {
        if source.raw_os_error().is_some() {
            return DatasetError::Io { action: "read", path: self.archive.to_owned(), source };
        }
        self.wrong("content".to_owned(), "one complete archive".to_owned(), source.to_string())
    }

    fn wrong(&self, what: String, expected: String, got: String) -> DatasetError {
        let hint =
            "the archive was removed; run it again to download it, or pass a folder that holds the files with `--data DIR`".to_owned();
        DatasetError::Format { path: self.archive.to_owned(), what, expected, got, hint }
    }
}
