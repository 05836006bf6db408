"""A real redis-server of a test's or a bench's own, which can be killed, paused and started again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.ports import free_port

#: The server, or Valkey's under its name; Debian: apt install redis-server.
SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
MISSING = "There is no redis-server (Debian: apt install redis-server)."
#: Seconds that a server may take to start or to end.
PATIENCE = 20.0


class RedisServer:
    """One server on loopback, whose data is in *folder*; written at once unless *options* say otherwise.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.port = free_port()
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What the store connects to."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> RedisServer:
        """Start it, with what it had written; return it once it answers."""
        assert SERVER, MISSING
        self._folder.mkdir(parents=True, exist_ok=True)
        words = [SERVER, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        words += ["--appendonly", "yes", "--appendfsync", "everysec", "--save", "", *self._options]
        self._process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        ends = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < ends, "redis-server does not answer"
            assert self._process.poll() is None, "redis-server has ended"
            time.sleep(0.01)
        return self

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._signal(signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """End it as an operator would."""
        if self._process and self._process.poll() is None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
            self._wait()

    def pause(self) -> None:
        """Let it answer nobody, as if it hung."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._process, "it was not started"
        os.kill(self._process.pid, number)

    def _wait(self) -> None:
        assert self._process, "it was not started"
        self._process.wait(PATIENCE)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as line:
                line.settimeout(1)
                line.sendall(b"PING\r\n")
                return line.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False
