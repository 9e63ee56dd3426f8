"""Every call, against one server that is well."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path
from typing import Any, List

import pymemcache
import pymemcache.serde
import pytest
from support import Memcached, pool_file

import libmemcache
from libmemcache import Client, serde


VALUES = ["", "text", "ünï \0 code", b"", b"bytes\0\r\n", 0, 5, -7, 2**64, -(10**40), "x" * 900_000, b"\0" * 70_000]


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_a_value_comes_back_as_what_it_was(client: Client, value: object) -> None:
    assert client.set("key", value) is True
    assert client.get("key") == value and type(client.get("key")) is type(value)
    assert client.get_many(["key"]) == {"key": value}
    assert client.gat("key", 100) == value


def test_keys_may_be_str_or_bytes_of_any_kind(client: Client) -> None:
    keys: List[Any] = ["plain", "ключ", "with space", b"\x00\xff\r\n", "k" * 250]
    for key in keys:
        assert client.set(key, key) and client.get(key) == key
        assert client.get_many([key, "nobody"]) == {key: key}
    assert client.get("ключ".encode()) == "ключ"


def test_a_miss_is_the_default(client: Client) -> None:
    assert client.get("nobody") is None
    assert client.get("nobody", 5) == 5 and client.get("nobody", default="d") == "d"
    assert client.gets("nobody") == (None, None)
    assert client.gets("nobody", 1, cas_default=2) == (1, 2)
    assert client.gat("nobody", 9, "d") == "d"
    assert client.get_many(["nobody"]) == {} and client.gets_many([]) == {}


def test_conditions(client: Client) -> None:
    assert client.replace("key", "a") is False
    assert client.append("key", "a") is False and client.prepend("key", "a") is False
    assert client.add("key", "a") is True and client.add("key", "b") is False
    assert client.replace("key", "m") is True
    assert client.append("key", "z") is True and client.prepend("key", "a") is True
    assert client.get("key") == "amz"


def test_cas(client: Client) -> None:
    client.set("key", "old")
    value, token = client.gets("key")
    assert value == "old" and client.cas("key", "new", token) is True
    assert client.cas("key", "newer", token) is False and client.get("key") == "new"
    ((value, token),) = client.gets_many(["key", "nobody"]).values()
    assert client.cas(key="key", value="last", cas=token, expire=60) is True
    _, token = client.gets("key")
    client.delete("key")
    assert client.cas("key", "x", token) is None


def test_counters(client: Client) -> None:
    assert client.incr("n") is None and client.decr("n", 3) is None
    client.set("n", 100)
    assert client.incr("n") == 101 and client.incr("n", 2**64 - 200) == 2**64 - 99
    client.set("n", 100)
    assert client.decr("n") == 99
    assert client.get("n") == 99  # memcached stores "99 "
    assert client.decr("n", value=500) == 0
    client.set("word", "abc")
    with pytest.raises(libmemcache.Refused):
        client.incr("word")
    with pytest.raises(OverflowError):
        client.incr("n", -1)


def test_expiry_and_touch(client: Client, server: Memcached) -> None:
    assert client.set("key", "v", expire=100) and client.touch("key", 200) is True
    assert 100 < int(server.tell("mg key t").split()[1][1:]) <= 200
    assert client.gat("key", 400) == "v" and 200 < int(server.tell("mg key t").split()[1][1:]) <= 400
    assert client.touch("nobody", 5) is False
    assert client.set("key", "v", -1) and client.get("key") is None
    assert client.set_many({"a": 1}, 300) == [] and 200 < int(server.tell("mg a t").split()[1][1:]) <= 300


def test_many(client: Client) -> None:
    values = {f"key{n}": n for n in range(2500)}
    assert client.set_many(values) == []
    assert client.get_many(values) == values == client.get_multi(list(values))
    assert client.get_many(iter(["key1", "key1", "no"])) == {"key1": 1}
    assert client.delete_many(["key1", "no"]) is True and client.get("key1") is None
    assert client.set_multi({}) == [] and client.delete_multi([]) is True


def test_one_that_is_refused_among_many(client: Client) -> None:
    assert client.set_many({"a": "1", "large": b"x" * 2_000_000, "b": "2"}) == ["large"]
    assert client.get_many(["a", "large", "b"]) == {"a": "1", "b": "2"}


def test_delete_and_flush(client: Client) -> None:
    client.set("key", 1)
    assert client.delete("key") is True and client.delete("key") is False
    client.set("key", 1)
    assert client.flush_all() is True and client.get("key") is None


def test_what_servers_say(client: Client, server: Memcached) -> None:
    client.set("key", 1)
    ((address, stats),) = client.stats().items()
    assert address == server.address and stats is not None
    assert stats["curr_items"] == 1 and stats["pid"] == server.process.pid
    assert client.version() == {server.address: stats["version"]}
    server.kill()
    assert client.stats() == {server.address: None} == client.version()


def test_noreply_and_flags_are_taken(client: Client) -> None:
    assert client.set("key", b"1", 0, True) is True
    assert client.set("key", b"1", flags=serde.FLAG_INTEGER) and client.get("key") == 1
    assert client.delete("key", noreply=True) is True
    with pytest.raises(OverflowError):
        client.set("key", b"1", flags=2**32)


def test_mistakes_are_told(client: Client) -> None:
    for call in (
        lambda: client.get(),  # type: ignore[call-arg]
        lambda: client.get("k", 1, 2),  # type: ignore[call-arg]
        lambda: client.get("k", key="k"),  # type: ignore[misc]
        lambda: client.get("k", other=1),  # type: ignore[call-arg]
        lambda: client.get(5),  # type: ignore[arg-type]
        lambda: client.set("k", 1.5),
        lambda: client.set("k", True),
        lambda: client.set("k", "v", "soon"),  # type: ignore[arg-type]
        lambda: client.get_many([5]),  # type: ignore[type-var]
        lambda: client.set_many({"k": None}),
    ):
        with pytest.raises(TypeError):
            call()
    bad: List[Any] = ["", "k" * 251, b"\0" * 200]
    for key in bad:
        with pytest.raises(libmemcache.BadKey):
            client.set(key, 1)
        with pytest.raises(ValueError):
            client.get_many(["fine", key])
        with pytest.raises(libmemcache.BadKey):
            client.set_many({key: 1})
    with pytest.raises(UnicodeEncodeError):
        client.get("\ud800")
    with pytest.raises(libmemcache.Refused, match="too large"):
        client.set("k", b"x" * 2_000_000)


def test_options(server: Memcached, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong: List[Any] = [{"servers": ["a"], "pool": "b"}, {}, {"servers": []}]
    for arguments in wrong:
        with pytest.raises(TypeError):
            Client(**arguments)
    with pytest.raises(libmemcache.BadOption, match="backups"):
        Client([server.address], backups="threes")
    with pytest.raises(libmemcache.BadOption):
        Client([server.address], options={"colour": "blue"})
    with pytest.raises(libmemcache.NoServers, match="no-such-host.invalid"):
        Client(["no-such-host.invalid:11211"])
    with pytest.raises(libmemcache.BadFile, match="nowhere"):
        Client(pool=tmp_path / "nowhere.toml")
    file = pool_file(tmp_path, [server])
    with Client(pool=file) as client:
        assert client.set("key", "by the file")
    with pytest.raises(libmemcache.BadOption):
        Client(pool=str(file), backups="none")
    # The operator's file is for every program, also for one that names other servers.
    monkeypatch.setenv("MEMCACHE_POOL", str(file))
    for client in (Client(), Client(["127.0.0.1:1"], backups="none")):
        assert client.get("key") == "by the file"
    theirs = {"backups": "none", "read_backup": "always", "window": "1h", "max_ttl": "2h"}
    assert Client([server.address], options=theirs).get("key") == "by the file"
    with pytest.raises(libmemcache.BadOption):
        Client([server.address], options={**theirs, "colour": "blue"})
    monkeypatch.setenv("MEMCACHE_POOL", str(tmp_path / "nowhere.toml"))
    with pytest.raises(libmemcache.BadFile):
        Client([server.address])


def test_a_closed_client_opens_again(server: Memcached) -> None:
    with Client(server.address, timeout=30) as client:
        client.set("key", 1)
    assert client.get("key") == 1
    client.close()
    client.close()


def test_pymemcache_reads_what_we_write_and_we_what_it_writes(server: Memcached) -> None:
    host, port = server.address.split(":")
    values = {"bytes": b"b", "text": "tä", "number": 77, "list": [1, "a"], "long": "long " * 500}
    for theirs_serde, ours_serde in (
        (pymemcache.serde.pickle_serde, libmemcache.PickleSerde()),
        (pymemcache.serde.compressed_serde, libmemcache.CompressedSerde()),
        (pymemcache.serde.pickle_serde, pymemcache.serde.pickle_serde),
    ):
        theirs = pymemcache.Client((host, int(port)), serde=theirs_serde, default_noreply=False)
        ours = Client([server.address], serde=ours_serde, timeout=30)
        for name, value in values.items():
            theirs.set(name, value)
            assert ours.get(name) == value and type(ours.get(name)) is type(value)
            ours.set(name, value)
            assert theirs.get(name) == value and type(theirs.get(name)) is type(value)
        assert ours.get_many(values) == values
        theirs.close()


def test_nothing_is_unpickled_unless_wanted(client: Client, server: Memcached) -> None:
    pickling = Client([server.address], serde=libmemcache.PickleSerde(), timeout=30)
    pickling.set("key", {"a": 1})
    with pytest.raises(libmemcache.BadValue, match="flags 1"):
        client.get("key")
    with pytest.raises(libmemcache.BadValue):
        client.get_many(["key"])
    client.set("key", pickle.dumps(1), flags=512)
    with pytest.raises(ValueError, match="flags 512"):
        pickling.get("key")


def test_hooks_see_every_value_and_may_fail(server: Memcached) -> None:
    class Hooks:
        def serialize(self, key: serde.Key, value: object) -> tuple[str, int]:
            return f"{key!r} {value!r}", 1 << 31

        def deserialize(self, key: serde.Key, value: bytes, flags: int) -> object:
            if value.endswith(b"'bad'"):
                raise ZeroDivisionError
            return key, value, flags

    client = Client([server.address], serde=Hooks(), timeout=30)
    client.set("k", 1)
    assert client.get("k") == ("k", b"'k' 1", 1 << 31)
    client.set("k", "bad")
    for call in (lambda: client.get("k"), lambda: client.gets("k"), lambda: client.get_many(["k"])):
        with pytest.raises(ZeroDivisionError):
            call()

    class Wrong(Hooks):
        def serialize(self, key: serde.Key, value: object) -> tuple[str, int]:
            return value  # type: ignore[return-value]

    client = Client([server.address], serde=Wrong(), timeout=30)
    for answer in (None, 1, (b"", "x"), (1, 1), (None, 1), (b"",), [b"", 1], (b"", 1, 1)):
        with pytest.raises(TypeError):
            client.set("k", answer)
        with pytest.raises(TypeError):
            client.set_many({"good": ("v", 0), "k": answer})
    for flags in (-1, 2**32, 2**70):
        with pytest.raises(OverflowError):
            client.set("k", (b"", flags))


def test_every_method_has_a_signature_and_a_text() -> None:
    for name in dir(Client):
        if not name.startswith("_"):
            method = getattr(Client, name)
            assert inspect.signature(method) and inspect.getdoc(method)
