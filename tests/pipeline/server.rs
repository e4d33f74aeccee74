//! A server of HTTP that answers as a test says, well or badly, and keeps what it was sent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request, as it came.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// By their names in small letters. One that came twice has both values.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does about a request.
pub struct Reply {
    /// The bytes that it sends.
    pub bytes: Vec<u8>,
    /// Tells whether it closes the connection after them.
    pub closes: bool,
}

/// An answer with this status and this body.
pub fn reply(status: u16, body: &str) -> Reply {
    reply_with(status, "", body)
}

/// The same with more headers, each with its line end.
pub fn reply_with(status: u16, headers: &str, body: &str) -> Reply {
    let text = format!("HTTP/1.1 {status} Said\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len());
    Reply { bytes: text.into_bytes(), closes: false }
}

type Script = dyn Fn(usize, &Request) -> Reply + Send + Sync;

/// The server; it ends with its test.
pub struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    /// A server that answers as `script` says, which gets the number of the request and the request.
    pub fn new(script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(None, script)
    }

    /// The same with TLS, whose certificate is `tls`'s.
    pub fn with_tls(
        tls: Arc<rustls::ServerConfig>,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(tls), script)
    }

    fn start(
        tls: Option<Arc<rustls::ServerConfig>>,
        script: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (requests, is_over): (Arc<Mutex<Vec<Request>>>, _) =
            (Arc::default(), Arc::new(AtomicBool::new(false)));
        let (kept, over, script): (_, _, Arc<Script>) =
            (Arc::clone(&requests), Arc::clone(&is_over), Arc::new(script));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Acquire) {
                    break;
                }
                let (kept, script) = (Arc::clone(&kept), Arc::clone(&script));
                let tls = tls.clone();
                thread::spawn(move || match tls {
                    None => serve(stream, &kept, &*script),
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &kept, &*script);
                    }
                });
            }
        });
        Self { address, requests, is_over }
    }

    /// One that answers all with the status of their numbers, and the last one for ever.
    pub fn with_statuses(statuses: &'static [u16]) -> Self {
        Self::new(|number, _| reply(statuses[number.min(statuses.len() - 1)], ""))
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.requests().iter().map(Request::text).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Release);
        // Its thread looks when somebody comes.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: impl Read + Write, requests: &Mutex<Vec<Request>>, script: &Script) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        let Reply { bytes, closes } = script(number, &request);
        let writer = reader.get_mut();
        if writer.write_all(&bytes).and_then(|()| writer.flush()).is_err() || closes {
            return;
        }
    }
}

/// Reads one request; none at the end.
pub fn read(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let mut request = Request { method: words.next()?, path: words.next()?, ..Request::default() };
    loop {
        line.clear();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        let value = value.trim();
        request
            .headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|known| *known = format!("{known}, {value}"))
            .or_insert_with(|| value.to_owned());
    }
    request.body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut request.body).ok()?;
    Some(request)
}
