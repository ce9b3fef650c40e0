//! A TCP proxy on the loopback interface that cuts, resets, delays and stalls what passes through it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards to one target. It runs on a thread and runtime of its own, so a blocked test does not stop it; it ends when dropped.
pub struct TcpProxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

/// What happens to everything that passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Weather {
    delay: Duration,
    stalled: bool,
    refusing: bool,
    /// Links of an earlier epoch are ended.
    epoch: u64,
    ending: Ending,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Close,
    Reset,
}

#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    accepted: AtomicU64,
}

impl TcpProxy {
    /// Listens on a free port and forwards to `target`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub fn start(target: SocketAddr) -> io::Result<TcpProxy> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let calm = Weather {
            delay: Duration::ZERO,
            stalled: false,
            refusing: false,
            epoch: 0,
            ending: Ending::Close,
            closed: false,
        };
        let (weather, forecast) = watch::channel(calm);
        let counts = Arc::new(Counts::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = counts.clone();
        let run = move || {
            if let Err(error) = runtime.block_on(accept(listener, target, forecast, shared)) {
                panic!("the proxy cannot listen: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("tcp-proxy".into()).spawn(run)?;
        Ok(TcpProxy { address, weather, counts, thread: Some(thread) })
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Links that are open now.
    pub fn links(&self) -> usize {
        self.counts.open.load(Ordering::SeqCst)
    }

    /// Links that were ever accepted, refused ones included.
    pub fn accepted(&self) -> u64 {
        self.counts.accepted.load(Ordering::SeqCst)
    }

    /// Closes all links; new ones work.
    pub fn cut(&self) {
        self.end_links(Ending::Close);
    }

    /// Resets all links (RST, unsent bytes are lost); new ones work.
    pub fn reset(&self) {
        self.end_links(Ending::Reset);
    }

    /// Forwards nothing while `on`, but keeps all links open and accepts new ones.
    pub fn stall(&self, on: bool) {
        self.weather.send_modify(|weather| weather.stalled = on);
    }

    /// Forwards every piece only after this time.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Resets every new link at once while `on`; open ones stay.
    pub fn refuse(&self, on: bool) {
        self.weather.send_modify(|weather| weather.refusing = on);
    }

    fn end_links(&self, ending: Ending) {
        self.weather.send_modify(|weather| {
            weather.epoch += 1;
            weather.ending = ending;
        });
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.weather.send_modify(|weather| weather.closed = true);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: SocketAddr,
    weather: watch::Receiver<Weather>,
    counts: Arc<Counts>,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let mut closed = weather.clone();
    loop {
        let client = tokio::select! {
            _ = closed.wait_for(|weather| weather.closed) => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(_) => continue,
            },
        };
        counts.accepted.fetch_add(1, Ordering::SeqCst);
        if weather.borrow().refusing {
            reset(&client);
            continue;
        }
        let (weather, counts) = (weather.clone(), counts.clone());
        tokio::spawn(async move {
            counts.open.fetch_add(1, Ordering::SeqCst);
            link(client, target, weather).await;
            counts.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Forwards in both directions until both sides have ended, or the proxy ends the link.
async fn link(mut client: TcpStream, target: SocketAddr, mut weather: watch::Receiver<Weather>) {
    let epoch = weather.borrow_and_update().epoch;
    let Ok(mut server) = TcpStream::connect(target).await else {
        reset(&client);
        return;
    };
    let _fast = (client.set_nodelay(true), server.set_nodelay(true));
    let ending = {
        let ((client_in, client_out), (server_in, server_out)) = (client.split(), server.split());
        let forward = pump(client_in, server_out, weather.clone());
        let backward = pump(server_in, client_out, weather.clone());
        tokio::select! {
            ended = weather.wait_for(|weather| weather.closed || weather.epoch > epoch) => {
                ended.map_or(Ending::Close, |weather| weather.ending)
            }
            _both = async { tokio::join!(forward, backward) } => Ending::Close,
        }
    };
    if ending == Ending::Reset {
        reset(&client);
        reset(&server);
    }
}

/// Copies until the end of `from`, then ends `to`. Nothing moves while the weather is stalled.
async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut weather: watch::Receiver<Weather>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let delay = weather.borrow().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let calm = weather.wait_for(|weather| !weather.stalled).await.is_ok();
        if !calm || to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
    let _ended = to.shutdown().await;
}

/// With a linger time of zero the next close sends RST.
fn reset(stream: &TcpStream) {
    let _best_effort = stream.set_zero_linger();
}
