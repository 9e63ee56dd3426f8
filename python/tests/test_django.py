"""The real Django on our backend: its cache, and sessions under load while servers die and come back."""

from __future__ import annotations

import asyncio
import http.client
import os
import sys
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional

import django
import pytest
from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.base import InvalidCacheKey
from django.test.utils import override_settings
from support import ROOT, Memcached, WatchedPool, answer_of, end, free_port, pool_file, start, wait_until

import libmemcache
from libmemcache.django import client_for

SESSIONS = int(os.environ.get("DJANGO_SESSIONS", "16"))
#: Of each session, before and after every change.
REQUESTS = int(os.environ.get("DJANGO_REQUESTS", "20"))

if not settings.configured:
    settings.configure(SECRET_KEY="of a test", SESSION_ENGINE="libmemcache.django")
    django.setup()


def configured(**conf: Any) -> Any:
    return override_settings(CACHES={"default": {"BACKEND": "libmemcache.django.Cache", **conf}})


@pytest.fixture
def cache(server: Memcached) -> Iterator[Any]:
    with configured(LOCATION=server.address, OPTIONS={"timeout": 30.0, "connect_timeout": 30.0}):
        yield caches["default"]


def test_a_client_is_that_of_its_file(
    servers: List[Memcached], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, of in enumerate(servers[:2]):
        place = tmp_path / str(number)
        place.mkdir()
        monkeypatch.chdir(place)
        monkeypatch.delenv("MEMCACHE_POOL", raising=False)
        file = pool_file(place, [of])
        assert list(client_for([], {"pool": file.name}).stats()) == [of.address]
        monkeypatch.setenv("MEMCACHE_POOL", str(file))
        assert list(client_for(["127.0.0.1:1"], {}).stats()) == [of.address]


def test_the_cache_api(cache: Any) -> None:
    assert cache.get("key") is None and cache.get("key", "d") == "d"
    cache.set("key", {"a": [1, 2]}, 60)
    assert cache.get("key") == {"a": [1, 2]} and "key" in cache
    assert cache.add("key", 1) is False and cache.add("new", None) is True
    assert cache.get("new", "d") is None
    assert cache.get_or_set("made", lambda: 5) == 5 == cache.get("made")
    assert cache.incr("made") == 6 and cache.decr("made", 2) == 4 and cache.incr("made", -1) == 3
    with pytest.raises(ValueError):
        cache.incr("nobody")
    assert cache.set_many({"a": 1, "b": b"2", "c": "3"}) == []
    assert cache.get_many(["a", "b", "c", "d"]) == {"a": 1, "b": b"2", "c": "3"}
    cache.delete_many(["a", "b"])
    assert cache.get_many(["a", "b", "c"]) == {"c": "3"}
    assert cache.touch("c", 100) is True and cache.touch("nobody") is False
    assert cache.delete("c") is True and cache.delete("c") is False
    cache.set("c", 1, version=2)
    assert cache.get("c") is None and cache.get("c", version=2) == 1
    assert cache.incr_version("c", version=2) == 3
    for timeout in (0, -1):
        cache.set("gone", 1, timeout)
        assert cache.get("gone") is None
    cache.set("long", 1, 60 * 60 * 24 * 60)
    cache.set("ever", 1, None)
    assert cache.get("long") == 1 == cache.get("ever")
    with pytest.raises(InvalidCacheKey):
        cache.set("a key", 1)
    cache.close()
    cache.clear()
    assert cache.get("ever") is None


def test_the_async_api(cache: Any) -> None:
    async def calls() -> None:
        await cache.aset("key", 1)
        assert await cache.aget("key") == 1 and await cache.aincr("key") == 2
        assert await cache.aget_many(["key"]) == {"key": 2}
        await cache.adelete("key")
        assert await cache.aget("key", "d") == "d"

    asyncio.run(calls())


def test_a_value_that_is_refused_leaves_no_old_one(cache: Any) -> None:
    cache.set("key", "small")
    with pytest.raises(libmemcache.Refused):
        cache.set("key", b"x" * 2_000_000)
    assert cache.get("key") is None


def test_threads_share_connections(cache: Any) -> None:
    clients: List[object] = []

    def work() -> None:
        caches["default"].set("key", 1)
        clients.append(getattr(caches["default"], "_cache"))

    for _ in range(5):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert clients == [cache._cache] * 5


def test_a_pool_file(server: Memcached, tmp_path: Path) -> None:
    options = {"pool": str(pool_file(tmp_path, [server]))}
    with configured(OPTIONS=options):
        caches["default"].set("key", 1)
        assert caches["default"].get("key") == 1


def test_a_session_is_not_lost_to_a_server_that_is_down(server: Memcached) -> None:
    with configured(LOCATION=server.address):
        a_session_outlives(server)


def a_session_outlives(server: Memcached) -> None:
    from django.contrib.sessions.backends import cache as djangos

    from libmemcache.django import SessionStore

    session = SessionStore()
    session["user"] = 7
    session.save()
    key = session.session_key
    assert SessionStore(key)["user"] == 7
    has_async = hasattr(SessionStore, "aget")  # since Django 5.1
    if has_async:
        assert asyncio.run(SessionStore(key).aget("user")) == 7
    server.kill()
    with pytest.raises(libmemcache.Unavailable):
        SessionStore(key)["user"]
    if has_async:
        with pytest.raises(libmemcache.Unavailable):
            asyncio.run(SessionStore(key).aget("user"))
    # What the class is for: Django's own says that there is no such session.
    assert djangos.SessionStore(key).get("user", "logged out") == "logged out"
    assert server.start()
    # There is none any more: this is a miss.
    assert answer_of(lambda: SessionStore(key).get("user")) is None
    for made_up in ("not there", "x" * 300, "a\nb"):
        assert SessionStore(made_up).get("user") is None


class Browser:
    """A session: one request after another, each of which must be answered with the next number. `short`: one session
    after another."""

    def __init__(self, port: int, short: bool = False) -> None:
        self.port = port
        self.short = short
        self.requests = 0
        self.cookie = ""

    def request(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("GET", "/", headers={"Cookie": self.cookie} if self.cookie else {})
            response = connection.getresponse()
            said = response.read().decode()
            self.requests += 1
            assert response.status == 200, f"request {self.requests}: {response.status} {said[:200]}"
            cookie = response.getheader("Set-Cookie", "").partition(";")[0]
            assert cookie and self.cookie in ("", cookie), f"request {self.requests}: a new session"
            self.cookie = cookie
            assert said == str(self.requests), f"request {self.requests} was counted as {said}"
        finally:
            connection.close()

    def forget(self) -> None:
        """The next request begins a session."""
        self.cookie, self.requests = "", 0

    def until(self, stop: threading.Event, wrong: List[BaseException]) -> None:
        try:
            while not stop.is_set():
                self.request()
                if self.short and self.requests == 3:
                    self.forget()
        except BaseException as error:
            wrong.append(error)


def test_sessions_under_load_while_servers_die(watched: WatchedPool, tmp_path: Path) -> None:
    """Two processes of Django. Each server of a pair is killed once and comes back empty; every request of every
    session is answered, with a number that is exact, and no session is lost."""
    port, log = free_port(), tmp_path / "django.log"
    environment = {**os.environ, "MEMCACHE_POOL": str(watched.file)}
    site = [sys.executable, str(ROOT / "python/examples/django_site.py"), f"127.0.0.1:{port}"]
    process = start(*site, log=log, env=environment)
    browsers: List[Browser] = []
    threads: List[threading.Thread] = []
    stop, wrong = threading.Event(), []  # type: ignore[var-annotated]

    def answers() -> Optional[Browser]:
        assert process.poll() is None, log.read_text()
        browser = Browser(port)
        try:
            browser.request()
            return browser
        except OSError:
            return None

    def everyone_went_on() -> bool:
        assert wrong == [], f"{wrong[0]}\n{log.read_text()}"
        return all(browser.requests >= goal for browser, goal in zip(browsers, goals))

    try:
        wait_until("Django to answer", answers)
        browsers += (Browser(port) for _ in range(SESSIONS))
        visitors = [Browser(port, short=True) for _ in range(SESSIONS // 4)]
        threads += (threading.Thread(target=one.until, args=(stop, wrong)) for one in browsers + visitors)
        for thread in threads:
            thread.start()
        for number in (1, 2):
            one = watched.servers[number - 1]
            for change in (one.kill, one.start):
                goals = [browser.requests + REQUESTS for browser in browsers]
                wait_until("every session to have been used", everyone_went_on)
                change()
                goals = [browser.requests + REQUESTS for browser in browsers]
                wait_until("every session to have been used", everyone_went_on)
            watched.wait_for(number, "steady")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        end(process)
    assert wrong == []
    requests = sum(browser.requests for browser in browsers)
    print(f"{SESSIONS} sessions, {requests} requests, two servers killed and back: all answered, every number exact")
    assert requests >= SESSIONS * REQUESTS * 8
