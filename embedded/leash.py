"""Become another program, which dies when the process that asked for it dies.

Run as a script, so that nothing of ours happens between ``fork`` and ``exec``:

    python -I -S leash.py PARENT DEATH_SIGNAL UID GID PROGRAM [ARGUMENT...]

A UID of -1 keeps the user.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(*arguments: str) -> None:
    """Drop to the user, tie this process to its parent, and exec the program."""
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    argv = arguments[4:]
    if uid != -1:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After setuid, which clears it. The kernel sends the signal when the *thread* that
        # started us ends, so children are started from a main thread only.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the process that asked for this one has gone")
    # Python ignores SIGPIPE, a background shell SIGINT, and an exec hands that down.
    for signum in (signal.SIGPIPE, signal.SIGINT):
        signal.signal(signum, signal.SIG_DFL)
    os.execv(argv[0], argv)  # noqa: S606 - there is no shell, and that is the point


if __name__ == "__main__":
    main(*sys.argv[1:])
