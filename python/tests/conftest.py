"""What the tests are given: servers that are gone after each test, however it ended."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, List

import pytest
from support import Memcached, WatchedPool, end

import libmemcache


@pytest.fixture(autouse=True)
def no_pool_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMCACHE_POOL", raising=False)


@pytest.fixture
def server() -> Iterator[Memcached]:
    one = Memcached()
    yield one
    end(one.process)


@pytest.fixture
def servers() -> Iterator[List[Memcached]]:
    """Four of them."""
    all_of_them: List[Memcached] = []
    try:
        all_of_them += (Memcached() for _ in range(4))
        yield all_of_them
    finally:
        for one in all_of_them:
            end(one.process)


@pytest.fixture
def client(server: Memcached) -> Iterator[libmemcache.Client]:
    # A machine under load is not to look like a server that hangs.
    with libmemcache.Client([server.address], timeout=30, connect_timeout=30) as one:
        yield one


@pytest.fixture
def hasty(server: Memcached) -> Iterator[libmemcache.Client]:
    """One that is not patient, and asks a server that failed again before long."""
    with libmemcache.Client([server.address]) as one:
        yield one


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[WatchedPool]:
    pool = WatchedPool(tmp_path, 4)
    yield pool
    pool.close()
