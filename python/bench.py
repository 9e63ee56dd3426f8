"""How long calls take, beside pylibmc, libmc and pymemcache: `make bench-python`.

One memcached of its own, one connection for each library, which take turns: each of many short rounds measures all of
them, so that what else the machine does meets all alike. How long the way to the server is depends on the processor that
it has: both cases are told, as left to itself the system changes from one to the other. Each waits for the answer to a set. A value is a str, which comes back as one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

import libmc
import pylibmc
import pymemcache
import pymemcache.serde

import libmemcache

sys.path.insert(0, str(Path(__file__).resolve().parent / "tests"))

from support import Memcached, end  # noqa: E402

Calls = Dict[str, Callable[[], object]]


def clients(address: str) -> List[Tuple[str, str, Any]]:
    """Names, versions, and clients with the names of pymemcache's methods."""
    host, port = address.split(":")
    tuned = {"tcp_nodelay": True}
    theirs = pymemcache.Client(
        (host, int(port)), serde=pymemcache.serde.pickle_serde, default_noreply=False, no_delay=True
    )
    return [
        ("libmemcache", "", libmemcache.Client([address], timeout=30, connect_timeout=30)),
        ("pylibmc", pylibmc.__version__, pylibmc.Client([address], behaviors=tuned)),
        ("libmc", libmc.__version__, libmc.Client([address])),
        ("pymemcache", pymemcache.__version__, theirs),
    ]


def calls_of(name: str, client: Any, value: str) -> Calls:
    """What is measured. Each library has keys of its own: not all read what another one wrote."""
    key = f"{name:11}".replace(" ", "-")
    keys = [f"{key}{number:03}" for number in range(100)]
    many = {key: value for key in keys}
    client.set(key, value)
    client.set_multi(many)
    assert client.get(key) == value and client.get_multi(keys) == many, f"{name} is not right"
    return {
        "get": lambda: client.get(key),
        "set": lambda: client.set(key, value),
        "get of 100 keys": lambda: client.get_multi(keys),
        "set of 100 keys": lambda: client.set_multi(many),
    }


def microseconds(call: Callable[[], object], count: int) -> float:
    began = time.perf_counter()
    for _ in range(count):
        call()
    return (time.perf_counter() - began) / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=150, help="of which the median is told")
    parser.add_argument("--calls", type=int, default=300, help="of each kind, in each round (of many keys: a tenth)")
    parser.add_argument("--size", type=int, default=200, help="letters of a value")
    chosen = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    for where, processor in {"the same processor": processors[0], "another processor": processors[-1]}.items():
        server = Memcached()
        try:
            os.sched_setaffinity(0, processors[:1])
            for task in os.listdir(f"/proc/{server.process.pid}/task"):
                os.sched_setaffinity(int(task), [processor])
            print(f"\nthe server on {where}; values of {chosen.size} letters\n")
            compare(server.address, chosen.rounds, chosen.calls, "x" * chosen.size)
        finally:
            os.sched_setaffinity(0, processors)
            end(server.process)


def compare(address: str, rounds: int, count: int, value: str) -> None:
    names = clients(address)
    calls = {name: calls_of(name, client, value) for name, _, client in names}
    kinds = list(calls["libmemcache"])
    times: Dict[Tuple[str, str], List[float]] = {}
    for turn in range(rounds):
        for kind in kinds:
            for place in range(len(names)):
                name = names[(turn + place) % len(names)][0]
                many = "100" in kind
                times.setdefault((name, kind), []).append(
                    microseconds(calls[name][kind], max(1, count // 10) if many else count)
                )
    print("| microseconds |" + "|".join(f" {kind} " for kind in kinds) + "|")
    print("|---|" + "--:|" * len(kinds))
    for name, version, _ in names:
        cells = (f" {statistics.median(times[name, kind]):.1f} " for kind in kinds)
        print(f"| {name} {version}".rstrip() + " |" + "|".join(cells) + "|")
    best = [min(statistics.median(times[name, kind]) for name, _, _ in names[1:]) for kind in kinds]
    ours = [statistics.median(times["libmemcache", kind]) for kind in kinds]
    print("| of the fastest other |" + "|".join(f" {a / b:.0%} " for a, b in zip(ours, best)) + "|")


if __name__ == "__main__":
    main()
