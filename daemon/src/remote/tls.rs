//! The outer layer. Where the relay's own key is known, the session inside proves the relay and TLS is only the way
//! there, so a certificate that no authority signed will do; where it is not known yet, the system's authorities must
//! vouch for the name, or the first contact could be with anybody.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};

/// What a connection needs of the relay's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// An authority of this system vouches for it.
    Authorities,
    /// Any: the relay's key is known and checked inside.
    KeyInside,
}

/// The TLS client's configuration.
///
/// # Errors
/// When the provider lacks TLS 1.3, which it does not.
pub(super) fn client_config(trust: Trust) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let config = match trust {
        Trust::Authorities => builder.with_root_certificates(authorities()).with_no_client_auth(),
        Trust::KeyInside => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn authorities() -> RootCertStore {
    let mut store = RootCertStore::empty();
    // A system without a store, or with a broken file in it, ends in "unknown issuer", which says what is wrong.
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

/// Accepts any certificate, but not a signature that its key did not make.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
