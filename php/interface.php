<?php
// What the extension has, as PHP reads it. libmemcache_arginfo.h says the same to the engine;
// tests/interface.phpt compares the two.

namespace Libmemcache;

/** Nothing may be concluded about the key: no server could be asked, or it is unknown what it did. */
class Unavailable extends \RuntimeException
{
}

class Client
{
    public const GET_PRESERVE_ORDER = 1;
    public const GET_EXTENDED = 2;
    // and REASON_..., RES_...

    /**
     * A pool file's path, "host:port,host:port?backups=pairs", or a list of servers; [] takes what
     * MEMCACHE_POOL names. Options: those of mc_option_set, "prefix" (in front of every key), and
     * "throw" (Unavailable is thrown instead of false returned).
     */
    public function __construct(string|array $pool = [], array $options = []) {}

    public function addServer(string $host, int $port = 11211, int $weight = 0): bool {}
    public function addServers(array $servers): bool {}
    public function getServerList(): array {}
    public function setOption(string $name, mixed $value): bool {}
    public function getOption(string $name): mixed {}

    public function get(string $key, ?callable $cache_cb = null, int $get_flags = 0): mixed {}
    public function getMulti(array $keys, int $get_flags = 0): array|false {}
    public function getAndTouch(string $key, int $expiration = 0, int $get_flags = 0): mixed {}

    public function set(string $key, mixed $value, int $expiration = 0): bool {}
    public function setMulti(array $items, int $expiration = 0): bool {}
    public function add(string $key, mixed $value, int $expiration = 0): bool {}
    public function replace(string $key, mixed $value, int $expiration = 0): bool {}
    public function append(string $key, string $value): bool {}
    public function prepend(string $key, string $value): bool {}
    public function cas(string|int|float $cas_token, string $key, mixed $value, int $expiration = 0): bool {}
    public function touch(string $key, int $expiration = 0): bool {}
    public function delete(string $key, int $time = 0): bool {}
    public function deleteMulti(array $keys, int $time = 0): array {}

    public function increment(string $key, int $offset = 1, int $initial_value = 0, int $expiry = 0): int|false {}
    public function decrement(string $key, int $offset = 1, int $initial_value = 0, int $expiry = 0): int|false {}

    public function flush(int $delay = 0): bool {}
    public function getStats(): array|false {}
    public function getVersion(): array|false {}
    public function where(string $key): array|false {}

    public function getReason(): int {}
    public function getReasonName(): string {}
    public function getReasonMessage(): string {}
    public function getReasons(): array {}
    public function isUnknown(): bool {}
    public function getResultCode(): int {}
    public function getResultMessage(): string {}
}
