//! A large file that grows out of sight.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::blocking;
use super::durable::{Durable, Temp};
use crate::error::StoreError;
use crate::store::Created;

/// Small writes are collected up to this size.
const BUFFER: usize = 1 << 20;

pub(crate) struct LocalWriter {
    durable: Arc<Durable>,
    path: PathBuf,
    place: String,
    buffer: BytesMut,
    /// Absent after a failed write.
    temp: Option<Temp>,
}

impl LocalWriter {
    pub(super) async fn begin(durable: Arc<Durable>, path: PathBuf, place: String) -> Result<LocalWriter, StoreError> {
        let maker = durable.clone();
        let temp = blocking(place.clone(), move || maker.temp()).await?;
        Ok(LocalWriter { durable, path, place, buffer: BytesMut::new(), temp: Some(temp) })
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(&bytes);
        if self.buffer.len() >= BUFFER { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        let piece = self.buffer.split();
        let temp = self.temp.take();
        let written = move || {
            let mut temp = temp.ok_or_else(|| io::Error::other("an earlier write failed"))?;
            temp.write(&piece)?;
            Ok(temp)
        };
        self.temp = Some(blocking(self.place.clone(), written).await?);
        Ok(())
    }

    pub(crate) async fn finish(mut self) -> Result<Created, StoreError> {
        self.flush().await?;
        let LocalWriter { durable, path, place, temp, .. } = self;
        blocking(place, move || {
            let temp = temp.ok_or_else(|| io::Error::other("an earlier write failed"))?;
            durable.publish(temp, &path)
        })
        .await
    }
}
