"""memcacheds and a memcache-watchd of the tests' own, on free ports of the loopback, and pool files for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Callable, List, Optional, Sequence, TypeVar

import libmemcache

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("PROGRAMS", ROOT / "target/programs"))

T = TypeVar("T")


def wait_until(what: str, there: Callable[[], T]) -> T:
    """The first answer of `there` that is true. It fails after a time that only a broken machine needs."""
    until = time.monotonic() + 60
    while True:
        answer = there()
        if answer:
            return answer
        if time.monotonic() > until:
            raise AssertionError(f"in vain waited for: {what}")
        time.sleep(0.01)


def answer_of(call: Callable[[], T]) -> T:
    """What it answers as soon as there is somebody to ask: a server that came back is not asked at every call."""

    def answer() -> List[T]:
        try:
            return [call()]
        except libmemcache.Unavailable:
            return []

    return wait_until("an answer", answer)[0]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def start(*command: str, log: Optional[Path] = None, env: Optional[dict[str, str]] = None) -> "subprocess.Popen[bytes]":
    """A process that ends with this one, however that ends."""
    out = subprocess.DEVNULL if log is None else log.open("ab")
    try:
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=out, stderr=out, env=env)
    finally:
        if log is not None:
            out.close()  # type: ignore[union-attr]


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kills it; it is gone then."""
    process.kill()
    process.wait()


class Memcached:
    """One server. It keeps its port when it is killed and started again."""

    def __init__(self) -> None:
        for _ in range(20):
            self.port = free_port()
            if self.start():
                return
        raise AssertionError("no memcached could be started")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> bool:
        """Starts it, empty. False: another process took its port."""
        user = ("-u", "nobody") if os.geteuid() == 0 else ()
        arguments = ("-l", "127.0.0.1", "-p", str(self.port), "-U", "0", "-t", "1", "-m", "64", *user)
        self.process = start("memcached", *arguments)
        return wait_until("memcached to listen or to end", self._answers_or_ended) == "answers"

    def _answers_or_ended(self) -> str:
        if self.process.poll() is not None:
            return "ended"
        try:
            return "answers" if self.tell("version").startswith("VERSION") else ""
        except OSError:
            return ""

    def tell(self, line: str) -> str:
        """What it answers to a line, by a connection of its own."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(line.encode() + b"\r\n")
            return connection.recv(65536).decode()

    def connections(self) -> int:
        """How many it has; one of them is that of this question."""
        return int(self.tell("stats").partition("STAT curr_connections ")[2].split()[0])

    def has_unread(self) -> bool:
        """Whether something was sent to it that it did not read yet."""
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return any(row[1].endswith(f":{self.port:04X}") and row[4].split(":")[1].strip("0") for row in rows if row[3] == "01")

    def kill(self) -> None:
        end(self.process)

    def stop(self) -> None:
        """It hangs: it takes connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        wait_until("the server to be stopped", lambda: stat.read_text().rpartition(")")[2].split()[0] == "T")

    def go_on(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)


def pool_file(folder: Path, servers: Sequence[Memcached], *lines: str) -> Path:
    """A pool of these servers, in pairs; `lines` are more of its section. It is patient: one that was killed refuses
    connections and is noticed at once, and a machine under load is not to look like a server that hangs."""
    text = ["[pool]", 'backup = "pairs"', 'connect_timeout = "10s"', 'timeout = "30s"', *lines]
    for number, server in enumerate(servers, 1):
        text += ["[[server]]", f'name = "s{number}"', f'address = "{server.address}"']
    path = folder / "pool.toml"
    path.write_text("\n".join(text) + "\n")
    return path


class WatchedPool:
    """Servers in pairs, with a table and a daemon that watches them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.servers: List[Memcached] = []
        self.watchd: "Optional[subprocess.Popen[bytes]]" = None
        try:
            self.servers += (Memcached() for _ in range(count))
            watch = ("[watch]", 'interval = "50ms"', 'sweep_share = "100%"')
            self.file = pool_file(folder, self.servers, f'table = "{folder}/table"', *watch)
            log = folder / "watchd.log"
            self.watchd = start(str(PROGRAMS / "memcache-watchd"), "--pool", str(self.file), log=log)
            wait_until("memcache-watchd to attend", lambda: self.ctl("status", "--json").count('"attended": true'))
        except BaseException:
            self.close()
            raise

    def ctl(self, *arguments: str) -> str:
        command = [str(PROGRAMS / "memcachectl"), "--pool", str(self.file), *arguments]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout

    def state(self, number: int) -> str:
        """The state of a server, counted from 1."""
        import json

        servers = json.loads(self.ctl("status", "--json"))["servers"]
        return str(servers[number - 1]["state"])

    def wait_for(self, number: int, state: str) -> None:
        wait_until(f"s{number} to be {state}", lambda: self.state(number) == state)

    def close(self) -> None:
        for process in [self.watchd, *(server.process for server in self.servers)]:
            if process is not None:
                end(process)
