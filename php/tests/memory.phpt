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
done();
?>
--EXPECT--
as it should be
