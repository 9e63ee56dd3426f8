"""Runs programs that nobody here wrote, unchanged, on somebody who speaks the memcached protocol.

    run.py --folder FOLDER [--proxy PROGRAM] [--address HOST:PORT] [--only TEXT]

First on a memcached: what fails there is the peer's fault, or this machine's. Then, when there is one,
through memcache-proxy on four memcacheds, without and with backups. With --address on that proxy alone.

Left out on a proxy: tests that speak memcached's binary protocol, which it does not; and of pymemcache's suite
test_misc, which sets a server's memory (cache_memlimit): a proxy refuses orders to one server. What else is in
that test, `stats cachedump 1 1`, is asked in tests/proxy.

FOLDER is what scripts/peers made: `venv` has pymemcache, pylibmc and pytest, `suites` their own tests. Those
tests that are not about the server are left out: they open ports of their own.
"""

import argparse
import os
import pathlib
import random
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
# A peer that takes longer hangs.
PATIENCE = 120.0
# So long a server may take to listen, in seconds.
START = 20.0


class Peer:
    """A program, and the words that it ends with when all is well."""

    def __init__(self, name, command, ends_with="", cwd=None, environment=None):
        self.name, self.command, self.ends_with = name, command, ends_with
        self.cwd, self.environment = cwd, environment or {}

    def run(self):
        """What went wrong, or nothing."""
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **self.environment)
        try:
            done = subprocess.run(
                self.command, cwd=self.cwd, env=environment, timeout=PATIENCE, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
            )
        except subprocess.TimeoutExpired as hung:
            return f"did not end in {PATIENCE} s\n{(hung.stdout or b'')[-2000:]}"
        if done.returncode != 0:
            return f"ended with {done.returncode}\n{done.stdout[-4000:]}"
        if self.ends_with not in done.stdout:
            return f"did not say `{self.ends_with}'\n{done.stdout[-4000:]}"
        return ""


# Tests of pylibmc's suite that speak the binary protocol.
BINARY = [
    "tests/test_client.py::ClientTests::" + name
    for name in ["test_get_with_default", "test_none_values", "test_utf8_encoding", "test_zerokey"]
] + [
    "tests/test_refcounts.py::RefcountTests::" + name
    for name in [
        "test_delete", "test_get_complex_type", "test_get_multi", "test_get_multi_bytes_and_unicode",
        "test_get_simple", "test_get_singleton", "test_get_with_default", "test_incr", "test_prefixes",
        "test_set_and_delete_multi",
    ]
]


def peers(folder, host, port, proxy):
    """All of them; those that run through a proxy, or those on a memcached."""
    left_out = [word for name in BINARY if proxy for word in ["--deselect", name]]
    address = f"{host}:{port}"
    server = ["-s", address]
    python = str(folder / "venv/bin/python")
    suite = lambda name: next((folder / "suites").glob(f"{name}-*"))
    pytest = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    load = ["memcaslap", *server, "-T", "2", "-X", "100", "-v", "1"]
    return [
        Peer("memcapable -a", ["memccapable", "-h", host, "-p", port, "-a", "-t", "10"], "All tests passed"),
        Peer("libmemcached's tools", ["sh", "-eu", str(HERE / "tools.sh"), address], "tools: all is well"),
        Peer("php-memcached", ["php", str(HERE / "basic.php"), host, port], ", 0 wrong"),
        Peer("python3-memcache", ["/usr/bin/python3", str(HERE / "basic_memcache.py"), address], ", 0 wrong"),
        Peer(
            "pymemcache's suite",
            [*pytest, "-o", "addopts=", "pymemcache/test/test_integration.py", "--server", host, "--port", port,
             "-k", "not tls and not test_misc" if proxy else "not tls"],
            " passed", cwd=suite("pymemcache"),
        ),
        Peer(
            "pylibmc's suite", [*pytest, "tests", "--ignore", "tests/test_autoconf.py", *left_out], " passed",
            cwd=suite("pylibmc"), environment={"MEMCACHED_HOST": host, "MEMCACHED_PORT": port},
        ),
        Peer("memcaslap, 32 clients", [*load, "-c", "32", "-x", "40000"], "verify_failed: 0"),
        Peer("memcaslap, multiget of 20", [*load, "-c", "16", "-d", "20", "-x", "20000"], "verify_failed: 0"),
        Peer("memcslap get", ["memcslap", *server, "-c", "8", "-e", "2000", "-t", "get"], "Time total"),
        Peer("memcslap mget", ["memcslap", *server, "-c", "8", "-e", "2000", "-t", "mget"], "Time total"),
        Peer("memcslap set", ["memcslap", *server, "-c", "8", "-e", "2000", "-t", "set"], "Time total"),
    ]


