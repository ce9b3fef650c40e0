//! Asking a web page, and taking what others post: plain HTTP/1.1 over one connection a time.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// A page comes within this time, or not at all.
const PATIENCE: Duration = Duration::from_secs(30);

/// Status and body of a page; none while nobody listens.
pub async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    tokio::time::timeout(PATIENCE, fetch(address, path)).await.ok()?
}

async fn fetch(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// A loopback address at which nobody listens, and nobody else can, as long as this lives.
pub struct Nobody(TcpSocket);

impl Nobody {
    /// Takes a free port.
    ///
    /// # Panics
    /// When there is none.
    pub fn bound() -> Nobody {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a free port");
        Nobody(socket)
    }

    /// Where nobody listens.
    ///
    /// # Panics
    /// Never: it is bound.
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().expect("an address")
    }
}

/// Takes JSON that is posted to it, and says 200.
pub struct Inbox {
    address: SocketAddr,
    posted: Arc<Mutex<Vec<(String, serde_json::Value)>>>,
    task: JoinHandle<()>,
}

impl Inbox {
    /// Listens on a free port of the loopback interface.
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn start() -> Inbox {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let posted = Arc::<Mutex<Vec<_>>>::default();
        let kept = Arc::clone(&posted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                tokio::spawn(async move { while_open(stream, &kept).await });
            }
        });
        Inbox { address, posted, task }
    }

    /// Where to post.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What came so far: the request line with its headers, and the body.
    pub fn posted(&self) -> Vec<(String, serde_json::Value)> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn while_open(stream: TcpStream, posted: &Mutex<Vec<(String, serde_json::Value)>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        posted.lock().unwrap_or_else(PoisonError::into_inner).push((head, body));
        let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(answer.as_bytes()).await.ok()?;
    }
}
