"""Servers that die, hang and come back: what a caller is told, and that nothing is lost in a pool in pairs."""

from __future__ import annotations

import threading
from typing import List

import pytest
from support import Memcached, WatchedPool, answer_of

import libmemcache
from libmemcache import Client


def test_unavailable_is_not_a_miss(hasty: Client, server: Memcached) -> None:
    client = hasty
    client.set("key", "value")
    server.kill()
    for call in (
        lambda: client.get("key"),
        lambda: client.gets("key"),
        lambda: client.gat("key", 5),
        lambda: client.get_many(["key", "other"]),
        lambda: client.set("key", "x"),
        lambda: client.delete("key"),
        lambda: client.delete_many(["key"]),
        lambda: client.incr("key"),
        lambda: client.touch("key", 5),
    ):
        with pytest.raises(libmemcache.Unavailable, match=server.address):
            call()
    with pytest.raises(libmemcache.Unavailable):
        client.flush_all()
    assert client.set_many({"key": "x", "other": "y"}) == ["key", "other"]
    assert server.start()
    # It came back empty: now it is a miss.
    assert answer_of(lambda: client.get("key")) is None


def test_misses_are_had_when_they_are_wanted(server: Memcached) -> None:
    client = Client([server.address], ignore_exc=True)
    server.kill()
    assert client.get("key", "default") == "default" and client.gets("key") == (None, None)
    assert client.get_many(["key"]) == {}
    with pytest.raises(libmemcache.MemcacheError):
        client.set("key", 1)


def test_a_server_that_hangs_is_a_timeout(server: Memcached) -> None:
    client = Client([server.address], timeout=0.1, connect_timeout=0.1)
    client.set("key", 1)
    server.stop()
    try:
        with pytest.raises(libmemcache.Unavailable):
            client.get("key")
    finally:
        server.go_on()


def test_the_others_go_on_while_one_waits(server: Memcached) -> None:
    """Only another thread can end this wait: it never would if the one that waits kept the interpreter."""
    client = Client([server.address], timeout=60, connect_timeout=60)
    client.set("key", "value")
    found: List[object] = []
    waits = threading.Thread(target=lambda: found.append(client.get("key")))
    server.stop()
    try:
        waits.start()
    finally:
        server.go_on()
    waits.join()
    assert found == ["value"]


def test_nothing_is_lost_in_pairs(servers: List[Memcached]) -> None:
    addresses = [server.address for server in servers]
    with Client(addresses, backups="pairs", timeout=30) as client:
        values = {f"key{n}": n for n in range(1000)}
        assert client.set_many(values) == []
        servers[0].kill()
        assert client.get_many(values) == values
        assert all(client.get(key) == value for key, value in values.items())
        changed = {key: value + 1 for key, value in values.items() if value % 4 == 0}
        assert client.set_many(changed) == []
        assert servers[0].start()
        assert client.get_many(values) == {**values, **changed}
        assert client.delete_many(list(changed)) is True
        assert client.get_many(changed) == {}


def test_a_server_dies_in_the_middle_of_threads_at_work(watched: WatchedPool) -> None:
    """Each thread counts by cas in keys of its own, through a kill, a return and a kill of the other of the pair."""
    client = Client(pool=watched.file)
    stop = threading.Event()
    wrong: List[object] = []
    rounds = [0] * 8

    def work(me: int) -> None:
        try:
            keys = [f"{me}:{n}" for n in range(10)]
            assert client.set_many(dict.fromkeys(keys, 0)) == []
            while not stop.is_set():
                for key in keys:
                    value = client.get(key)
                    assert value == rounds[me], f"{key} is {value}, not {rounds[me]}"
                    client.set(key, value + 1)
                rounds[me] += 1
                assert client.get_many(keys) == dict.fromkeys(keys, rounds[me])
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    try:
        for number in (1, 2):
            watched.servers[number - 1].kill()
            watched.wait_for(number, "down")
            assert watched.servers[number - 1].start()
            watched.wait_for(number, "steady")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert wrong == [] and min(rounds) > 0
