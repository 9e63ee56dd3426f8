--TEST--
The README's first lines and the examples run
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
$here = fn (string $text) => str_replace('127.0.0.1:11211', $servers[0]->address(), $text);
preg_match('/^```php\n(.*?)^```/ms', file_get_contents(__DIR__ . '/../README.md'), $block);
$first = file_get_contents(__DIR__ . '/../examples/first.php');
is("the README has it", $block[1], $first);
is('five lines', substr_count($first, "\n"), 5);
is('first.php', run_php($here($first)), [0, "Array\n(\n    [0] => hello\n    [1] => world\n)\nMC_REASON_HIT\n"]);
is('cache.php', run_php(file_get_contents(__DIR__ . '/../examples/cache.php'), implode(',', addresses($servers))),
    [0, "5.00 5.00\nprice.4 5\nprice.5 not there\n1 visitors\n"]);
$pool = sys_get_temp_dir() . '/pool-of-' . getmypid() . '.toml';
$section = fn ($server) => "[[server]]\naddress = \"{$server->address()}\"\n";
file_put_contents($pool, "[pool]\ntimeout = \"20s\"\n" . implode('', array_map($section, servers(2))));
$visits = str_replace('/etc/memcache/pool.toml', $pool, file_get_contents(__DIR__ . '/../examples/visits.php'));
is('visits.php', [run_php($visits), run_php($visits)], [[0, "visit 1\n"], [0, "visit 2\n"]]);
unlink($pool);
done();
?>
--EXPECT--
as it should be
