//! Keys, certificates, authorities and revocation lists from their files: [`Material`].
//!
//! | Option | Read of it |
//! |---|---|
//! | `cert-file` | PEM: the certificate first, then those between it and the authority |
//! | `key-file` | PEM: PKCS#8, PKCS#1 or SEC1, not encrypted |
//! | `ca-file` | PEM, any number of certificates |
//! | `ca-dir` | every file in it that has certificates (PEM): so both a directory that `openssl rehash` made, and one of plain files |
//! | `crl-dir` | every file in it that has revocation lists, PEM or DER |
//! | `use-system-cert-store` | where the system has its authorities, or `SSL_CERT_FILE` and `SSL_CERT_DIR` say |
//!
//! What cannot be read is an error, at the option that names it: an authority or a list that is missing in
//! silence would be trust that is lost, or given.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use sha2::{Digest, Sha256};

use super::certificate::Certificate;
use super::options::TlsOptions;
use crate::config::{Config, Diagnostic, Span, Spanned};

/// The largest file, and the most files of a directory, that are read.
const MAX_BYTES: u64 = 16 * 1024 * 1024;
const MAX_FILES: usize = 10_000;

/// Whom a side trusts.
#[derive(Debug)]
pub(super) struct Authorities {
    /// As they are in their files.
    pub(super) certificates: Vec<CertificateDer<'static>>,
    /// The same, as rustls has them.
    pub(super) roots: Arc<RootCertStore>,
    /// The revocation lists.
    pub(super) crls: Vec<CertificateRevocationListDer<'static>>,
}

const SECONDS_A_DAY: i64 = 24 * 60 * 60;
/// Days before its end at which a certificate is warned of.
const SOON: i64 = 14;

/// All that is read from files.
#[derive(Debug)]
pub(super) struct Material {
    /// The side's own certificate and key.
    pub(super) identity: Option<Arc<CertifiedKey>>,
    pub(super) authorities: Authorities,
    /// Sentences about what is not wrong, but perhaps not meant.
    pub(super) warnings: Vec<String>,
    /// The digest of all that was read: the same for the same material.
    pub(super) digest: [u8; 32],
}

/// An error with the place of the option that it is about.
#[derive(Debug)]
pub(super) struct Problem {
    span: Span,
    message: String,
    help: Option<String>,
}

impl Problem {
    pub(super) fn new(option: &Spanned<String>, message: impl Into<String>) -> Self {
        Self { span: option.span, message: format!("{}: {}", option.value, message.into()), help: None }
    }

    /// One of the whole block.
    pub(super) fn of_block(options: &TlsOptions, message: String) -> Self {
        Self { span: options.span, message, help: None }
    }

    fn with_help(self, help: &str) -> Self {
        Self { help: Some(help.to_owned()), ..self }
    }

    /// As an error of `config`.
    pub(super) fn at(self, config: &Config) -> Diagnostic {
        config.error(self.span, self.message, self.help)
    }

    /// As a sentence without a place.
    pub(super) fn in_words(self) -> String {
        self.message
    }
}

/// Reads files, and keeps a digest of them.
struct Files(Sha256);

impl Material {
    /// Reads what `options` name, for `provider`.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what it should be.
    pub(super) fn read(options: &TlsOptions, provider: &CryptoProvider) -> Result<Self, Problem> {
        let mut files = Files(Sha256::new());
        let mut warnings = Vec::new();
        let mut identity = None;
        if let (Some(cert_file), Some(key_file)) = (&options.cert_file, &options.key_file) {
            let own = files.identity(cert_file, key_file, provider, &mut warnings)?;
            let first = own.cert.first().and_then(|certificate| Certificate::read(certificate));
            let end = first.as_ref().map(|certificate| certificate.not_after);
            let now = UnixTime::now();
            let days = end.map(|end| (end - now.as_secs() as i64) / SECONDS_A_DAY);
            if first.is_some_and(|certificate| certificate.has_ended(now)) {
                warnings.push(format!("{}: the certificate has expired", cert_file.value));
            } else if let Some(days) = days.filter(|days| *days < SOON) {
                warnings.push(format!(
                    "{}: the certificate expires within {} days",
                    cert_file.value,
                    days + 1
                ));
            }
            identity = Some(Arc::new(own));
        }
        let authorities = files.authorities(options, &mut warnings)?;
        Ok(Self { identity, authorities, warnings, digest: files.0.finalize().into() })
    }
}

