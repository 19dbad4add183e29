"""TLS of the yard's Kubernetes API: a CA of its own, kept, and a leaf made anew."""

from __future__ import annotations

from pathlib import Path

from modelyard.yard.record import write_private

NAMES = ("127.0.0.1", "localhost")


def write_certificates(folder: Path, yard: str) -> None:
    """Write ca.pem, ca.key (both kept where they are), server.pem and server.key; all of mode 0600."""
    import trustme

    held, key = folder / "ca.pem", folder / "ca.key"
    if held.exists() and key.exists():
        authority = trustme.CA.from_pem(held.read_bytes(), key.read_bytes())
    else:
        authority = trustme.CA(organization_name="modelyard", organization_unit_name=f"yard {yard}")
        write_private(key, authority.private_key_pem.bytes().decode())
        write_private(held, authority.cert_pem.bytes().decode())
    leaf = authority.issue_cert(*NAMES, common_name="127.0.0.1")
    write_private(folder / "server.key", leaf.private_key_pem.bytes().decode())
    write_private(folder / "server.pem", "".join(part.bytes().decode() for part in leaf.cert_chain_pems))
