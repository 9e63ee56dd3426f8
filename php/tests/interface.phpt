--TEST--
The methods are those that interface.php says
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$ours = new ReflectionClass(Libmemcache\Client::class);
$told = [];
$source = str_replace(['class Client', 'class Unavailable'], ['class ToldClient', 'class ToldUnavailable'], file_get_contents(__DIR__ . '/../interface.php'));
eval(substr($source, 5));
$told = new ReflectionClass(Libmemcache\ToldClient::class);
$methods = function ($class) {
    $all = [];
    foreach ($class->getMethods() as $method) {
        $takes = array_map(fn ($p) => [$p->getName(), (string) $p->getType(), $p->isOptional() && $p->isDefaultValueAvailable() ? $p->getDefaultValue() : null], $method->getParameters());
        $all[$method->getName()] = [$takes, (string) $method->getReturnType(), $method->getNumberOfRequiredParameters()];
    }
    ksort($all);
    return $all;
};
is('methods', $methods($ours), $methods($told));
is('constants', array_diff_assoc($told->getConstants(), $ours->getConstants()), []);
// A program's own class on top, as many have one on Memcached.
$mine = new class ([]) extends Libmemcache\Client {
    public function get(string $key, ?callable $cache_cb = null, int $get_flags = 0): mixed
    {
        return [parent::get($key), $this->getReasonName()];
    }
};
is('extended', $mine->get('a'), [false, 'MC_REASON_NO_SERVERS']);
is('the exception', is_subclass_of(Libmemcache\Unavailable::class, RuntimeException::class), true);
done();
?>
--EXPECT--
as it should be
