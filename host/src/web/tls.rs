//! Whom the host trusts as a client: the system's root certificates and the operator's own; knows nothing of requests.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::{ClientConfig, RootCertStore};

use crate::web::WebSetupError;

/// The certificates in the files given with `--ca`. Quick enough for start-up.
pub(super) fn read_ca_files(
    files: &[PathBuf],
) -> Result<Vec<CertificateDer<'static>>, WebSetupError> {
    let mut certificates = Vec::new();
    for file in files {
        let in_file = read_ca_file(file)?;
        check_ca(file, &in_file)?;
        certificates.extend(in_file);
    }
    Ok(certificates)
}

fn read_ca_file(file: &Path) -> Result<Vec<CertificateDer<'static>>, WebSetupError> {
    let explain = |error: PemError| match error {
        PemError::Io(error) => WebSetupError::CaUnreadable {
            file: file.to_owned(),
            reason: error.to_string(),
        },
        other => WebSetupError::CaInvalid {
            file: file.to_owned(),
            reason: other.to_string(),
        },
    };
    CertificateDer::pem_file_iter(file)
        .map_err(explain)?
        .map(|certificate| certificate.map_err(explain))
        .collect()
}

fn check_ca(file: &Path, certificates: &[CertificateDer<'static>]) -> Result<(), WebSetupError> {
    let invalid = |reason: String| WebSetupError::CaInvalid {
        file: file.to_owned(),
        reason,
    };
    if certificates.is_empty() {
        return Err(invalid("it contains no certificate in PEM format".into()));
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        let added = store.add(certificate.clone());
        added.map_err(|error| invalid(error.to_string()))?;
    }
    Ok(())
}

/// The root certificates of the system; none when it has none. It reads files for some 10 ms: not for the side thread
/// itself.
pub(crate) fn system_roots() -> Vec<CertificateDer<'static>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "some of the system's root certificates cannot be read");
    }
    found.certs
}

/// Whether there is anybody whom this trusts, and the configuration. Certificates of the system that cannot be parsed are
/// left out, as everybody does.
pub(crate) fn client_config(
    system: Vec<CertificateDer<'static>>,
    operator: &[CertificateDer<'static>],
) -> io::Result<(bool, ClientConfig)> {
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(system);
    tracing::debug!(added, ignored, "the system's root certificates are loaded");
    roots.add_parsable_certificates(operator.iter().cloned());
    let trusts_anybody = !roots.is_empty();

    // The provider is passed, not installed: what is installed holds for the whole process.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((trusts_anybody, config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_ca_file_is_named() {
        let error = read_ca_files(&[PathBuf::from("/nonexistent/ca.pem")]).expect_err("missing");
        assert!(matches!(error, WebSetupError::CaUnreadable { .. }));
        assert!(error.to_string().contains("/nonexistent/ca.pem"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_certificate_is_named() {
        let other = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        let error = read_ca_files(std::slice::from_ref(&other)).expect_err("not PEM");
        assert!(matches!(error, WebSetupError::CaInvalid { .. }));
        assert!(error.to_string().contains("Cargo.toml"), "{error}");
    }

    #[test]
    fn pem_around_something_else_is_refused() {
        let rubbish = CertificateDer::from(vec![1, 2, 3]);
        assert!(check_ca(Path::new("x.pem"), &[rubbish]).is_err());
    }
}
