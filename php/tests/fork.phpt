--TEST--
A child of a process shares no connection with it
--EXTENSIONS--
posix
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
$c = new Libmemcache\Client(addresses($servers), PAIRS);
$c->set('n', 0);
$children = [];
for ($i = 0; $i < 4; $i++) {
    $children[] = start_child(function () use ($c, $i) {
        for ($n = 0; $n < 200; $n++) {
            if ($c->increment('n') === false || !$c->set("own$i", "$i-$n") || $c->get("own$i") !== "$i-$n") {
                return "$i-$n";
            }
        }
        return true;
    });
}
for ($n = 0; $n < 200; $n++) {
    is('the parent', [$c->set('parent', $n), $c->get('parent')], [true, $n]);
}
foreach ($children as $child) {
    is('a child', wait_for($child), true);
}
is('every count', $c->get('n'), 800);
done();
?>
--EXPECT--
as it should be
