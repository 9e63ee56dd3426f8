--TEST--
php-memcached reads what is written here, and the other way round
--EXTENSIONS--
igbinary
msgpack
memcached
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

// One server: where two of them have a key is not the same for both clients.
[$one] = servers(1);
$ours = new Libmemcache\Client([$one->address()]);
$theirs = new Memcached();
$theirs->addServer('127.0.0.1', $one->port);
mt_srand(7);
$noise = '';
for ($i = 0; $i < 5000; $i++) {
    $noise .= chr(mt_rand(0, 255));
}
$values = [0, -7, PHP_INT_MAX, 2.5, 1 / 3, INF, -INF, true, false, null, '', 'text', "\0\r\n", [1, 'x' => [2, 3]], new ArrayObject([1, 2]),
    str_repeat('z', 300000), implode(',', range(1, 40000)), range(1, 20000), str_repeat($noise, 3), str_repeat('ab', 9000) . $noise . str_repeat('ab', 9000),
    str_repeat($noise, 40), json_encode(range(1, 30000))];
foreach ([[Memcached::COMPRESSION_FASTLZ, Memcached::SERIALIZER_PHP], [Memcached::COMPRESSION_ZLIB, Memcached::SERIALIZER_PHP],
    [Memcached::COMPRESSION_FASTLZ, Memcached::SERIALIZER_IGBINARY], [Memcached::COMPRESSION_FASTLZ, Memcached::SERIALIZER_MSGPACK]] as [$type, $serializer]) {
    $theirs->setOption(Memcached::OPT_COMPRESSION_TYPE, $type);
    $theirs->setOption(Memcached::OPT_SERIALIZER, $serializer);
    $packed = 0;
    foreach ($values as $i => $value) {
        is("they set $i", $theirs->set('value', $value), true);
        $packed += ((int) explode(' ', $one->ask('get value'), 4)[2] & 0x10) !== 0;
        is("we get $i", $ours->get('value'), $value);
        is("with many $i", $ours->getMulti(['value', 'none']), ['value' => $value]);
        is("we set $i", $ours->set('value', $value), true);
        is("they get $i", $theirs->get('value'), $value);
    }
    is("some were packed", $packed > 5, true);
}
$ours->set('n', 10);
is('they count', $theirs->increment('n', 5), 15);
is('we count', $ours->increment('n', 5), 20);
is('still a number', $theirs->get('n'), 20);
// With these two options of theirs both have every key on the same server.
$three = servers(3);
$ours = new Libmemcache\Client(addresses($three));
$theirs = new Memcached();
$theirs->setOption(Memcached::OPT_HASH, Memcached::HASH_CRC);
$theirs->setOption(Memcached::OPT_DISTRIBUTION, Memcached::DISTRIBUTION_MODULA);
foreach ($three as $server) {
    $theirs->addServer('127.0.0.1', $server->port);
}
for ($i = 0; $i < 60; $i++) {
    is("they set key-$i", $theirs->set("key-$i", $i), true);
    is("we get key-$i", $ours->get("key-$i"), $i);
    is("we set own-$i", $ours->set("own-$i", $i), true);
    is("they get own-$i", $theirs->get("own-$i"), $i);
}
// The constants that both have are the same.
$class = new ReflectionClass(Libmemcache\Client::class);
foreach ($class->getConstants() as $name => $value) {
    if (!str_starts_with($name, 'REASON_')) {
        is($name, $value, constant("Memcached::$name"));
    }
}
done();
?>
--EXPECT--
as it should be
