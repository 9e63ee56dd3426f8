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
// Packed bytes made by chance: what is right is read, what is not is refused, and nothing of it is believed.
mt_srand(11);
for ($i = 0; $i < 1500; $i++) {
    $plain = $packed = '';
    for ($n = mt_rand(1, 6); $n > 0; $n--) {
        if ($plain === '' || mt_rand(0, 1)) {
            $bytes = random_text(mt_rand(1, 32));
            $packed .= chr(strlen($bytes) - 1) . $bytes;
            $plain .= $bytes;
        } else {
            $back = mt_rand(1, min(strlen($plain), 256));
            $length = mt_rand(3, 200);
            $packed .= $length < 9 ? chr($length - 2 << 5) . chr($back - 1) : chr(7 << 5) . chr($length - 9) . chr($back - 1);
            for (; $length > 0; $length--) {
                $plain .= $plain[strlen($plain) - $back];
            }
        }
    }
    $right = mt_rand(0, 1) === 1;
    $size = strlen($plain);
    if (!$right) {
        // A byte that is another one, an end that is missing, or a size that is not so.
        match (mt_rand(0, 2)) {
            0 => $packed[mt_rand(0, strlen($packed) - 1)] = chr(mt_rand(0, 255)),
            1 => $packed = substr($packed, 0, mt_rand(0, strlen($packed) - 1)),
            2 => $size = max(1, $size + mt_rand(-3, 3)),
        };
    }
    $one->ask('set value 80 0 ' . (strlen($packed) + 4) . "\r\n" . pack('V', $size) . $packed);
    $got = $client->get('value');
    if ($right) {
        is("packed $i", $got, $plain);
    } else {
        is("packed wrongly $i", is_string($got) ? strlen($got) : $client->getReason(), is_string($got) ? $size : Libmemcache\Client::REASON_BAD_VALUE);
    }
}
function random_text(int $length): string
{
    return implode(array_map(fn () => chr(mt_rand(0, 255)), range(1, $length)));
}
// What cannot be written throws before anything is sent.
try {
    $client->set('other', fn () => 1);
    is('a closure', 'stored', 'refused');
} catch (Exception $e) {
    is('a closure', $e->getMessage(), "Serialization of 'Closure' is not allowed");
}
is('nothing of it', $client->get('other'), false);
// An array that refers to itself is a reference when it is read; what is returned is none.
$one->ask("set other 4 0 16\r\na:1:{i:0;R:1;}  ");
$got = $client->getMulti(['other']);
$copy = $got;
$copy['other'][1] = 'of the copy';
is('no reference', [array_keys($got), count($got['other'])], [['other'], 1]);
unset($got, $copy);
gc_collect_cycles();
$client->delete('other');
is('nothing of it', $client->get('other'), false);
is('a miss', $client->getReason(), Libmemcache\Client::REASON_MISS);
done();
?>
--EXPECT--
as it should be
