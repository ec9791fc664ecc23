"""Which process of which machine does something in a run folder."""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """A process.

    Args:
        host: The name of its machine.
        pid: Its number there.
    """

    host: str
    pid: int

    @classmethod
    def this(cls) -> Process:
        """Return the process that asks."""
        # A host's name becomes part of names of files.
        host = re.sub(r"[^A-Za-z0-9._-]+", "_", socket.gethostname())
        return cls(host[:60] or "unknown", os.getpid())

    @classmethod
    def of_suffix(cls, name: str) -> Process | None:
        """Return the process that a file's name ends with; ``None`` if it ends with none."""
        found = re.search(r"@([A-Za-z0-9._-]+)@(\d{1,10})$", name.removesuffix(".json"), re.ASCII)
        return cls(found[1], int(found[2])) if found else None

    @classmethod
    def of_text(cls, text: str) -> Process | None:
        """Return the process that a text names; ``None`` if it names none."""
        found = re.fullmatch(r"process (\d{1,10}) on ([A-Za-z0-9._-]+)", text.strip(), re.ASCII)
        return cls(found[2], int(found[1])) if found else None

    @property
    def suffix(self) -> str:
        """What names of its files end with."""
        return f"@{self.host}@{self.pid}"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    @property
    def ended(self) -> bool | None:
        """Whether it has ended; ``None`` if it is of another machine."""
        if self.host != Process.this().host:
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):  # it is somebody else's
            return False
        return False

    def may_live(self, file: Path, seconds: float) -> bool:
        """Return whether it still runs, as far as can be seen from here.

        Args:
            file: What it works on.
            seconds: A process of another machine is taken to have ended when the file has not
                changed for this long.
        """
        ended = self.ended
        return quiet_for(file) < seconds if ended is None else not ended


def quiet_for(file: Path) -> float:
    """Return for how many seconds a file or folder has not changed; 0 where clocks disagree."""
    return max(0.0, time.time() - os.stat(file).st_mtime)
