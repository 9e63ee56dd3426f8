"""Django's cache on a pool of memcached servers, and sessions that are never lost to a server that is down.

    CACHES = {"default": {"BACKEND": "libmemcache.django.Cache", "OPTIONS": {"pool": "/etc/memcache/pool.toml"}}}
    SESSION_ENGINE = "libmemcache.django"

or "LOCATION": ["10.0.0.1:11211", "10.0.0.2:11211"], "OPTIONS": {"backups": "pairs"}. OPTIONS are the arguments of
libmemcache.Client; objects are pickled unless they have a serde.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Optional, Sequence, Union

from django.contrib.sessions.backends import cache as sessions
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, InvalidCacheKey
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.utils.functional import cached_property

import libmemcache
from libmemcache import errors

#: Django makes a Cache for every thread, and some servers a thread for every request. Their connections
#: are to outlive them, so all that are configured alike have one client.
_clients: Dict[str, libmemcache.Client] = {}


def client_for(servers: Sequence[str], options: Dict[str, Any]) -> libmemcache.Client:
    """The client of this process with these servers and options."""
    # Which file it is, also after a chdir or another MEMCACHE_POOL.
    file = options.get("pool") or os.environ.get("MEMCACHE_POOL")
    name = repr((servers, sorted(options.items(), key=lambda item: item[0]), file and os.path.abspath(file)))
    if name not in _clients:
        chosen = {"serde": libmemcache.PickleSerde(), **options}
        # Of two threads that come here at once one drops its client. A lock could be held at a fork.
        _clients.setdefault(name, libmemcache.Client(servers or None, **chosen))
    return _clients[name]


class Cache(BaseMemcachedCache):
    """A cache backend. A call that was not carried out raises a libmemcache.MemcacheError, also for reads:
    with "ignore_exc": True in OPTIONS these are misses instead.
    """

    def __init__(self, server: Union[str, Sequence[str]], params: Dict[str, Any]) -> None:
        super().__init__(server, params, library=libmemcache, value_not_found_exception=KeyError)
        addresses = re.split("[;,]", server) if isinstance(server, str) else server
        self._addresses = [address for address in addresses if address]
        self._client_options: Dict[str, Any] = params.get("OPTIONS") or {}

    @cached_property
    def _cache(self) -> libmemcache.Client:
        return client_for(self._addresses, self._client_options)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None
    ) -> None:
        try:
            super().set(key, value, timeout, version)
        except errors.Refused:
            # Too large for the servers, mostly. The value that it was to replace must not stay.
            self.delete(key, version)
            raise

    def delete_many(self, keys: Any, version: Optional[int] = None) -> None:
        self._cache.delete_many([self.make_and_validate_key(key, version=version) for key in keys])

    def get_many(self, keys: Any, version: Optional[int] = None) -> Dict[Any, Any]:
        by_name = {self.make_and_validate_key(key, version=version): key for key in keys}
        return {by_name[name]: value for name, value in self._cache.get_many(by_name).items()}

    def set_many(
        self, data: Any, timeout: Any = DEFAULT_TIMEOUT, version: Optional[int] = None
    ) -> List[Any]:
        by_name = {self.make_and_validate_key(key, version=version): key for key in data}
        values = {name: data[key] for name, key in by_name.items()}
        expire = int(self.get_backend_timeout(timeout) or 0)
        return [by_name[name] for name in self._cache.set_many(values, expire)]

    def close(self, **kwargs: Any) -> None:
        """Nothing: Django calls it after every request, and the connections are the process's."""


class SessionStore(sessions.SessionStore):
    """Sessions in the cache SESSION_CACHE_ALIAS, which is one of these.

    Django's own takes whatever goes wrong for a session that does not exist, and logs its user out. Here only
    a miss is that: what cannot be asked for raises, and the user is still logged in at the next request.
    """

    _cache: BaseCache


    def load(self) -> Dict[str, Any]:
        try:
            data = self._cache.get(self.cache_key)
        except (InvalidCacheKey, errors.BadKey):  # a cookie that somebody made up
            data = None
        return self._found(data)

    async def aload(self) -> Dict[str, Any]:
        try:
            data = await self._cache.aget(await self.acache_key())
        except (InvalidCacheKey, errors.BadKey):
            data = None
        return self._found(data)

    def _found(self, data: Optional[Dict[str, Any]]) -> Dict[str, Any]:
        if data is None:
            self._session_key = None
            return {}
        return data
