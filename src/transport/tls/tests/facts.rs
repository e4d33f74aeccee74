//! Certificates as this room reads them.

use proptest::prelude::*;
use rcgen::{CertificateParams, DnType, DnValue, ExtendedKeyUsagePurpose, KeyPair, date_time_ymd};
use rustls::pki_types::UnixTime;

use super::authority::{client, server};
use super::*;
use crate::transport::tls::certificate::Certificate;

fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    change(&mut params);
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

/// Without it: a value in a certificate looks like two, and passes for somebody else's.
#[test]
fn subjects_are_written_so_that_nothing_can_be_forged() {
    let subject = |pairs: &[(DnType, &str)]| {
        let der = made(|params| {
            for (kind, value) in pairs {
                params.distinguished_name.push(kind.clone(), *value);
            }
        });
        Certificate::read(&der).unwrap().subject()
    };
    let (org, unit, name) = (DnType::OrganizationName, DnType::OrganizationalUnitName, DnType::CommonName);
    let all = [(org.clone(), "Org"), (unit, "Unit"), (name.clone(), "client1")];
    assert_eq!(subject(&all), "CN=client1, OU=Unit, O=Org");
    for (value, expected) in [
        ("a, O=Org", "CN=a\\2C O=Org"),
        (" both ", "CN=\\20both\\20"),
        ("#hash", "CN=\\23hash"),
        ("a+b\"c\\<>;", "CN=a\\2Bb\\22c\\5C\\3C\\3E\\3B"),
        ("line\nbreak", "CN=line\\0Abreak"),
        ("Zürich", "CN=Zürich"),
    ] {
        assert_eq!(subject(&[(name.clone(), value)]), expected);
    }
    assert_eq!(subject(&[]), "");
    let custom = DnType::CustomDnType(vec![1, 3, 6, 1, 4, 1, 99999, 5]);
    assert_eq!(subject(&[(custom, "x")]), "1.3.6.1.4.1.99999.5=x");
    assert_eq!(subject(&[(DnType::CountryName, "HU"), (DnType::StateOrProvinceName, "B")]), "ST=B, C=HU");
}

/// Without it: texts that are not UTF-8 in a certificate come out as noise.
#[test]
fn values_have_their_encodings() {
    let der = made(|params| {
        let name = &mut params.distinguished_name;
        name.push(DnType::OrganizationName, DnValue::BmpString("Žižkov".try_into().unwrap()));
        name.push(DnType::OrganizationalUnitName, DnValue::PrintableString("Unit".try_into().unwrap()));
        name.push(DnType::CommonName, DnValue::UniversalString("ű".try_into().unwrap()));
    });
    let facts = Certificate::read(&der).unwrap().facts();
    let of = |text: &str| Some(text.to_owned());
    let expected =
        PeerFacts {
            common_name: of("ű"), organization: of("Žižkov"), unit: of("Unit"), fingerprint: None
        };
    assert_eq!(facts, expected);
}

/// Without it: a certificate is good at another time than it says, or for another purpose.
#[test]
fn times_purposes_and_names_are_read() {
    let der = made(|params| {
        params.not_before = date_time_ymd(1999, 12, 31);
        params.not_after = date_time_ymd(2050, 1, 1);
    });
    let read = Certificate::read(&der).unwrap();
    assert_eq!((read.not_before, read.not_after), (946_598_400, 2_524_608_000));
    let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
    assert!(read.is_begun(at(946_598_400)) && !read.is_begun(at(946_598_399)));
    assert!(!read.has_ended(at(2_524_608_000)) && read.has_ended(at(2_524_608_001)));
    assert!(read.is_for(true) && read.is_for(false) && !read.names_hosts);
    let (server, client) = (server().self_signed(), client().self_signed());
    let (server, client) = (
        Certificate::read(server.certificate.der()).unwrap(),
        Certificate::read(client.certificate.der()).unwrap(),
    );
    assert!(server.is_for(true) && !server.is_for(false) && server.names_hosts);
    assert!(!client.is_for(true) && client.is_for(false) && !client.names_hosts);
    let both = made(|params| {
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
    });
    assert!(Certificate::read(&both).unwrap().is_for(true));
}

/// Without it: a certificate that ends too early is read as a whole one.
#[test]
fn a_part_of_a_certificate_is_none() {
    let leaf = server().self_signed();
    let der = leaf.certificate.der();
    for len in 0..der.len() {
        assert!(Certificate::read(&der[..len]).is_none(), "{len} of {}", der.len());
    }
    assert!(Certificate::read(der).is_some());
}

proptest! {
    /// Without it: a peer that nobody trusts yet ends a thread with a certificate that is none.
    #[test]
    fn no_bytes_are_too_strange(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), noise in any::<Vec<u8>>()) {
        thread_local! {
            static GOOD: Vec<u8> = server().self_signed().certificate.der().to_vec();
        }
        let mut der = GOOD.with(Clone::clone);
        for (at, byte) in &changes {
            let at = at.index(der.len());
            der[at] = *byte;
        }
        for bytes in [&der, &noise] {
            if let Some(read) = Certificate::read(bytes) {
                let _ = (read.subject(), read.facts(), read.is_for(true));
            }
        }
    }
}
