//! The outer layer: TLS 1.3 with the certificate that was given, or one made here. Devices that know the relay's key do
//! not look at the certificate: the session inside proves the relay.

use std::{fs, io, net::IpAddr, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    version::TLS13,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    address,
    config::Config,
    folder::{FolderError, read_private, write_private},
};

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file with the certificates cannot be read.
    #[error("the certificate {0} cannot be read: {1}")]
    Certificate(String, io::Error),
    /// There is no certificate in it.
    #[error("no certificate in {0}")]
    NoCertificate(String),
    /// There is no key in the file for it.
    #[error("no private key in {0}")]
    NoKey(String),
    /// The key file cannot be read or written, or others may read it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// None could be made.
    #[error("no certificate could be made: {0}")]
    Make(#[from] rcgen::Error),
}

const CERTIFICATE_FILE: &str = "certificate.pem";
const KEY_FILE: &str = "certificate.key";

/// Bytes of a certificate or key file.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// As the configuration says: none, from its files, or the relay's own.
///
/// # Errors
/// Why it cannot be had.
pub fn of(config: &Config, folder: &Path) -> Result<Option<TlsAcceptor>, TlsError> {
    match (&config.certificate, &config.certificate_key) {
        _ if config.plain => Ok(None),
        (Some(certificate), Some(key)) => from_files(certificate, key).map(Some),
        _ => own(folder, &address::host(config)).map(Some),
    }
}

/// From files that somebody else keeps up to date.
///
/// # Errors
/// Why they cannot be used.
pub fn from_files(certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let pem = fs::read(certificate).map_err(|error| TlsError::Certificate(certificate.display().to_string(), error))?;
    acceptor(&pem, certificate, key)
}

/// From the relay's own folder. Made for `host` at the first start, and kept.
///
/// # Errors
/// Why it cannot be had.
pub fn own(folder: &Path, host: &str) -> Result<TlsAcceptor, TlsError> {
    let (certificate, key) = (folder.join(CERTIFICATE_FILE), folder.join(KEY_FILE));
    let there = read_private(&certificate, PEM_BYTES_MAX)?;
    let pem = match there {
        Some(pem) => pem.to_vec(),
        None => make(&certificate, &key, host)?,
    };
    acceptor(&pem, &certificate, &key)
}

/// The key first: a certificate without its key would be taken for a whole one.
fn make(certificate: &Path, key: &Path, host: &str) -> Result<Vec<u8>, TlsError> {
    let mut names = vec!["localhost".to_owned()];
    if host != "localhost" && (host.parse::<IpAddr>().is_ok() || host.is_ascii()) {
        names.insert(0, host.to_owned());
    }
    let made = rcgen::generate_simple_self_signed(names)?;
    match fs::remove_file(key) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(FolderError::Io { path: key.to_owned(), error }.into());
        }
        _ => {}
    }
    write_private(key, zeroize::Zeroizing::new(made.signing_key.serialize_pem()).as_bytes())?;
    let pem = made.cert.pem().into_bytes();
    write_private(certificate, &pem)?;
    Ok(pem)
}

fn acceptor(pem: &[u8], certificate: &Path, key: &Path) -> Result<TlsAcceptor, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::NoCertificate(certificate.display().to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(certificate.display().to_string()));
    }
    let no_key = || TlsError::NoKey(key.display().to_string());
    let key_pem = read_private(key, PEM_BYTES_MAX)?.ok_or_else(no_key)?;
    let key = PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| no_key())?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    // A connection lives for an hour: resuming saves nothing, and tickets would let a relay tell who comes back.
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_both_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        for host in ["relay.example.org", "192.0.2.7"] {
            assert!(own(folder.path(), host).is_ok(), "{host}");
        }
        for name in [CERTIFICATE_FILE, KEY_FILE] {
            let mode = fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let made = fs::read(folder.path().join(CERTIFICATE_FILE)).unwrap();
        assert!(from_files(&folder.path().join(CERTIFICATE_FILE), &folder.path().join(KEY_FILE)).is_ok());
        assert!(own(folder.path(), "other").is_ok());
        assert_eq!(fs::read(folder.path().join(CERTIFICATE_FILE)).unwrap(), made);
    }

    #[test]
    fn what_is_wrong_with_given_files_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(own(folder.path(), "a").is_ok());
        let (certificate, key) = (folder.path().join(CERTIFICATE_FILE), folder.path().join(KEY_FILE));
        let nowhere = folder.path().join("nowhere");
        assert!(matches!(from_files(&nowhere, &key), Err(TlsError::Certificate(..))));
        assert!(matches!(from_files(&key, &key), Err(TlsError::NoCertificate(_))));
        assert!(matches!(from_files(&certificate, &certificate), Err(TlsError::NoKey(_))));
        assert!(matches!(from_files(&certificate, &nowhere), Err(TlsError::NoKey(_))));
    }
}
