"""Builds the C part against libmemcache, which it looks for in this order:

LIBMEMCACHE_DIR     a folder with libmemcache.a, which becomes part of the module: nothing else is needed where
                    it runs. The folder that `make` fills, target/release, is one
pkg-config          an installed library, which the module loads: a new version of it reaches Python too
../target/release   the checkout that this folder is part of, as the first
"""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from setuptools import Extension, setup

here = Path(__file__).resolve().parent
checkout = here.parent


def told_by_pkg_config() -> "list[str] | None":
    tool = os.environ.get("PKG_CONFIG", "pkg-config")
    try:
        told = subprocess.run([tool, "--cflags", "--libs", "libmemcache"], capture_output=True, text=True)
    except OSError:
        return None
    return told.stdout.split() if told.returncode == 0 else None


def contained(folder: Path) -> "dict[str, list[str]]":
    headers = next((at for at in (folder / "../include", folder / "../../include") if (at / "memcache.h").exists()), None)
    if headers is None:
        raise SystemExit(f"no include/memcache.h beside {folder}")
    return {
        "depends": [str(folder / "libmemcache.a"), str(headers / "memcache.h")],
        "include_dirs": [str(headers)],
        "extra_objects": [str(folder / "libmemcache.a")],
        # Two libraries of one name in a process must not use parts of each other.
        "extra_link_args": ["-Wl,--exclude-libs,ALL", "-Wl,--gc-sections", "-Wl,--strip-debug"],
        "libraries": ["util", "rt", "pthread", "m", "dl"],
    }


def how_to_link() -> "dict[str, list[str]]":
    chosen = os.environ.get("LIBMEMCACHE_DIR")
    if chosen:
        if not (Path(chosen) / "libmemcache.a").exists():
            raise SystemExit(f"LIBMEMCACHE_DIR: there is no libmemcache.a in {chosen}")
        return contained(Path(chosen).resolve())
    told = told_by_pkg_config()
    if told is not None:
        return {
            "extra_compile_args": [word for word in told if word.startswith("-I")],
            "extra_link_args": [word for word in told if not word.startswith("-I")],
        }
    built = checkout / "target" / "release"
    if (built / "libmemcache.a").exists():
        return contained(built)
    raise SystemExit("libmemcache was not found: install it (pkg-config names it), or run `make` in the checkout")


def version() -> str:
    """That of the library, written down once; in an archive of this folder alone, PKG-INFO has it."""
    for path, pattern in ((checkout / "Cargo.toml", r'^version = "(.*)"'), (here / "PKG-INFO", r"^Version: (.*)")):
        found = re.search(pattern, path.read_text(), re.MULTILINE) if path.exists() else None
        if found:
            return found[1]
    raise SystemExit("neither Cargo.toml nor PKG-INFO says which version this is")


# One module for CPython 3.10 and everything later: what a call needs is all in the stable interface since then,
# and bench.py sees no difference. 3.9 has its own.
stable = sys.version_info >= (3, 10) and not sysconfig.get_config_var("Py_GIL_DISABLED")
link = how_to_link()
sources = sorted(str(path.relative_to(here)) for path in (here / "src/libmemcache/native").glob("*.c"))
setup(
    version=version(),
    ext_modules=[
        Extension(
            "libmemcache._native",
            sources,
            define_macros=[("Py_LIMITED_API", "0x030a0000")] if stable else [],
            py_limited_api=stable,
            depends=["src/libmemcache/native/native.h", *link.pop("depends", [])],
            extra_compile_args=["-std=c11", "-O2", "-Wall", "-Wextra", *link.pop("extra_compile_args", [])],
            **link,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp310"}} if stable else {},
)
