//! A real HTTP server on loopback that does what a test says.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    /// First byte asked for.
    pub range: Option<usize>,
}

/// What to answer.
#[derive(Clone)]
pub struct Reply {
    status: &'static str,
    extra: String,
    body: Vec<u8>,
    /// Bytes after which the connection is cut although more were announced.
    cut: Option<usize>,
    /// How long the connection stays open and silent after that.
    silence: Duration,
    /// Bytes are sent one by one, with this pause before each.
    pause: Option<Duration>,
}

impl Reply {
    pub fn status(status: &'static str) -> Reply {
        Reply { status, extra: String::new(), body: b"a page of words".to_vec(), cut: None, silence: Duration::ZERO, pause: None }
    }

    /// The whole content, whatever was asked for.
    pub fn whole(content: &[u8]) -> Reply {
        Reply { status: "200 OK", extra: String::new(), body: content.to_vec(), cut: None, silence: Duration::ZERO, pause: None }
    }

    /// The content from the byte asked for.
    pub fn ranged(content: &[u8], request: &Request) -> Reply {
        match request.range {
            Some(from) if from < content.len() => Reply {
                status: "206 Partial Content",
                extra: format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len()),
                body: content[from..].to_vec(),
                ..Reply::whole(&[])
            },
            Some(_) => Reply::status("416 Range Not Satisfiable"),
            None => Reply::whole(content),
        }
    }

    /// The content from another byte than the one asked for.
    pub fn misplaced(content: &[u8], from: usize) -> Reply {
        Reply::ranged(content, &Request { path: String::new(), range: Some(from) })
    }

    pub fn header(mut self, line: &str) -> Reply {
        self.extra.push_str(line);
        self.extra.push_str("\r\n");
        self
    }

    pub fn dribble(self, pause: Duration) -> Reply {
        Reply { pause: Some(pause), ..self }
    }

    pub fn cut(self, after: usize) -> Reply {
        Reply { cut: Some(after), ..self }
    }

    pub fn stall(self, after: usize, silence: Duration) -> Reply {
        Reply { cut: Some(after), silence, ..self }
    }
}

pub struct Server {
    pub address: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Answers every request by `answer`, which is told how many there were before.
    pub fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/sets", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream, &seen, &*answer));
            }
        });
        Server { address, requests }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn ranges(&self) -> Vec<Option<usize>> {
        self.requests().iter().map(|request| request.range).collect()
    }
}

/// One request for each connection.
fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Request>>, answer: &impl Fn(usize, &Request) -> Reply) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    let mut request = Request { path: first.split(' ').nth(1).unwrap().to_owned(), range: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(range) = line.to_lowercase().strip_prefix("range: bytes=") {
            request.range = range.trim_end_matches('-').parse().ok();
        }
    }
    let before = {
        let mut seen = seen.lock().unwrap();
        seen.push(request.clone());
        seen.len() - 1
    };
    let reply = answer(before, &request);
    let chunked = reply.extra.contains("chunked");
    let length = if chunked { String::new() } else { format!("Content-Length: {}\r\n", reply.body.len()) };
    let head = format!("HTTP/1.1 {}\r\n{length}{}Connection: close\r\n\r\n", reply.status, reply.extra);
    let reply = match chunked {
        true => Reply { body: [format!("{:x}\r\n", reply.body.len()).as_bytes(), &reply.body, b"\r\n0\r\n\r\n"].concat(), ..reply },
        false => reply,
    };
    // The other side may have gone: its own test notices.
    let _ = stream.write_all(head.as_bytes());
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    match reply.pause {
        None => drop(stream.write_all(body)),
        Some(pause) => {
            for byte in body.chunks(1) {
                if stream.write_all(byte).is_err() {
                    return;
                }
                std::thread::sleep(pause);
            }
        }
    }
    let _ = stream.flush();
    std::thread::sleep(reply.silence);
}
