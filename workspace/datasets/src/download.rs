use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ureq::http::{Response, StatusCode, header};
use ureq::{Agent, Body};

use crate::content::sha256;
use crate::error::DatasetError;
use crate::known::Remote;

/// When a download is retried, and when it is given up.
#[derive(Clone, Debug)]
pub struct Patience {
    /// Failed attempts in a row, on each mirror, before the next mirror is tried. An attempt fails when it brings no new byte, or too few
    /// in a `window`.
    pub attempts: u32,
    /// The pause after the first failed attempt; doubled after each further one, up to half a minute.
    pub backoff: Duration,
    /// How long a server may be silent.
    pub silence: Duration,
    /// The time in which `least` bytes should come.
    pub window: Duration,
    /// Bytes that should come in each `window`; a slower try is given up and counts as failed.
    pub least: u64,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            attempts: 4,
            backoff: Duration::from_millis(500),
            silence: Duration::from_secs(30),
            window: Duration::from_secs(30),
            // 1 KiB a second.
            least: 30 << 10,
        }
    }
}

/// Why an attempt failed, and whether another one may help.
enum Failure {
    /// The connection broke or the server was busy. The bytes so far are good: try again.
    Passing(String),
    /// Bytes come, but so slowly that the attempt counts as failed.
    Slow(String),
    /// This mirror does not have the file.
    Final(String),
    /// The disk failed or the caller stopped, not the network.
    Local(DatasetError),
}

/// Called with the number of bytes on the disk; returns whether to continue.
pub(crate) type Progress<'a> = dyn FnMut(u64) -> ControlFlow<()> + 'a;

/// Attempts in all: those that bring new bytes do not count as failed, but must end some time.
const TRIES: u32 = 200;

pub(crate) struct Download<'a> {
    pub agent: &'a Agent,
    pub patience: &'a Patience,
    /// Full addresses of the same file, tried in turn.
    pub addresses: &'a [String],
    pub remote: &'a Remote,
    /// Where the file belongs; beside it lies `<name>.part` until it is whole and checked.
    pub target: &'a Path,
}

