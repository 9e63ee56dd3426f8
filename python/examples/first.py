"""The calls that most programs need.

    MEMCACHE_POOL=/etc/memcache/pool.toml python first.py
"""

from __future__ import annotations

import libmemcache


def main(client: libmemcache.Client) -> None:
    client.set("greeting", "hello", expire=60)
    print(client.get("greeting"))
    print(client.get("nobody", default="a miss is the default"))

    client.set_many({"a": 1, "b": b"two"})
    print(client.get_many(["a", "b", "c"]))

    client.add("visits", 0)
    print(client.incr("visits"))

    value, token = client.gets("a")
    print(client.cas("a", value + 1, token))

    try:
        client.get("session")
    except libmemcache.Unavailable as error:
        print("nobody knows whether there is such a session:", error)


if __name__ == "__main__":
    with libmemcache.Client() as pool:
        main(pool)
