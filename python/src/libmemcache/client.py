"""The client: what its C part does, with defaults, and options in Python's units."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Iterable, Optional, Type, Union

from . import _native
from .errors import BY_REASON
from .serde import Serde


class Client(_native.Client):
    """A pool of memcached servers. One client is enough for all threads of a process, and its children.

    Client(pool="/etc/memcache/pool.toml")                    what the file says
    Client(["10.0.0.1:11211", "10.0.0.2:11211"], backups="pairs")
    Client()                                                  the file that MEMCACHE_POOL names

    A server is "host:port", "host", "[v6]:port" or "unix:/path"; their order decides where keys live.
    When MEMCACHE_POOL names a file, its operator's servers are used instead of the program's, as by every
    program of libmemcache; what the program says of copies (backups, read_backup, window, max_ttl) is passed
    over. `backups`: "pairs" keeps every value on two servers, 1 and 2, 3 and 4, ...

    `timeout` is that of a whole call and `connect_timeout` that of a connection, in seconds; None is
    500 ms and 100 ms, or what the file says. `options` are further ones by name, as mc_option_set(3) has them.
    `serde`: see libmemcache.serde; without one a client takes bytes, str and int. With `ignore_exc` a read that
    could not be carried out gives the default instead of raising, so that unavailable looks like a miss.

    Nothing is connected to until the first call. It raises BadFile, BadOption or NoServers for what cannot
    be used; every other call raises a MemcacheError when it was not carried out.
    """

    def __init__(
        self,
        servers: Union[str, Iterable[str], None] = None,
        *,
        pool: Union[str, "os.PathLike[str]", None] = None,
        backups: Optional[str] = None,
        timeout: Optional[float] = None,
        connect_timeout: Optional[float] = None,
        options: Optional[dict[str, str]] = None,
        serde: Optional[Serde] = None,
        ignore_exc: bool = False,
    ) -> None:
        if pool is not None and servers is not None:
            raise TypeError("either servers or the path of a pool file, not both")
        of_operator = os.environ.get("MEMCACHE_POOL") if pool is None else None
        file = of_operator if pool is None else os.fspath(pool)
        listed = (servers,) if isinstance(servers, str) else tuple(servers or ())
        if not (file or listed):
            raise TypeError("servers, the path of a pool file, or MEMCACHE_POOL in the environment are needed")
        chosen = dict(options or {})
        if backups is not None:
            chosen["backups"] = backups
        if of_operator:
            # Which copies there are, and for how long, is the operator's to say, as which servers are.
            for name in ("backups", "read_backup", "window", "max_ttl"):
                chosen.pop(name, None)
        if timeout is not None:
            chosen["timeout"] = f"{round(timeout * 1e6)}us"
        if connect_timeout is not None:
            chosen["connect_timeout"] = f"{round(connect_timeout * 1e6)}us"
        super().__init__(
            pool=file or None,
            servers=() if file else listed,
            options=tuple(chosen.items()),
            serialize=None if serde is None else serde.serialize,
            deserialize=None if serde is None else serde.deserialize,
            plain=serde is None or bool(getattr(serde, "plain", False)),
            ignore_exc=ignore_exc,
            errors=BY_REASON,
        )

    # pylibmc's names, and those of older clients.
    get_multi = _native.Client.get_many
    gets_multi = _native.Client.gets_many
    set_multi = _native.Client.set_many
    delete_multi = _native.Client.delete_many

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()
