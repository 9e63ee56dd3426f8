--TEST--
The README's first lines and the examples run
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
$run = function (string $code, string ...$arguments) {
    // What was loaded here is not loaded there by itself.
    $extension = array_values(array_filter(get_module_files(), fn ($file) => str_ends_with($file, '/libmemcache.so')))[0];
    $command = [PHP_BINARY, '-n', '-d', "extension=$extension", '-r', '?>' . $code, '--', ...$arguments];
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['file', '/dev/null', 'w']], $pipes);
    $output = stream_get_contents($pipes[1]);
    return [proc_close($process), $output];
};
function get_module_files(): array
{
    preg_match_all('/\S+ \S+ \S+ \S+ \S+\s+(\/\S+)/', file_get_contents('/proc/self/maps'), $found);
    return array_unique($found[1]);
}
$here = fn (string $text) => str_replace('127.0.0.1:11211', $servers[0]->address(), $text);
preg_match('/^```php\n(.*?)^```/ms', file_get_contents(__DIR__ . '/../README.md'), $block);
$first = file_get_contents(__DIR__ . '/../examples/first.php');
is("the README has it", $block[1], $first);
is('five lines', substr_count($first, "\n"), 5);
is('first.php', $run($here($first)), [0, "Array\n(\n    [0] => hello\n    [1] => world\n)\nMC_REASON_HIT\n"]);
is('cache.php', $run(file_get_contents(__DIR__ . '/../examples/cache.php'), implode(',', addresses($servers))),
    [0, "5.00 5.00\nprice.4 5\nprice.5 not there\n1 visitors\n"]);
done();
?>
--EXPECT--
as it should be
