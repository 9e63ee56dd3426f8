"""Why a call was not carried out. Nothing may be concluded about the key then: unavailable is not a miss."""

from __future__ import annotations


class MemcacheError(Exception):
    """A call was not carried out, or nobody knows whether it was. Its text names key and servers."""


class Unavailable(MemcacheError):
    """The server that knows could not be asked, or it is unknown whether it did what it was asked."""


class Timeout(Unavailable, TimeoutError):
    """The call's time was up. What was to be changed may be changed still."""


class Refused(MemcacheError):
    """A server refused; the text has its words. Also: what is to be counted is no number."""


class BadKey(MemcacheError, ValueError):
    """The key may not be sent; nothing was."""


class BadValue(MemcacheError, ValueError):
    """The value is longer than 1 GiB; or one that was read needs a serde to become an object."""


class NoMemory(MemcacheError, MemoryError):
    """There is a value, and no memory for it."""


class NoServers(MemcacheError):
    """The client has no servers, or the name of one is unknown."""


class BadFile(MemcacheError):
    """The pool file cannot be used; the text has a line for every problem."""


class BadOption(MemcacheError, ValueError):
    """The option cannot have this value, or it is the pool file's to set."""


class InternalError(MemcacheError):
    """A fault of the library, caught at its boundary. It is unknown how far the call came."""


#: In the order of enum mc_reason, from -1 downwards; what the C part raises.
BY_REASON = (
    Unavailable,
    Timeout,
    Refused,
    BadKey,
    BadValue,
    NoMemory,
    NoServers,
    BadFile,
    BadOption,
    InternalError,
)
