"""`python -m pipeline.signer <identity folder> --fd N`: the signer that a worker starts for itself.

It serves the one socket it was given and ends when the worker closes it, or ends. Interrupts and the supervisor's
SIGTERM it leaves to the worker, which may still have something to be signed.
"""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

from pipeline.signer import hardening


def main(arguments: list[str]) -> int:
    """Serve until the socket is closed. Returns the exit code."""
    match arguments:
        case [folder, "--fd", number] if number.isdecimal():
            pass
        case _:
            sys.stderr.write("usage: python -m pipeline.signer FOLDER --fd N\n")
            return 64
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    hardening.end_with_parent()
    locked = hardening.harden()
    # only now what reads keys
    from pipeline import logs
    from pipeline.domain.errors import ConfigError
    from pipeline.signer.process import open_server

    try:
        logs.configure("signer", structured=False)
        server = open_server(Path(folder), locked=locked)
    except ConfigError as error:
        sys.stderr.write(f"signer: {error}\n")
        return 1
    server.serve(socket.socket(fileno=int(number)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
