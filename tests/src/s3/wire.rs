//! Connections: where requests get lost, answers too, and bodies are cut.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::Body;
use s3s::service::S3Service;
use s3s::stream::{ByteStream, DynByteStream, RemainingLength};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::faults::{Fate, Faults};

/// Pieces of bodies that are cut or slow.
const PIECE: usize = 64 << 10;

/// Serves until it is dropped, and all connections with it.
pub(super) async fn serve(listener: TcpListener, service: S3Service, faults: Faults) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => _ = connections.spawn(connection(stream, service.clone(), faults.clone())),
                // Out of file descriptors, for example: those of ending connections come back.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, service: S3Service, faults: Faults) {
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let io = TokioIo::new(Socket { stream, reset: reset.clone() });
    let answer = service_fn(move |request| {
        let (service, faults, reset) = (service.clone(), faults.clone(), reset.clone());
        async move { answer(request, &service, &faults, reset).await }
    });
    // Its errors are the faults.
    let _ = Builder::new(TokioExecutor::new()).http1_only().serve_connection(io, answer).await;
}

async fn answer(
    request: Request<Incoming>,
    service: &S3Service,
    faults: &Faults,
    reset: Arc<AtomicBool>,
) -> io::Result<Response<Body>> {
    let is_conditional = request.headers().contains_key(header::IF_NONE_MATCH);
    let path = request.uri().path().to_owned();
    let is_by_the_sdk = request.headers().contains_key("amz-sdk-invocation-id");
    faults.is_by_the_sdk(is_by_the_sdk);
    faults.released(&path).await;
    let fate = faults.fate(&path, is_conditional);
    match fate {
        Fate::ResetBefore => return Err(cut(&reset)),
        Fate::Hang => return std::future::pending().await,
        Fate::SlowDown => return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown")),
        Fate::Conflict => return Ok(refusal(StatusCode::CONFLICT, "ConditionalRequestConflict")),
        _ if !is_by_the_sdk && faults.plan_for(&path).only_the_sdk => {
            return Ok(refusal(StatusCode::FORBIDDEN, "AccessDenied"));
        }
        _ if !is_by_the_sdk && faults.plan_for(&path).busy_but_for_the_sdk => {
            return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown"));
        }
        _ => {}
    };
    let response = service.call(request.map(Body::from)).await.map_err(|e| io::Error::other(format!("{e:?}")))?;
    let slow = faults.plan_for(&path).slow_body;
    match fate {
        Fate::ResetAfter => Err(cut(&reset)),
        Fate::ErrorAfter => Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError")),
        Fate::Cut(after) => Ok(response.map(|body| Faulty::body(body, Some((after, End::Cut(reset))), slow))),
        Fate::Stall(after) => Ok(response.map(|body| Faulty::body(body, Some((after, End::Stall)), slow))),
        _ if slow.is_some() => Ok(response.map(|body| Faulty::body(body, None, slow))),
        _ => Ok(response),
    }
}

fn cut(reset: &AtomicBool) -> io::Error {
    reset.store(true, Ordering::Relaxed);
    io::ErrorKind::ConnectionReset.into()
}

fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let text =
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as the test wants it</Message></Error>");
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/xml"));
    response
}

/// A connection that is reset instead of closed when it was marked so.
struct Socket {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.reset.load(Ordering::Relaxed) {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A shutdown would end the stream politely before the reset.
        if self.reset.load(Ordering::Relaxed) {
            Poll::Ready(Ok(()))
        } else {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}

enum End {
    Cut(Arc<AtomicBool>),
    Stall,
}

/// A body that announces its true length and then fails, or takes its time.
struct Faulty {
    pieces: Pin<Box<dyn Stream<Item = Result<Bytes, io::Error>> + Send + Sync>>,
    length: RemainingLength,
}

impl Faulty {
    fn body(body: Body, end: Option<(usize, End)>, slow: Option<Duration>) -> Body {
        let length = body.remaining_length().exact().map_or_else(RemainingLength::unknown, RemainingLength::new_exact);
        let state = (body, Bytes::new(), end);
        let pieces = futures::stream::try_unfold(state, move |(mut body, mut rest, mut end)| async move {
            if let Some((0, how)) = &end {
                return match how {
                    End::Cut(reset) => Err(cut(reset)),
                    End::Stall => std::future::pending().await,
                };
            }
            if let Some(time) = slow {
                tokio::time::sleep(time).await;
            }
            while rest.is_empty() {
                match body.next().await {
                    Some(chunk) => rest = chunk.map_err(io::Error::other)?,
                    None => return Ok(None),
                }
            }
            let most = end.as_ref().map_or(PIECE, |(left, _)| PIECE.min(*left));
            let piece = rest.split_to(most.min(rest.len()));
            if let Some((left, _)) = &mut end {
                *left -= piece.len();
            }
            Ok(Some((piece, (body, rest, end))))
        });
        let pieces: DynByteStream = Box::pin(Faulty { pieces: Box::pin(pieces), length });
        Body::from(pieces)
    }
}

impl Stream for Faulty {
    type Item = Result<Bytes, s3s::StdError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        if let (Some(Ok(piece)), Some(left)) = (&piece, self.length.exact()) {
            self.length = RemainingLength::new_exact(left.saturating_sub(piece.len()));
        }
        Poll::Ready(piece.map(|piece| piece.map_err(Into::into)))
    }
}

impl ByteStream for Faulty {
    fn remaining_length(&self) -> RemainingLength {
        self.length.exact().map_or_else(RemainingLength::unknown, RemainingLength::new_exact)
    }
}
