"""A memcached client for which a server may die and come back. Client is where to begin."""

from .client import Client
from .errors import (
    BadFile,
    BadKey,
    BadOption,
    BadValue,
    InternalError,
    MemcacheError,
    NoMemory,
    NoServers,
    Refused,
    Timeout,
    Unavailable,
)
from .serde import CompressedSerde, PickleSerde, Serde

__all__ = [
    "BadFile",
    "BadKey",
    "BadOption",
    "BadValue",
    "Client",
    "CompressedSerde",
    "InternalError",
    "MemcacheError",
    "NoMemory",
    "NoServers",
    "PickleSerde",
    "Refused",
    "Serde",
    "Timeout",
    "Unavailable",
]
