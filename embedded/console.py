"""What the person at the terminal sees: each line with the name of who says it."""

import contextlib
import sys
import threading
from typing import IO

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
WIDTH = 16
DRAIN_SECONDS = 1.0


class Console:
    """One terminal, shared by all parts of the system."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._colours: dict[str, int] = {}
        self._readers: list[threading.Thread] = []
        self._in_colour = sys.stdout.isatty()

    def say(self, text: str) -> None:
        """Print a text of the runner's own."""
        self._write(f"{text}\n")

    def follow(self, name: str, output: IO[bytes]) -> None:
        """Print everything from a process's output until it ends, without waiting for it."""
        reader = threading.Thread(target=self._print_lines, args=(name, output), daemon=True)
        reader.start()
        self._readers.append(reader)

    def drain(self) -> None:
        """Wait for the last words of the processes that have ended."""
        for reader in self._readers:
            reader.join(DRAIN_SECONDS)

    def _print_lines(self, name: str, output: IO[bytes]) -> None:
        prefix = self._prefix(name)
        with output:
            for line in output:
                self._write(f"{prefix} {line.decode(errors='replace').rstrip()}\n")

    def _prefix(self, name: str) -> str:
        with self._lock:
            colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        label = f"{name:<{WIDTH}} |"
        return f"\033[{colour}m{label}\033[0m" if self._in_colour else label

    def _write(self, text: str) -> None:
        # A terminal that has gone must not stop us from reading: the process would block.
        with self._lock, contextlib.suppress(OSError, ValueError):
            sys.stdout.write(text)
            sys.stdout.flush()
