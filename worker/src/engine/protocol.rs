//! What the parent and an engine say to each other: length-prefixed frames on the child's stdin and stdout.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use batch::{Outcome, Settings};
use bytes::Bytes;
use models::Digest;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::shelf::{Address, Place};
use super::times::Times;
use crate::{close_call, machine};

/// Everything an engine needs to know about its work.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EngineConfig {
    /// Where the model package lies on this machine.
    pub package: PackageSource,
    /// What can change a row; another package than the one named there is refused.
    pub settings: Settings,
    /// Threads that decode and infer.
    pub threads: usize,
    /// Most bytes of private memory (`RLIMIT_DATA`). In the parent: of all engines together, none for what the machine has
    /// to give; to the child: its own part.
    pub memory: Option<u64>,
    /// Most bytes that the full decode of a close call may hold: the same in all engines, so that an image that is tried alone has no other
    /// row.
    pub most_bytes_in_full: u64,
    /// Whether to compare the golden inputs before the first image.
    pub check_golden: bool,
}

/// A model package on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PackageSource {
    /// The one compiled into the binary.
    Builtin,
    /// A directory.
    Directory(PathBuf),
}

impl PackageSource {
    /// Opens and validates the package.
    pub fn open(&self) -> Result<models::Package, models::PackageError> {
        match self {
            Self::Builtin => models::Package::builtin(),
            Self::Directory(dir) => models::Package::open(dir),
        }
    }
}

impl From<Option<PathBuf>> for PackageSource {
    fn from(directory: Option<PathBuf>) -> Self {
        directory.map_or(Self::Builtin, Self::Directory)
    }
}

impl EngineConfig {
    /// With so many threads, and so much memory for all engines together, if that is told.
    pub fn new(package: PackageSource, settings: Settings, threads: usize, memory: Option<u64>) -> Self {
        let most_bytes_in_full = close_call::most_bytes(machine::memory_limit(memory), threads);
        Self { package, settings, threads, memory, most_bytes_in_full, check_golden: true }
    }

    /// The digest that the package must have.
    pub fn expected_digest(&self) -> Digest {
        self.settings.model.digest
    }
}

/// What the first frame says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) config: EngineConfig,
    /// Where images will lie, unless they come with their requests.
    pub(super) shelf: Option<Address>,
}

/// What the parent asks.
#[derive(Debug)]
pub(super) enum Request {
    Configure(Box<Hello>),
    Work(Order),
}

/// Work on an image.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) id: u64,
    pub(super) wanted: Wanted,
    pub(super) image: Image,
}

/// What is wanted of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Outcome,
    Thumbnail,
}

/// The image of a request.
#[derive(Debug)]
pub(super) enum Image {
    Sent(Bytes),
    OnShelf(Place),
}

/// What the engine answers.
#[derive(Debug)]
pub(super) enum Reply {
    /// The model is loaded, and whether images can lie on the shelf.
    Ready { sees_shelf: bool },
    /// The model cannot be used, and why.
    Refused(String),
    /// A thread has begun to work on an image: from now on it is a suspect.
    Started { id: u64 },
    /// An image is done, and how long that took.
    Classified { id: u64, outcome: Box<Outcome>, times: Times },
    /// A thumbnail (JPEG), empty if there is none.
    Thumbnail { id: u64, jpeg: Vec<u8> },
}

/// The largest frame: an image and its header. Images are capped far below by `max_bytes`.
const LARGEST_FRAME: u32 = 1 << 31;

const CONFIGURE: u8 = 1;
const CLASSIFY: u8 = 2;
const MAKE_THUMBNAIL: u8 = 3;
const READY: u8 = 4;
const REFUSED: u8 = 5;
const STARTED: u8 = 6;
const CLASSIFIED: u8 = 7;
const THUMBNAIL: u8 = 8;
/// Added to a request whose image lies on the shelf.
const ON_SHELF: u8 = 128;

