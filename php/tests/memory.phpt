--TEST--
Values that are more than memory_limit end the script, not the process
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

[$one] = servers(1);
$client = new Libmemcache\Client([$one->address()]);
$keys = array_map(fn ($i) => "k$i", range(0, 19));
$client->setMulti(array_fill_keys($keys, str_repeat('x', 900000)));
foreach (['$c->getMulti(%s);', 'foreach (%s as $k) $all[] = $c->get($k);'] as $what) {
    [$status, $output] = run_php('<?php register_shutdown_function(fn () => print("ended\n")); ini_set("memory_limit", "4M");
        $c = new Libmemcache\Client([$argv[1]]); ' . sprintf($what, var_export($keys, true)), $one->address());
    is($what, [$status, str_contains($output, 'Allowed memory size'), str_ends_with($output, "ended\n")], [255, true, true]);
}
// The last allocation of a call with many is the one that goes past it; the client is freed as it was before.
[$status, $output] = run_php('<?php $c = new Libmemcache\Client([$argv[1]]);
    $none = [...array_fill(0, 600000, "k"), new stdClass];
    $call = function ($keys) use ($c) { try { $c->getMulti($keys); } catch (Error) {} };
    $few = [...array_fill(0, 2000, "k"), new stdClass];
    $call($few);
    $call($none);
    $most = memory_get_peak_usage(true);
    $call($few);
    ini_set("memory_limit", $most - (1 << 20));
    $call($none);
    echo "not reached";', $one->address());
is('the reasons of many', [$status, preg_match('/^\s*Fatal error: Allowed memory size of \d+ bytes exhausted/', $output), str_contains($output, 'not reached')], [255, 1, false]);
done();
?>
--EXPECT--
as it should be
