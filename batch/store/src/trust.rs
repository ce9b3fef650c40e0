//! Whom this machine trusts: without any certificate authority, no server can be reached by TLS, however often it is tried.

use crate::error::StoreError;

/// What to do about it.
pub(crate) const REMEDY: &str =
    "install the package ca-certificates, or let SSL_CERT_FILE name a file of certificates (PEM)";

/// An error unless there is an authority that could vouch for a server of `place`.
pub(crate) fn any_authority(place: &str) -> Result<(), StoreError> {
    let found = rustls_native_certs::load_native_certs();
    if !found.certs.is_empty() {
        return Ok(());
    }
    let why = found.errors.first().map(|error| format!(": {error}")).unwrap_or_default();
    let cause = format!("this machine has no certificates of authorities, which TLS needs{why}");
    Err(StoreError::Config { place: place.into(), cause, remedy: REMEDY })
}
