"""`hedx …` as its units have it: no memory both writable and executable (MemoryDenyWriteExecute), no new rights, closed umask."""

from __future__ import annotations

import ctypes
import os
import platform

from pipeline.cli.main import main

PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65
KERNEL_WITH_MDWE = (6, 3)


def shut_in() -> None:
    """Take from this process, and from all that it starts, what the units take. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    kernel = tuple(map(int, platform.release().split("-")[0].split(".")[:2]))
    for option in (PR_SET_NO_NEW_PRIVS, *([PR_SET_MDWE] if kernel >= KERNEL_WITH_MDWE else [])):
        if libc.prctl(option, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), f"prctl {option}")
    os.umask(0o077)


if __name__ == "__main__":
    shut_in()
    main()