/// A frame: kind, id (0 where there is none), payload.
struct Header {
    kind: u8,
    id: u64,
    length: u32,
}

impl Header {
    const BYTES: usize = 13;

    fn new(kind: u8, id: u64, payload: &[u8]) -> io::Result<Self> {
        match u32::try_from(payload.len()) {
            Ok(length) if length <= LARGEST_FRAME => Ok(Self { kind, id, length }),
            _ => Err(wrong("a frame is too large")),
        }
    }

    fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[0] = self.kind;
        bytes[1..9].copy_from_slice(&self.id.to_le_bytes());
        bytes[9..].copy_from_slice(&self.length.to_le_bytes());
        bytes
    }

    fn decode(bytes: [u8; Self::BYTES]) -> io::Result<Self> {
        let [kind, i0, i1, i2, i3, i4, i5, i6, i7, l0, l1, l2, l3] = bytes;
        let id = u64::from_le_bytes([i0, i1, i2, i3, i4, i5, i6, i7]);
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > LARGEST_FRAME { Err(wrong("a frame is too large")) } else { Ok(Self { kind, id, length }) }
    }
}

fn wrong(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

impl Request {
    /// Writes the frame; the parent's side.
    pub(super) async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let bytes;
        let (kind, id, image) = match self {
            Self::Configure(hello) => (CONFIGURE, 0, &Image::Sent(serde_json::to_vec(hello)?.into())),
            Self::Work(Order { id, wanted: Wanted::Outcome, image }) => (CLASSIFY, *id, image),
            Self::Work(Order { id, wanted: Wanted::Thumbnail, image }) => (MAKE_THUMBNAIL, *id, image),
        };
        let (kind, payload) = match image {
            Image::Sent(image) => (kind, &image[..]),
            Image::OnShelf(place) => {
                bytes = place.encode();
                (kind | ON_SHELF, &bytes[..])
            }
        };
        to.write_all(&Header::new(kind, id, payload)?.encode()).await?;
        to.write_all(payload).await?;
        to.flush().await
    }

    /// Reads the next frame, none at the end; the child's side.
    pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; Header::BYTES];
        match from.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let Header { kind, id, length } = Header::decode(header)?;
        let mut payload = vec![0; length as usize];
        from.read_exact(&mut payload)?;
        if kind == CONFIGURE {
            return Ok(Some(Self::Configure(serde_json::from_slice(&payload)?)));
        }
        let image = if kind & ON_SHELF == 0 {
            Image::Sent(payload.into())
        } else {
            let place = payload.try_into().map_err(|_| wrong("an image without its place"))?;
            Image::OnShelf(Place::decode(place))
        };
        let wanted = match kind & !ON_SHELF {
            CLASSIFY => Wanted::Outcome,
            MAKE_THUMBNAIL => Wanted::Thumbnail,
            _ => return Err(wrong("an unknown request")),
        };
        Ok(Some(Self::Work(Order { id, wanted, image })))
    }
}

impl Reply {
    /// Writes frames in one piece; the child's side.
    pub(super) fn write(replies: &[Self], to: &mut impl Write) -> io::Result<()> {
        let mut frames = Vec::new();
        replies.iter().try_for_each(|reply| reply.append(&mut frames))?;
        to.write_all(&frames)?;
        to.flush()
    }

    fn append(&self, frames: &mut Vec<u8>) -> io::Result<()> {
        let (kind, id, payload) = match self {
            Self::Ready { sees_shelf } => (READY, 0, vec![u8::from(*sees_shelf)]),
            Self::Refused(reason) => (REFUSED, 0, reason.clone().into_bytes()),
            Self::Started { id } => (STARTED, *id, Vec::new()),
            Self::Classified { id, outcome, times } => {
                let mut payload = times.encode().to_vec();
                serde_json::to_writer(&mut payload, outcome)?;
                (CLASSIFIED, *id, payload)
            }
            Self::Thumbnail { id, jpeg } => (THUMBNAIL, *id, jpeg.clone()),
        };
        frames.extend(Header::new(kind, id, &payload)?.encode());
        frames.extend(payload);
        Ok(())
    }

