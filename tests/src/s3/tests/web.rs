//! Images from web servers that redirect, lie about sizes or are overloaded.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use store::Options;
use store::source::{Code, Settings, Sources};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::PATIENCE;

/// A web server with fixed answers; it ends when dropped.
struct Web {
    url: String,
    requests: Arc<AtomicUsize>,
    _tasks: JoinSet<()>,
}

impl Web {
    /// `answer(path, n)` gives the whole answer to the n-th request.
    async fn start(answer: impl Fn(&str, usize) -> String + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let (requests, answer) = (Arc::new(AtomicUsize::new(0)), Arc::new(answer));
        let counter = requests.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let (counter, answer) = (counter.clone(), answer.clone());
                connections.spawn(async move {
                    let path = request(&mut stream).await;
                    let answer = answer(&path, counter.fetch_add(1, Ordering::SeqCst));
                    // Whoever has read enough hangs up.
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Web { url, requests, _tasks: tasks }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// The path of the request, after its head was read.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&head).split(' ').nth(1).unwrap_or_default().to_owned()
}

fn ok(headers: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\n{headers}\r\n{body}")
}

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
}

fn sources(hosts: &[&Web]) -> Sources {
    let options = Options { idle: Duration::from_secs(20), ..Options::patient_for(PATIENCE) };
    let http_hosts = hosts.iter().map(|web| web.url.clone()).collect();
    Sources::new(Settings { options, http_hosts, file_roots: None }).expect("valid settings")
}

#[tokio::test]
async fn answers_become_images_or_codes() {
    let web = Web::start(|path, _| match path {
        "/ok" => ok("ETag: \"v1\"\r\nContent-Length: 5\r\n", "12345"),
        "/endless" => ok("", &"x".repeat(100_000)),
        "/announced" => ok("Content-Length: 100000\r\n", ""),
        "/gone" => status("410 Gone"),
        "/secret" => status("403 Forbidden"),
        "/odd" => status("418 I'm a teapot"),
        "/partial" => status("206 Partial Content"),
        _ => status("404 Not Found"),
    })
    .await;
    let sources = sources(&[&web]);
    let fetch = async |path: &str, etag: Option<&str>| {
        let fetched = sources.fetch(&format!("{}{path}", web.url), etag, 5).await;
        fetched.map_err(|e| (e.code(), e.is_transient()))
    };
    assert_eq!(fetch("/ok", None).await.expect("fetched"), "12345");
    assert_eq!(fetch("/ok", Some("v1")).await.expect("fetched"), "12345");
    for (path, etag, code) in [
        ("/ok", Some("v0"), Code::Changed),
        ("/endless", None, Code::TooLarge),
        ("/announced", None, Code::TooLarge),
        ("/gone", None, Code::NotFound),
        ("/none", None, Code::NotFound),
        ("/secret", None, Code::Denied),
        ("/odd", None, Code::FetchFailed),
        ("/partial", None, Code::FetchFailed),
    ] {
        assert_eq!(fetch(path, etag).await, Err((code, false)), "{path}");
    }
}

#[tokio::test]
async fn redirects_lead_only_to_allowed_hosts() {
    let target = Web::start(|_, _| ok("Content-Length: 2\r\n", "ok")).await;
    let to = target.url.clone();
    let web = Web::start(move |path, _| match path {
        "/loop" => "HTTP/1.1 302 Found\r\nLocation: /loop\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(),
        _ => format!("HTTP/1.1 302 Found\r\nLocation: {to}/b\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"),
    })
    .await;
    let uri = format!("{}/a", web.url);
    let refused = sources(&[&web]).fetch(&uri, None, 5).await.expect_err("the other host is not allowed");
    assert_eq!(refused.code(), Code::Denied);
    assert!(refused.to_string().contains(&target.url), "{refused}");
    assert_eq!(target.requests(), 0, "the other host was asked");
    let both = sources(&[&web, &target]);
    assert_eq!(both.fetch(&uri, None, 5).await.expect("both are allowed"), "ok");
    let refused = both.fetch(&format!("{}/loop", web.url), None, 5).await.expect_err("it never ends");
    assert_eq!((refused.code(), refused.is_transient()), (Code::FetchFailed, false));
}

#[tokio::test]
async fn overload_and_cuts_are_tried_again() {
    let web = Web::start(|_, n| match n {
        0 => status("503 Service Unavailable"),
        1 => status("429 Too Many Requests"),
        2 => ok("Content-Length: 5\r\n", "12"),
        3 => String::new(),
        _ => ok("Content-Length: 5\r\n", "12345"),
    })
    .await;
    assert_eq!(sources(&[&web]).fetch(&format!("{}/a", web.url), None, 5).await.expect("fetched"), "12345");
    assert_eq!(web.requests(), 5);
}