class Servers:
    """Processes of one's own, killed at the end."""

    def __init__(self):
        self.children = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for child in reversed(self.children):
            child.terminate()
            try:
                child.wait(START)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def start(self, command, port):
        """Starts a program that will listen on the port of 127.0.0.1; whether it does."""
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        self.children.append(child)
        deadline = time.monotonic() + START
        while time.monotonic() < deadline and child.poll() is None:
            if answers(port):
                return True
            time.sleep(0.02)
        return False

    def memcached(self):
        """The port of one more."""
        user = ["-u", "root"] if os.geteuid() == 0 else []
        for _ in range(20):
            port = free_port()
            command = ["memcached", "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-m", "64", "-t", "1", "-c", "1024"]
            if self.start([*command, *user], port):
                return port
        raise SystemExit("run.py: cannot start a memcached")

    def proxy(self, program, scratch, backup):
        """The port of a memcache-proxy on four memcacheds."""
        servers = "".join(f'[[server]]\naddress = "127.0.0.1:{self.memcached()}"\n' for _ in range(4))
        port = free_port()
        pool = scratch / f"pool-{backup}.toml"
        # A busy machine stops a healthy server for longer than timeouts for production allow.
        pool.write_text(
            f'[pool]\nname = "peers-{backup}"\nbackup = "{backup}"\nconnect_timeout = "5s"\ntimeout = "20s"\n'
            f'{servers}[proxy]\nlisten = ["127.0.0.1:{port}"]\n'
        )
        if not self.start([program, "--pool", str(pool), "--foreground"], port):
            raise SystemExit(f"run.py: {program} does not listen")
        return port


def free_port():
    """A port of 127.0.0.1 that nobody listens on, below those of outgoing connections."""
    while True:
        port = random.randrange(10000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def answers(port):
    """Whether somebody speaks the protocol there."""
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as stream:
            stream.settimeout(1)
            stream.sendall(b"version\r\n")
            return stream.recv(64).startswith(b"VERSION ")
    except OSError:
        return False


def play(folder, subject, address, only, proxy):
    """Runs all on one subject: how many passed, and how many failed."""
    host, port = address.rsplit(":", 1)
    passed = failed = 0
    for peer in peers(folder, host, port, proxy):
        if only and only not in peer.name:
            continue
        began = time.monotonic()
        fault = peer.run()
        print(f"{subject:<24}{peer.name:<28}{'FAILED' if fault else 'ok':<8}{time.monotonic() - began:5.1f} s", flush=True)
        if fault:
            print("    " + fault.replace("\n", "\n    "), flush=True)
        passed, failed = passed + (not fault), failed + bool(fault)
    return passed, failed


def main():
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--folder", type=pathlib.Path, required=True)
    words.add_argument("--proxy", help="the program memcache-proxy")
    words.add_argument("--address", help="of somebody who listens already")
    words.add_argument("--only", help="peers with that in their names")
    asked = words.parse_args()
    folder = asked.folder.resolve()
    results = []
    with Servers() as servers, tempfile.TemporaryDirectory() as scratch:
        if asked.address:
            results.append(play(folder, asked.address, asked.address, asked.only, True))
        else:
            results.append(play(folder, "memcached", f"127.0.0.1:{servers.memcached()}", asked.only, False))
        for backup in ["none", "pairs"] if asked.proxy else []:
            port = servers.proxy(asked.proxy, pathlib.Path(scratch), backup)
            name = "memcache-proxy" + (", backups" if backup == "pairs" else "")
            results.append(play(folder, name, f"127.0.0.1:{port}", asked.only, True))
    passed, failed = (sum(column) for column in zip(*results))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