pub(crate) fn agent(patience: &Patience) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .user_agent(concat!("onebasin/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(patience.silence))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence))
        .build()
        .new_agent()
}

impl Download<'_> {
    /// Downloads the file, resuming an earlier attempt, and moves it into place once its digest is right.
    ///
    /// `progress` is called with the bytes on the disk and may stop the download; these bytes are kept.
    ///
    /// # Errors
    /// No mirror has the right file (with the reason for each); the file cannot be written.
    pub fn run(&self, progress: &mut Progress<'_>) -> Result<(), DatasetError> {
        let part = self.part();
        let mut tried = String::new();
        for address in self.addresses {
            match self.from(address, &part, progress) {
                Ok(()) => return Ok(()),
                Err(Failure::Local(error)) => return Err(error),
                Err(Failure::Passing(reason) | Failure::Slow(reason) | Failure::Final(reason)) => {
                    tried.push_str(&format!("  `{address}`: {reason}\n"))
                }
            }
        }
        Err(DatasetError::Fetch { file: self.remote.name.to_owned(), tried })
    }

    fn tell(&self, progress: &mut Progress<'_>, bytes: u64) -> Result<(), Failure> {
        match progress(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Failure::Local(DatasetError::Interrupted { file: self.remote.name.to_owned() })),
        }
    }

    fn part(&self) -> PathBuf {
        let mut name = self.target.as_os_str().to_owned();
        name.push(".part");
        PathBuf::from(name)
    }

    fn from(&self, address: &str, part: &Path, progress: &mut Progress<'_>) -> Result<(), Failure> {
        let mut failures = 0;
        let mut wrong = 0;
        // A server that starts again sends the same bytes a second time: that is no progress.
        let mut furthest = length(part);
        for _ in 0..TRIES {
            let resumed = length(part);
            match self.attempt(address, part, progress) {
                Ok(()) => {
                    let Some(found) = self.mismatch(part)? else {
                        return std::fs::rename(part, self.target).map_err(|error| local("rename", part)(error));
                    };
                    // Nothing may take it for the file.
                    std::fs::remove_file(part).map_err(local("remove", part))?;
                    wrong += 1;
                    // The earlier part may have been bad: download the whole file once.
                    if resumed == 0 || wrong > 1 {
                        return Err(Failure::Final(found));
                    }
                    furthest = 0;
                }
                Err(failure @ (Failure::Passing(_) | Failure::Slow(_))) => {
                    let (reason, slow) = match failure {
                        Failure::Passing(reason) => (reason, false),
                        Failure::Slow(reason) => (reason, true),
                        other => return Err(other),
                    };
                    let further = length(part) > furthest;
                    furthest = furthest.max(length(part));
                    failures = if further && !slow { 1 } else { failures + 1 };
                    if failures >= self.patience.attempts.max(1) {
                        let without = if slow { "in a row" } else { "without a new byte" };
                        return Err(Failure::Passing(format!("{reason} (after {failures} attempts {without})")));
                    }
                    let pause = self.patience.backoff.saturating_mul(1 << (failures - 1).min(10));
                    std::thread::sleep(pause.min(Duration::from_secs(30)));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::Final(format!("the connection broke {TRIES} times")))
    }

    /// Sends one request. Afterwards the part holds all bytes, or as many as came.
    fn attempt(&self, address: &str, part: &Path, progress: &mut Progress<'_>) -> Result<(), Failure> {
        let mut file = open_part(part)?;
        let mut offset = length(part);
        if offset > self.remote.bytes {
            file.set_len(0).map_err(local("write", part))?;
            offset = 0;
        }
        self.tell(progress, offset)?;
        if offset == self.remote.bytes {
            return Ok(());
        }
        let mut request = self.agent.get(address);
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        let response = request.call().map_err(|error| match error {
            ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::TooManyRedirects
            | ureq::Error::RedirectFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Tls(_)
            | ureq::Error::Rustls(_) => Failure::Final(error.to_string()),
            // A certificate that is not trusted stays so.
            ureq::Error::Io(ref inner) if inner.kind() == io::ErrorKind::InvalidData => Failure::Final(error.to_string()),
            _ => Failure::Passing(error.to_string()),
        })?;
        self.refuse_another_file(&response)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT if range(&response).is_some_and(|(start, _)| start == offset) => {}
            // The server cannot resume: start again.
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                file.set_len(0).map_err(local("write", part))?;
                let whole = response.status() == StatusCode::OK;
                offset = 0;
                self.tell(progress, 0)?;
                if !whole {
                    return Err(Failure::Passing(format!("the server cannot resume the file (status {})", response.status())));
                }
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT => {
                return Err(Failure::Passing(format!("status {status}")));
            }
            status => return Err(Failure::Final(format!("status {status}"))),
        }
        file.seek(SeekFrom::Start(offset)).map_err(local("write", part))?;
        self.receive(response, &mut file, part, offset, progress)
    }

    /// A complete answer of another length is final: it is not the file, however often it is asked for.
    fn refuse_another_file(&self, response: &Response<Body>) -> Result<(), Failure> {
        let length = match response.status() {
            StatusCode::OK => response.body().content_length(),
            StatusCode::PARTIAL_CONTENT => range(response).and_then(|(_, length)| length),
            _ => None,
        };
        match length.filter(|&length| length != self.remote.bytes) {
            Some(length) => Err(Failure::Final(self.another_file(&described(response), length))),
            None => Ok(()),
        }
    }

    fn another_file(&self, described: &str, length: u64) -> String {
        format!("answered with {described} of {length} bytes, not the {} bytes expected", self.remote.bytes)
    }

    fn receive(
        &self,
        response: Response<Body>,
        file: &mut File,
        part: &Path,
        mut offset: u64,
        progress: &mut Progress<'_>,
    ) -> Result<(), Failure> {
        // A body in chunks says when it is complete.
        let whole = response.status() == StatusCode::OK && response.headers().contains_key(header::TRANSFER_ENCODING);
        let described = described(&response);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut window = Window { since: Instant::now(), from: offset };
        loop {
            let length = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    return Err(Failure::Passing(format!("the connection broke at byte {offset} of {}: {error}", self.remote.bytes)));
                }
            };
            offset += length as u64;
            if offset > self.remote.bytes {
                file.set_len(0).map_err(local("write", part))?;
                return Err(Failure::Final(format!("more than the {} bytes expected; another file", self.remote.bytes)));
            }
            file.write_all(&buffer[..length]).map_err(local("write", part))?;
            self.tell(progress, offset)?;
            window.check(offset, self.patience)?;
        }
        if offset < self.remote.bytes && whole {
            file.set_len(0).map_err(local("write", part))?;
            return Err(Failure::Final(self.another_file(&described, offset)));
        }
        if offset < self.remote.bytes {
            return Err(Failure::Passing(format!("the connection ended at byte {offset} of {}", self.remote.bytes)));
        }
        file.sync_all().map_err(local("write", part))
    }

    fn mismatch(&self, part: &Path) -> Result<Option<String>, Failure> {
        let found = File::open(part).and_then(sha256).map_err(local("read", part))?;
        Ok(match self.remote.sha256 {
            Some(expected) if expected != found => {
                Some(format!("wrong SHA-256: expected `{expected}`, got `{found}`; the file was removed"))
            }
            _ => None,
        })
    }
}

fn local(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let error = DatasetError::io(action, path);
    move |source| Failure::Local(error(source))
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// The first byte and the length of the whole file by `Content-Range: bytes 500-999/1000`; the length may be unknown.
fn range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let range = response.headers().get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, length) = range.strip_prefix("bytes ")?.split_once('/')?;
    Some((range.split_once('-')?.0.trim().parse().ok()?, length.trim().parse().ok()))
}

/// What a server says that it sends, in words.
fn described(response: &Response<Body>) -> String {
    match response.body().mime_type() {
        Some("text/html") => "a web page (text/html)".to_owned(),
        Some(kind) => format!("another file ({kind})"),
        None => "another file".to_owned(),
    }
}

/// Opens the file that collects the bytes. Nothing but a regular file is written to: a link may lead anywhere.
fn open_part(part: &Path) -> Result<File, Failure> {
    match part.symlink_metadata() {
        Ok(metadata) if !metadata.is_file() => std::fs::remove_file(part).map_err(local("remove", part))?,
        _ => {}
    }
    OpenOptions::new().create(true).truncate(false).read(true).write(true).open(part).map_err(local("write", part))
}

/// How many bytes came since when.
struct Window {
    since: Instant,
    from: u64,
}

impl Window {
    /// Whether enough bytes came, at the end of each window.
    fn check(&mut self, offset: u64, patience: &Patience) -> Result<(), Failure> {
        let seconds = self.since.elapsed();
        if seconds < patience.window {
            return Ok(());
        }
        let bytes = offset - self.from;
        if bytes < patience.least {
            return Err(Failure::Slow(format!("only {bytes} bytes in {:.1} s", seconds.as_secs_f64())));
        }
        *self = Window { since: Instant::now(), from: offset };
        Ok(())
    }
}
