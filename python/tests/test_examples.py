"""The examples run, and do what they say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List

import pytest
from support import ROOT, Memcached

from libmemcache import Client

sys.path.insert(0, str(ROOT / "python/examples"))


def test_first(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    import first

    first.main(client)
    said = capsys.readouterr().out.splitlines()
    assert said == ["hello", "a miss is the default", "{'a': 1, 'b': b'two'}", "1", "True"]


def test_flask_sessions(servers: List[Memcached], tmp_path: Path) -> None:
    from flask_sessions import make_app

    with Client([server.address for server in servers], backups="pairs", timeout=30) as client:
        browsers = [make_app(client).test_client() for _ in range(20)]
        for number, change in enumerate([None, servers[0].kill, servers[0].start], 1):
            if change is not None:
                change()
            assert [browser.get("/").text for browser in browsers] == [str(number)] * 20
