"""Searching the memory of a running process for private keys, as a debugger would."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from pipeline.crypto import suite


def forms(key: ec.EllipticCurvePrivateKey, name: str) -> dict[str, bytes]:
    """Every form in which a private key might turn up: as bytes, as OpenSSL's limbs, in digits."""
    scalar = suite.scalar(key)
    return {
        f"{name} key": scalar,
        f"{name} key, little-endian": scalar[::-1],
        f"{name} key, hex": scalar.hex().encode(),
        f"{name} key, decimal": str(int.from_bytes(scalar, "big")).encode(),
    }


def memory_of(pid: int) -> bytes:
    """All that a process can write to: heap, stacks, what is mapped for itself alone."""
    dump = bytearray()
    maps = Path(f"/proc/{pid}/maps").read_text()
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps.splitlines():
            span, rights, *_ = line.split()
            start, end = (int(bound, 16) for bound in span.split("-"))
            if rights.startswith("rw") and "[v" not in line:
                memory.seek(start)
                while start < end and (chunk := memory.read(min(end - start, 1 << 20))):
                    dump += chunk
                    start += len(chunk)
    return bytes(dump)


def found_in(data: bytes, secrets: dict[str, bytes]) -> set[str]:
    """Names of the secrets that stand in `data`."""
    return {name for name, secret in secrets.items() if secret in data}
