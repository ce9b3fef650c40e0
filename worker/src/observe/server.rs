//! `/metrics`, `/livez` and `/readyz`, answered by a thread of its own, so that a runtime that stands still can be seen.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::Semaphore;

use super::exposition;
use super::health::health;
use super::metrics::metrics;

/// Connections at a time; a scraper and a kubelet need two.
const CONNECTIONS: usize = 32;
/// How long a connection may be kept, busy or not.
const CONNECTION: Duration = Duration::from_secs(300);
const HEADER: Duration = Duration::from_secs(10);

/// Listens on `address` and answers until the process ends; gives the address, whose port is known then.
///
/// # Errors
/// If the address cannot be bound.
pub fn serve(address: SocketAddr) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("observe".into()).spawn(move || runtime.block_on(accept(listener)))?;
    Ok(address)
}

async fn accept(listener: TcpListener) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "metrics and health are not served"),
    };
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, perhaps: not again at once.
            tokio::time::sleep(HEADER / 10).await;
            continue;
        };
        tokio::spawn(async move {
            let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request))));
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEADER);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            // Whoever asks badly, or goes away, is no concern of ours.
            let _ended = tokio::time::timeout(CONNECTION, connection).await;
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    let verdict = |verdict| match verdict {
        Ok(text) => plain(StatusCode::OK, text),
        Err(text) => plain(StatusCode::SERVICE_UNAVAILABLE, text),
    };
    match request.uri().path() {
        "/metrics" => {
            let text = metrics().render(health());
            let mut answer = Response::new(Full::from(text));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(exposition::CONTENT_TYPE));
            answer
        }
        "/livez" => verdict(health().live(metrics().tasks_in_flight.get())),
        "/readyz" => verdict(health().ready(metrics().engines.get())),
        "/" => plain(StatusCode::OK, "pixelmill worker: /metrics /livez /readyz"),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz"),
    }
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(text.into() + "\n"));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}
