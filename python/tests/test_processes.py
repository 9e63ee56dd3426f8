"""Threads, forked children, and that nothing is left behind."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import traceback
import weakref
from typing import Callable, List

import pytest
from support import Memcached, wait_until

import libmemcache
from libmemcache import Client

#: Python since 3.12 warns of every fork of a process with threads. That is what is tried here.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")

CALLS = int(os.environ.get("LEAK_CALLS", "100000"))


def in_child(work: Callable[[], None]) -> int:
    """Forks; its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@forks
def test_a_child_shares_no_connection(client: Client, server: Memcached) -> None:
    client.set("parent", "p")

    def child() -> None:
        for n in range(500):
            client.set("child", n)
            assert client.get("child") == n and client.get("parent") == "p"
        assert in_child(lambda: client.close()) == 0
        assert client.get("parent") == "p"

    pid = os.fork()
    if pid == 0:
        os._exit(in_child(child))
    for n in range(500):
        client.set("parent2", n)
        assert client.get("parent2") == n and client.get("parent") == "p"
    assert os.waitpid(pid, 0)[1] == 0


@forks
def test_fork_while_other_threads_call(client: Client) -> None:
    stop = threading.Event()
    wrong: List[BaseException] = []

    def work(me: int) -> None:
        try:
            n = 0
            while not stop.is_set():
                client.set(f"t{me}", n)
                assert client.get(f"t{me}") == n
                n += 1
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):

            def child() -> None:
                client.set(f"c{number}", number)
                assert client.get(f"c{number}") == number

            assert in_child(child) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_threads_share_a_client(client: Client, server: Memcached) -> None:
    client.set("all", 0)
    before = server.connections()
    together = threading.Barrier(8)
    wrong: List[BaseException] = []

    def work(me: int) -> None:
        try:
            together.wait()
            for n in range(1000):
                client.set(f"t{me}", f"{me} {n}")
                assert client.get(f"t{me}") == f"{me} {n}"
                assert client.incr("all") is not None
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == [] and client.get("all") == 8000
    assert server.connections() <= before + 8
    client.close()
    wait_until("the connections to be closed", lambda: server.connections() == before - 1)


def test_closed_while_others_call(client: Client) -> None:
    client.set("key", "value")
    wrong: List[BaseException] = []

    def work() -> None:
        try:
            for _ in range(2000):
                assert client.get("key") == "value"
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        client.close()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_call_that_is_under_way_ends_its_own_connection(server: Memcached) -> None:
    before = server.connections()
    client = Client([server.address], timeout=60, connect_timeout=60)
    client.set("key", "value")
    found: List[object] = []
    waits = threading.Thread(target=lambda: found.append(client.get("key")))
    server.stop()
    try:
        waits.start()
        wait_until("the question to be sent", server.has_unread)
        client.close()
    finally:
        server.go_on()
    waits.join()
    assert found == ["value"]
    wait_until("its connection to be closed", lambda: server.connections() == before)


def test_a_client_in_a_cycle_is_collected(server: Memcached) -> None:
    class Hooks(libmemcache.PickleSerde):
        def serialize(self, key: "str | bytes", value: object) -> "tuple[bytes, int]":
            return super().serialize(key, (value, self.client and 1))

        client: object = None

    def make() -> "weakref.ref[Hooks]":
        hooks = Hooks()
        hooks.client = Client([server.address], serde=hooks)
        hooks.client.set("key", [])
        return weakref.ref(hooks)

    made = make()
    gc.collect()
    assert made() is None


def resident() -> int:
    """Of this process, in KiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def test_nothing_leaks(client: Client) -> None:
    """As many objects and about as much memory after LEAK_CALLS (100,000) calls as before."""
    keys = [f"key{n}" for n in range(10)]
    pickling = Client(next(iter(client.stats())), serde=libmemcache.PickleSerde(), timeout=30)

    def calls(count: int) -> None:
        for n in range(count // 20):
            client.set("a", "text" * (n % 500))
            client.get("a")
            client.get("nobody", default=n)
            client.gets("a")
            client.gat("a", 100)
            client.set("n", n)
            client.incr("n", 5)
            client.get("n")
            client.add("a", b"x")
            client.append("a", b"x")
            client.touch("a", 100)
            client.set_many(dict.fromkeys(keys, n))
            client.get_many(keys)
            client.gets_many(keys)
            client.delete_many(keys)
            client.delete("a")
            pickling.set("p", [n])
            pickling.get("p")
            for call in (lambda: client.get(""), lambda: client.set("k", 1.5), lambda: client.incr("p")):
                try:
                    call()
                except (libmemcache.MemcacheError, TypeError):
                    pass

    calls(5000)
    gc.collect()
    blocks, memory = sys.getallocatedblocks(), resident()
    calls(CALLS)
    gc.collect()
    # A leak of one object in each round is thousands of them, and of its memory megabytes.
    assert sys.getallocatedblocks() - blocks < CALLS // 200
    assert resident() - memory < 1024 + CALLS // 200


def test_it_can_be_imported_by_an_interpreter_that_warns_of_everything() -> None:
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", "import libmemcache, libmemcache.serde"]
    assert subprocess.run(command, capture_output=True, text=True).stderr == ""




def test_another_interpreter_of_the_process_has_its_own(server: Memcached) -> None:
    """As under mod_wsgi. Exceptions and types of one are not those of another."""
    interpreters = pytest.importorskip("_xxsubinterpreters")
    program = f"""
import libmemcache
client = libmemcache.Client(["{server.address}"], timeout=30, connect_timeout=30)
client.set("key", "value")
assert client.get("key") == "value"
try:
    client.get("")
except libmemcache.BadKey:
    client.set("key", "caught")
"""
    for _ in range(3):
        other = interpreters.create()
        interpreters.run_string(other, program)
        interpreters.destroy(other)
        client = Client([server.address], timeout=30)
        assert client.get("key") == "caught"
        client.delete("key")
