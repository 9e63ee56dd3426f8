<?php
// The same get through PHP's FFI and through the extension: what decided for an extension.
//
//     php -d extension=ffi -d ffi.enable=1 ffi.php LIBMEMCACHE.SO

require __DIR__ . '/../tests/servers.inc';

[$one] = servers(1);
$ffi = FFI::cdef('
    struct memcache *mc_new(void);
    int mc_server_add4(struct memcache *mc, const char *hostport);
    int mc_fetch(struct memcache *mc, const char *key, size_t key_len, void **value, size_t *bytes, uint32_t *flags, uint64_t *cas);
    void free(void *);
', $argv[1]);
$mc = $ffi->mc_new();
$ffi->mc_server_add4($mc, $one->address());
$client = new Libmemcache\Client([$one->address()]);
$client->set('key', $value = str_repeat('x', 100));

$by_ffi = function (string $key) use ($ffi, $mc) {
    $bytes = $ffi->new('void *');
    $length = $ffi->new('size_t');
    $flags = $ffi->new('uint32_t');
    if ($ffi->mc_fetch($mc, $key, strlen($key), FFI::addr($bytes), FFI::addr($length), FFI::addr($flags), null) !== 1) {
        return false;
    }
    $value = FFI::string($bytes, $length->cdata);
    $ffi->free($bytes);
    return $value;
};
$ways = ['extension' => fn ($key) => $client->get($key), 'FFI' => $by_ffi];
$best = ['extension' => INF, 'FFI' => INF];
for ($round = 0; $round < 20; $round++) {
    foreach ($ways as $name => $get) {
        $began = hrtime(true);
        for ($i = 0; $i < 2000; $i++) {
            if ($get('key') !== $value) {
                exit("a wrong answer\n");
            }
        }
        $best[$name] = min($best[$name], (hrtime(true) - $began) / 2000 / 1000);
    }
}
printf("microseconds for a get: extension %.2f, FFI %.2f\n", $best['extension'], $best['FFI']);
