--TEST--
Values come back as they were, in the types that php-memcached gives them
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

[$one] = servers(1);
$client = new Libmemcache\Client([$one->address()]);
$object = new ArrayObject([1, 2]);
$values = [0, 1, -7, PHP_INT_MAX, PHP_INT_MIN, 0.0, 2.5, -0.1, 1e300, 1 / 3, INF, -INF, NAN, true, false, null, '', 'text', "\0\r\nEND\r\n",
    [], [1, 'x' => [2, 3]], $object, str_repeat('z', 300000)];
foreach ($values as $i => $value) {
    is("set $i", $client->set('value', $value), true);
    is("get $i", $client->get('value'), $value);
}
$flags = fn () => (int) explode(' ', $one->ask('get value'))[2];
foreach (['text' => 0, 7 => 1] as $value => $wanted) {
    $client->set('value', $value);
    is("flags of $value", $flags(), $wanted);
}
$client->set('value', 2.5);
is('flags of a float', $flags(), 2);
$client->set('value', false);
is('flags of a bool', $flags(), 3);
$client->set('value', [1]);
is('flags of an array', $flags(), 4);

// What cannot be read is no miss.
$one->ask("set value 6 0 4\r\n{\"a\"");
is('broken JSON', $client->get('value'), false);
is('its reason', $client->getReason(), Libmemcache\Client::REASON_BAD_VALUE);
is('its number', $client->getResultCode(), Libmemcache\Client::RES_PAYLOAD_FAILURE);
$one->ask("set value 4 0 4\r\ni:1:");
is('broken serialisation', $client->get('value'), false);
is('its reason', $client->getReason(), Libmemcache\Client::REASON_BAD_VALUE);
$one->ask("set value 5 0 4\r\nabcd");
is('igbinary', $client->get('value'), false);
$one->ask("set value 6 0 7\r\n{\"a\":1}");
is('JSON', $client->get('value'), (object) ['a' => 1]);
foreach (["\x10\0\0\0\x00", "\x10\0\0\0\xff\xff", "\xff\xff\xff\xff\x00a", "\x04\0\0\0\x20\x00", "\x04\0\0\0\x5fabcd", "ab", "\x00\0\0\0"] as $i => $bytes) {
    foreach ([0x50, 0x30] as $how) {
        $one->ask("set value $how 0 " . strlen($bytes) . "\r\n$bytes");
        is("packed badly $i $how", $client->get('value'), false);
        is("its reason $i", $client->getReason(), Libmemcache\Client::REASON_BAD_VALUE);
    }
}
// What cannot be written throws before anything is sent.
try {
    $client->set('other', fn () => 1);
    is('a closure', 'stored', 'refused');
} catch (Exception $e) {
    is('a closure', $e->getMessage(), "Serialization of 'Closure' is not allowed");
}
is('nothing of it', $client->get('other'), false);
is('a miss', $client->getReason(), Libmemcache\Client::REASON_MISS);
done();
?>
--EXPECT--
as it should be