impl Files {
    /// The bytes of the file at `path`.
    fn bytes(&mut self, path: &Path) -> Result<Vec<u8>, String> {
        let mut file = File::open(path).map_err(|error| error.to_string())?;
        if file.metadata().is_ok_and(|found| found.is_dir()) {
            return Err("it is a directory".to_owned());
        }
        let mut bytes = Vec::new();
        let read = file.by_ref().take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(format!("it has more than {MAX_BYTES} bytes"));
        }
        // With its length: two files are not the same as one that has both.
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(&bytes);
        Ok(bytes)
    }

    fn of_option(&mut self, option: &Spanned<String>) -> Result<Vec<u8>, Problem> {
        self.bytes(Path::new(&option.value)).map_err(|why| Problem::new(option, why))
    }

    fn identity(
        &mut self,
        cert_file: &Spanned<String>,
        key_file: &Spanned<String>,
        provider: &CryptoProvider,
        warnings: &mut Vec<String>,
    ) -> Result<CertifiedKey, Problem> {
        let chain = certificates(&self.of_option(cert_file)?).map_err(|why| Problem::new(cert_file, why))?;
        if chain.is_empty() {
            return Err(Problem::new(cert_file, "there is no certificate in it (PEM)"));
        }
        let key = private_key(&self.of_option(key_file)?).map_err(|why| {
            let problem = Problem::new(key_file, why);
            if why == ENCRYPTED { problem.with_help(DECRYPT) } else { problem }
        })?;
        let mode = fs::metadata(&key_file.value).map_or(0, |found| found.mode());
        if mode & 0o004 != 0 {
            warnings.push(format!("{}: everybody on this machine can read the key", key_file.value));
        }
        CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                Problem::new(key_file, format!("it is not the key of the certificate in {}", cert_file.value))
            }
            Error::InvalidCertificate(error) => Problem::new(cert_file, format!("{error}")),
            // Its text says which algorithms there are, and nothing of the key.
            error => Problem::new(key_file, error.to_string()),
        })
    }

    fn authorities(
        &mut self,
        options: &TlsOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Authorities, Problem> {
        let mut found: Vec<CertificateDer<'static>> = Vec::new();
        if let Some(file) = &options.ca_file {
            let read = certificates(&self.of_option(file)?).map_err(|why| Problem::new(file, why))?;
            if read.is_empty() {
                return Err(Problem::new(file, "there is no certificate in it (PEM)"));
            }
            found.extend(read);
        }
        if let Some(directory) = &options.ca_dir {
            let read = self.directory(directory, certificates)?;
            if read.is_empty() {
                return Err(Problem::new(directory, "no file in it has a certificate (PEM)"));
            }
            found.extend(read);
        }
        if options.use_system_cert_store {
            found.extend(self.system(options, warnings)?);
        }
        let crls = match &options.crl_dir {
            None => Vec::new(),
            Some(directory) => {
                let read = self.directory(directory, crls)?;
                if read.is_empty() {
                    return Err(Problem::new(directory, "no file in it has a revocation list"));
                }
                read
            }
        };
        found.sort_unstable_by(|one, other| one.as_ref().cmp(other));
        found.dedup();
        let mut roots = RootCertStore::empty();
        found.retain(|certificate| {
            let added = roots.add(certificate.clone());
            if let Err(error) = &added {
                let subject = Certificate::read(certificate).map(|read| read.subject()).unwrap_or_default();
                warnings.push(format!("the authority `{subject}` cannot be used: {error}"));
            }
            added.is_ok()
        });
        Ok(Authorities { certificates: found, roots: Arc::new(roots), crls })
    }

    /// What `read` finds in the files of a directory, each file once.
    fn directory<T>(
        &mut self,
        option: &Spanned<String>,
        read: fn(&[u8]) -> Result<Vec<T>, String>,
    ) -> Result<Vec<T>, Problem> {
        let failed = |error: std::io::Error| Problem::new(option, error.to_string());
        let mut paths = Vec::new();
        for entry in fs::read_dir(&option.value).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
            if paths.len() > MAX_FILES {
                return Err(Problem::new(option, format!("there are more than {MAX_FILES} files in it")));
            }
        }
        // In the order of their names, so that the same files have the same digest.
        paths.sort_unstable();
        let (mut seen, mut all) = (Vec::new(), Vec::new());
        for path in paths {
            // A link that leads nowhere is what is left of a file that was taken away.
            let Ok(found) = fs::metadata(&path) else { continue };
            let file = (found.dev(), found.ino());
            if !found.is_file() || seen.contains(&file) {
                continue;
            }
            seen.push(file);
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let of_file = self.bytes(&path).and_then(|bytes| read(&bytes));
            all.extend(of_file.map_err(|why| Problem::new(option, format!("`{name}`: {why}")))?);
        }
        Ok(all)
    }

    /// The authorities of the system.
    fn system(
        &mut self,
        options: &TlsOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<CertificateDer<'static>>, Problem> {
        let found = rustls_native_certs::load_native_certs();
        if found.certs.is_empty() {
            let why = found.errors.first().map_or_else(|| "it has none".to_owned(), ToString::to_string);
            return Err(Problem::of_block(
                options,
                format!("the system's authorities cannot be read: {why}"),
            ));
        }
        let unread = found.errors.iter();
        warnings
            .extend(unread.map(|error| format!("some of the system's authorities cannot be read: {error}")));
        for certificate in &found.certs {
            self.0.update(certificate);
        }
        Ok(found.certs)
    }
}

fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(bytes).collect::<Result<_, _>>().map_err(|error| broken(&error))
}

fn crls(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    // DER begins with a sequence, PEM with text.
    if bytes.first() == Some(&0x30) && !bytes.windows(10).any(|part| part == b"-----BEGIN") {
        return Ok(vec![CertificateRevocationListDer::from(bytes.to_vec())]);
    }
    CertificateRevocationListDer::pem_slice_iter(bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| broken(&error))
}

fn broken(error: &pem::Error) -> String {
    format!("it is broken: {error}")
}

const ENCRYPTED: &str = "the key is encrypted, which is not supported by this version of Inrush";
const DECRYPT: &str = "decrypt it: openssl pkey -in FILE -out NEW, and let nobody else read it";
const NO_KEY: &str = "there is no key in it (PEM)";
const BROKEN_KEY: &str = "the key in it is broken";

fn private_key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, &'static str> {
    // `BEGIN ENCRYPTED PRIVATE KEY`, or the older `Proc-Type: 4,ENCRYPTED`.
    if bytes.windows(9).any(|part| part == b"ENCRYPTED") {
        return Err(ENCRYPTED);
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => NO_KEY,
        _ => BROKEN_KEY,
    })
}
