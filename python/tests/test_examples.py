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


def test_the_five_lines_of_the_readme(servers: List[Memcached], capsys: pytest.CaptureFixture[str]) -> None:
    lines = (ROOT / "python/README.md").read_text().split("```python\n")[1].split("```")[0]
    for port, server in (("11211", servers[0]), ("11212", servers[1])):
        assert f"127.0.0.1:{port}" in lines
        lines = lines.replace(f"127.0.0.1:{port}", server.address)
    exec(lines, {})
    assert capsys.readouterr().out == "hello\n"
