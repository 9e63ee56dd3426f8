"""How Python objects become bytes with flags, and back: what `Client(serde=...)` takes.

The flags are pymemcache's, so that either package reads what the other wrote. Without a serde a
client stores bytes, str and int, and nothing that could run code when it is read.
"""

from __future__ import annotations

import pickle
import zlib
from typing import Any, Protocol, Tuple, Union

FLAG_BYTES = 0
FLAG_PICKLE = 1 << 0
FLAG_INTEGER = 1 << 1
FLAG_LONG = 1 << 2
FLAG_COMPRESSED = 1 << 3
FLAG_TEXT = 1 << 4

Key = Union[str, bytes]


class Serde(Protocol):
    """Two hooks, as pymemcache has them. They run with the GIL held, in the thread that calls.

    With an attribute `plain` that is true, bytes, str and int never come to them: the client stores
    these itself, with the same flags.
    """

    def serialize(self, key: Key, value: Any) -> Tuple[Union[bytes, str], int]:
        """What is stored for a value, and its flags, 32 bits."""

    def deserialize(self, key: Key, value: bytes, flags: int) -> Any:
        """The value again."""


class PickleSerde:
    """Any object, by pickle; bytes, str and int as they are.

    Who can write to the servers can run code in every program that reads by this: it is for servers
    that nobody else reaches.
    """

    plain = True

    def __init__(self, protocol: int = pickle.DEFAULT_PROTOCOL) -> None:
        self.protocol = protocol

    def serialize(self, key: Key, value: Any) -> Tuple[bytes, int]:
        return pickle.dumps(value, self.protocol), FLAG_PICKLE

    def deserialize(self, key: Key, value: bytes, flags: int) -> Any:
        if not flags & FLAG_PICKLE:
            raise ValueError(f"the value of {key!r} has flags {flags}, and is no pickle")
        return pickle.loads(value)


class CompressedSerde:
    """Another serde's values, compressed by zlib where they have at least `least` bytes and it helps.

    As pymemcache's: bytes and str are compressed too, and read back as what they were.
    """

    plain = False

    def __init__(self, serde: Union[Serde, None] = None, least: int = 400) -> None:
        self.inner = PickleSerde() if serde is None else serde
        self.inner_plain = bool(getattr(self.inner, "plain", False))
        self.least = least

    def serialize(self, key: Key, value: Any) -> Tuple[bytes, int]:
        kind = type(value)
        data: Union[bytes, str]
        if self.inner_plain and kind is bytes:
            data, flags = value, FLAG_BYTES
        elif self.inner_plain and kind is str:
            data, flags = value, FLAG_TEXT
        elif self.inner_plain and kind is int:
            data, flags = str(value), FLAG_INTEGER
        else:
            data, flags = self.inner.serialize(key, value)
        raw = data.encode() if isinstance(data, str) else data
        if len(raw) >= self.least:
            smaller = zlib.compress(raw)
            if len(smaller) < len(raw):
                return smaller, flags | FLAG_COMPRESSED
        return raw, flags

    def deserialize(self, key: Key, value: bytes, flags: int) -> Any:
        if flags & FLAG_COMPRESSED:
            value, flags = zlib.decompress(value), flags & ~FLAG_COMPRESSED
        if self.inner_plain and flags == FLAG_BYTES:
            return value
        if self.inner_plain and flags == FLAG_TEXT:
            return value.decode()
        if self.inner_plain and flags in (FLAG_INTEGER, FLAG_LONG):
            return int(value)
        return self.inner.deserialize(key, value, flags)
