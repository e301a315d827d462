"""The anchor as files: what a party is handed when it joins, to be compared by hand with what others were handed."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pipeline.codec import framing
from pipeline.domain.errors import ConfigError, InvalidMessage
from pipeline.stages.anchor import Anchor

AUTHORITIES, ENTRY, HEAD, CRL = "authorities.pem", "center.entry", "log.head", "list.crl"


def write_anchor(folder: Path, anchor: Anchor) -> None:
    """Write the anchor's four files: PEM, framed Avro, COSE, DER. Nothing in them is secret."""
    folder.mkdir(parents=True, exist_ok=True)
    certificates = [x509.load_der_x509_certificate(der) for der in anchor.roots]
    (folder / AUTHORITIES).write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
    (folder / ENTRY).write_bytes(framing.encode("TrustEntry", anchor.center))
    (folder / HEAD).write_bytes(anchor.head)
    (folder / CRL).write_bytes(anchor.crl)


def read_anchor(folder: Path) -> Anchor:
    """The inverse; whether it holds is for its reader to verify. Raises ConfigError for what is missing or unreadable."""
    try:
        pem = (folder / AUTHORITIES).read_bytes()
        roots = [each.public_bytes(Encoding.DER) for each in x509.load_pem_x509_certificates(pem)]
        center = framing.decode_as("TrustEntry", (folder / ENTRY).read_bytes())
        return Anchor(roots, center, (folder / HEAD).read_bytes(), (folder / CRL).read_bytes())  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise ConfigError(
            f"{error.filename} is missing: set the installation up first, or put there what was handed over"
        ) from None
    except (ValueError, InvalidMessage) as error:
        raise ConfigError(f"{folder}: not an anchor ({type(error).__name__})") from None