    /// Reads the next frame, none at the end; the parent's side.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut header = [0; Header::BYTES];
        match from.read_exact(&mut header).await {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        };
        let Header { kind, id, length } = Header::decode(header)?;
        let mut payload = Vec::new();
        from.take(u64::from(length)).read_to_end(&mut payload).await?;
        if payload.len() != length as usize {
            return Ok(None);
        }
        Ok(Some(match kind {
            READY => Self::Ready { sees_shelf: payload == [1] },
            REFUSED => Self::Refused(String::from_utf8_lossy(&payload).into_owned()),
            STARTED => Self::Started { id },
            CLASSIFIED => {
                let (times, outcome) = payload.split_first_chunk().ok_or_else(|| wrong("an outcome without times"))?;
                Self::Classified { id, outcome: serde_json::from_slice(outcome)?, times: Times::decode(times) }
            }
            THUMBNAIL => Self::Thumbnail { id, jpeg: payload },
            _ => return Err(wrong("an unknown reply")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use batch::ErrorCode;

    #[tokio::test]
    async fn frames_read_back_across_the_pipe() {
        let mut pipe = Vec::new();
        let image = Image::Sent(Bytes::from_static(&[1, 2, 3]));
        Request::Work(Order { id: 7, wanted: Wanted::Outcome, image }).write(&mut pipe).await.unwrap();
        assert!(matches!(
            Request::read(&mut &pipe[..]).unwrap(),
            Some(Request::Work(Order { id: 7, wanted: Wanted::Outcome, image: Image::Sent(image) }))
                if image[..] == [1, 2, 3]
        ));
        let mut pipe = Vec::new();
        let outcome = Outcome::failed(ErrorCode::Truncated, "cut");
        let times = Times { decode: Duration::from_micros(1500), infer: Duration::from_secs(5000), second_look: true };
        let classified = Reply::Classified { id: 9, outcome: Box::new(outcome.clone()), times };
        Reply::write(&[classified, Reply::Started { id: 10 }], &mut pipe).unwrap();
        let mut pipe = &pipe[..];
        assert!(matches!(
            Reply::read(&mut pipe).await.unwrap(),
            Some(Reply::Classified { id: 9, outcome: read, times: took }) if *read == outcome && took == times
        ));
        assert!(matches!(Reply::read(&mut pipe).await.unwrap(), Some(Reply::Started { id: 10 })));
    }

    #[tokio::test]
    async fn an_image_on_the_shelf_is_named_by_its_place() {
        let place = Place::decode([9, 0, 0, 0, 3, 0, 0, 0]);
        let mut pipe = Vec::new();
        let image = Image::OnShelf(place);
        Request::Work(Order { id: 7, wanted: Wanted::Thumbnail, image }).write(&mut pipe).await.unwrap();
        assert!(matches!(
            Request::read(&mut &pipe[..]).unwrap(),
            Some(Request::Work(Order { id: 7, wanted: Wanted::Thumbnail, image: Image::OnShelf(read) })) if read == place
        ));
        pipe.pop();
        assert!(Request::read(&mut &pipe[..]).is_err(), "a cut frame");
    }

    #[tokio::test]
    async fn a_cut_or_wrong_frame_is_no_answer() {
        let mut pipe = Vec::new();
        Reply::write(&[Reply::Refused("why".into())], &mut pipe).unwrap();
        assert!(Reply::read(&mut &pipe[..pipe.len() - 1]).await.unwrap().is_none());
        assert!(Reply::read(&mut &pipe[..3]).await.unwrap().is_none());
        pipe[0] = 99;
        assert!(Reply::read(&mut &pipe[..]).await.is_err());
    }
}
