"""A certificate authority of the tests' own, made with the openssl command."""
from __future__ import annotations

import subprocess
from pathlib import Path


class Authority:
    """folder/NAME.pem is its certificate; `server` makes what a server shows."""

    def __init__(self, folder: Path, name: str = "ca"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.key, "-out", self.certificate,
                 "-days", "30", "-subj", f"/CN=bourn tests {name}")

    def server(self, name: str, hosts: list[str], expired: bool = False) -> Path:
        """A PEM file with private key, certificate and authority, for these host names and addresses."""
        key, request, certificate = (self.folder / f"{name}.{end}" for end in ("key", "csr", "crt"))
        extensions = self.folder / f"{name}.ext"
        kinds = ("IP" if host.replace(".", "").isdigit() else "DNS" for host in hosts)
        extensions.write_text("subjectAltName=" + ",".join(f"{kind}:{host}" for kind, host in zip(kinds, hosts)) + "\n")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request, "-subj", f"/CN={hosts[0]}")
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-out", certificate, "-days", -1 if expired else 30, "-extfile", extensions)
        pem = self.folder / f"{name}.pem"
        pem.write_bytes(key.read_bytes() + certificate.read_bytes() + self.certificate.read_bytes())
        return pem


def _openssl(*words) -> None:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(map(str, words))}:\n{done.stderr}")
