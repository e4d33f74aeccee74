"""Certificates of tests, made by openssl in a temporary directory."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NEEDS_OPENSSL = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Authority:
    """An authority, and the certificates that it signs."""

    def __init__(self, directory: Path, name: str = "ca") -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.file = directory / f"{name}.pem"
        self.key = directory / f"{name}.key"
        files = ("-keyout", str(self.key), "-out", str(self.file))
        # Python 3.13 wants what RFC 5280 does of an authority.
        usage = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._run("req", "-x509", *CURVE, *files, "-subj", f"/CN=Test {name}", "-days", "30", *usage)

    def _run(self, *arguments: str) -> None:
        subprocess.run(("openssl", *arguments), check=True, capture_output=True, timeout=60)

    def sign(
        self,
        name: str,
        purpose: str,
        subject: str = "/O=Org/CN=localhost",
        names: str = "DNS:localhost,IP:127.0.0.1",
    ) -> Certificate:
        """A certificate for this host, of a server (`serverAuth`) or a client (`clientAuth`)."""
        certificate = Certificate(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName={names}\nextendedKeyUsage={purpose}\nbasicConstraints=CA:FALSE\n"
            "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        )
        self._run("req", *CURVE, "-keyout", str(certificate.key), "-out", str(request), "-subj", subject)
        self._run(
            *("x509", "-req", "-in", str(request), "-CA", str(self.file), "-CAkey", str(self.key)),
            *("-CAcreateserial", "-out", str(certificate.file), "-days", "30"),
            *("-extfile", str(extensions)),
        )
        certificate.key.chmod(0o600)
        return certificate


class Certificate:
    """The files of a certificate and of its key."""

    def __init__(self, file: Path, key: Path) -> None:
        self.file = file
        self.key = key

    def options(self) -> str:
        """The options of `tls()` that name them."""
        return f'cert-file("{self.file}") key-file("{self.key}")'
