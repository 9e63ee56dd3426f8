"""The package as it is built against an installed library: it loads that one, and a new version of it with it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest
from support import ROOT, Memcached, pool_file

BUILT = Path(os.environ.get("BUILT", ROOT / "target/release"))

PROGRAM = """
import sys
import libmemcache
with libmemcache.Client([sys.argv[1]], timeout=30) as client:
    client.set("key", "by the installed library")
    assert client.get("key") == "by the installed library"
with open("/proc/self/maps") as maps:
    print(maps.read())
"""


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    """As `make install` leaves it, as far as it matters here."""
    prefix = tmp_path / "usr"
    (prefix / "lib/pkgconfig").mkdir(parents=True)
    shutil.copytree(ROOT / "include", prefix / "include")
    shutil.copy(BUILT / "libmemcache.so", prefix / "lib/libmemcache.so.0")
    (prefix / "lib/libmemcache.so").symlink_to("libmemcache.so.0")
    text = (ROOT / "packaging/libmemcache.pc.in").read_text()
    for name, value in {"PREFIX": "", "LIBDIR": "/lib", "INCLUDEDIR": "/include"}.items():
        text = text.replace(f"@{name}@", f"{prefix}{value}")
    (prefix / "lib/pkgconfig/libmemcache.pc").write_text(text.replace("@VERSION@", "0"))
    return prefix


def test_against_an_installed_library(prefix: Path, tmp_path: Path, server: Memcached) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "LIBMEMCACHE_DIR"}
    environment["PKG_CONFIG_PATH"] = str(prefix / "lib/pkgconfig")
    config = tmp_path / "build.cfg"
    config.write_text(f"[build]\nbuild_base = {tmp_path}\n[egg_info]\negg_base = {tmp_path}\n")
    environment["DIST_EXTRA_CONFIG"] = str(config)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    where = tmp_path / "packages"
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--target", str(where)]
    subprocess.run([*pip, "install", *options, str(ROOT / "python")], env=environment, check=True)

    environment.update(PYTHONPATH=str(where), LD_LIBRARY_PATH=str(prefix / "lib"))
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", PROGRAM, server.address]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stderr == "", ran.stderr
    assert str(prefix / "lib/libmemcache.so.0") in ran.stdout and str(where) in ran.stdout


def test_as_the_page_for_beginners_says(tmp_path: Path, servers: List[Memcached]) -> None:
    page = (ROOT / "docs/getting-started.md").read_text()
    shell, program = (page.split("## From Python")[1].split(f"```{language}\n")[1].split("```")[0] for language in ("sh", "python"))
    # This environment stands in for the one that the page has its reader make, with what it needs offline.
    prepare, make, install = shell.splitlines()
    assert prepare == "sudo apt-get install -y python3-venv python3-dev" and make == "python3 -m venv ~/with-libmemcache"
    words = install.replace("~/with-libmemcache/bin/pip", f"{sys.executable} -m pip").split()
    config = tmp_path / "build.cfg"
    config.write_text(f"[build]\nbuild_base = {tmp_path}\n[egg_info]\negg_base = {tmp_path}\n")
    offline = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PIP_TARGET": str(tmp_path / "packages")}
    environment = {**os.environ, **offline, "DIST_EXTRA_CONFIG": str(config)}
    subprocess.run(words, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)

    pool = pool_file(tmp_path, servers[:2])
    assert "/etc/memcache/pool.toml" in program
    (tmp_path / "visits.py").write_text(program.replace("/etc/memcache/pool.toml", str(pool)))
    environment["PYTHONPATH"] = str(tmp_path / "packages")
    ran = [subprocess.run([sys.executable, "visits.py"], cwd=tmp_path, env=environment, capture_output=True, text=True) for _ in range(2)]
    assert [one.stdout for one in ran] == ["visit 1\n", "visit 2\n"], ran
