//! Authorities and certificates of tests.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use tempfile::TempDir;

/// An authority, with its key.
pub(super) struct Authority {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

/// A certificate, with its key.
pub(super) struct Leaf {
    pub(super) certificate: Certificate,
    pub(super) key: KeyPair,
}

/// What a certificate is to be.
#[derive(Clone)]
pub(super) struct Wanted {
    /// Names of hosts and addresses.
    pub(super) names: &'static [&'static str],
    pub(super) common_name: &'static str,
    pub(super) organization: Option<&'static str>,
    pub(super) purposes: Vec<ExtendedKeyUsagePurpose>,
    /// The year, month and day at whose beginning it ends.
    pub(super) until: (i32, u8, u8),
    pub(super) serial: u8,
    pub(super) is_ca: bool,
}

/// A certificate for a server on this host.
pub(super) fn server() -> Wanted {
    Wanted {
        names: &["localhost", "127.0.0.1"],
        common_name: "localhost",
        organization: Some("Org"),
        purposes: vec![ExtendedKeyUsagePurpose::ServerAuth],
        until: (4000, 1, 1),
        serial: 1,
        is_ca: false,
    }
}

/// A certificate for a client.
pub(super) fn client() -> Wanted {
    Wanted {
        names: &[],
        common_name: "client1",
        purposes: vec![ExtendedKeyUsagePurpose::ClientAuth],
        ..server()
    }
}

impl Wanted {
    fn params(&self) -> CertificateParams {
        let names: Vec<String> = self.names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.remove(DnType::CommonName);
        if let Some(organization) = self.organization {
            params.distinguished_name.push(DnType::OrganizationName, organization);
        }
        params.distinguished_name.push(DnType::CommonName, self.common_name);
        params.extended_key_usages.clone_from(&self.purposes);
        let (year, month, day) = self.until;
        params.not_after = date_time_ymd(year, month, day);
        params.serial_number = Some(SerialNumber::from_slice(&[self.serial]));
        if self.is_ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    /// Signed by itself.
    pub(super) fn self_signed(&self) -> Leaf {
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: self.params().self_signed(&key).unwrap(), key }
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        Self { certificate: params.self_signed(&key).unwrap(), params, key }
    }

    /// One between this one and the certificates that it signs.
    pub(super) fn between(&self, name: &str) -> Self {
        let (params, key) = (authority(name), KeyPair::generate().unwrap());
        Self { certificate: params.signed_by(&key, &self.issuer()).unwrap(), params, key }
    }

    fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    pub(super) fn sign(&self, wanted: &Wanted) -> Leaf {
        let key = KeyPair::generate().unwrap();
        Leaf { certificate: wanted.params().signed_by(&key, &self.issuer()).unwrap(), key }
    }

    pub(super) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The list of the certificates with these serial numbers, good until this year.
    pub(super) fn revoke(&self, serials: &[u8], until: i32) -> (String, Vec<u8>) {
        let revoked = serials.iter().map(|serial| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&[*serial]),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from_slice(&[1]),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = params.signed_by(&self.issuer()).unwrap();
        (list.pem().unwrap(), list.der().to_vec())
    }
}

/// A directory with files of certificates.
pub(super) struct Store(TempDir);

impl Store {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, and gives its path as it stands in a configuration.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        quoted(&path)
    }

    /// Writes `leaf`, with the certificates between it and its authority: the options that name them.
    pub(super) fn own(&self, name: &str, leaf: &Leaf, between: &[&Authority]) -> String {
        use std::os::unix::fs::PermissionsExt;
        let chain: String =
            std::iter::once(leaf.certificate.pem()).chain(between.iter().map(|one| one.pem())).collect();
        let certificate = self.write(&format!("{name}.pem"), chain);
        let key = self.write(&format!("{name}.key"), leaf.key.serialize_pem());
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(self.path(&format!("{name}.key")), mode).unwrap();
        format!("cert-file({certificate}) key-file({key})")
    }
}

pub(super) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
