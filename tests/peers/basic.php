<?php
// php-memcached's basic use, as an application has it, on the server at HOST:PORT; then PHP's own sessions.
//
//     php basic.php HOST PORT
//
// Says what went wrong, and ends with how much was looked at.

[$host, $port] = [$argv[1], (int) $argv[2]];
$looked_at = 0;
$wrong = 0;

function is($what, $got, $wanted)
{
    global $looked_at, $wrong;
    $looked_at++;
    if ($got !== $wanted) {
        $wrong++;
        printf("%s: got %s, not %s\n", $what, var_export($got, true), var_export($wanted, true));
    }
}

function said($what, $memcached, $code)
{
    is("$what: result", $memcached->getResultCode(), $code);
}

function one_by_one($m, $p)
{
    is('a miss', $m->get("{$p}a"), false);
    said('a miss', $m, Memcached::RES_NOTFOUND);
    is('set', $m->set("{$p}a", 'one'), true);
    is('get', $m->get("{$p}a"), 'one');
    is('add to what is there', $m->add("{$p}a", 'two'), false);
    said('add to what is there', $m, Memcached::RES_NOTSTORED);
    is('add', $m->add("{$p}b", 'two', 100), true);
    is('replace', $m->replace("{$p}b", 'three'), true);
    is('replace what is not there', $m->replace("{$p}none", 'x'), false);
    is('touch', $m->touch("{$p}b", 1000), true);
    is('touch what is not there', $m->touch("{$p}none", 1000), false);
    is('delete', $m->delete("{$p}b"), true);
    is('delete again', $m->delete("{$p}b"), false);
    said('delete again', $m, Memcached::RES_NOTFOUND);
    foreach ([0, -7, 2.5, true, false, null, '', "\0\r\nEND\r\n", [1, 'x' => [2, 3]], str_repeat('z', 300000)] as $value) {
        is('set of a type', $m->set("{$p}type", $value), true);
        is('get of a type', $m->get("{$p}type"), $value);
    }
    $m->setOption(Memcached::OPT_COMPRESSION, false);
    is('set', $m->set("{$p}text", 'b'), true);
    is('append', $m->append("{$p}text", 'c'), true);
    is('prepend', $m->prepend("{$p}text", 'a'), true);
    is('get', $m->get("{$p}text"), 'abc');
    is('append to nothing', $m->append("{$p}none", 'c'), false);
    $m->setOption(Memcached::OPT_COMPRESSION, true);
}

function counters($m, $p)
{
    is('increment of nothing', $m->increment("{$p}n"), false);
    is('set', $m->set("{$p}n", 10), true);
    is('increment', $m->increment("{$p}n"), 11);
    is('increment by', $m->increment("{$p}n", 100), 111);
    is('decrement', $m->decrement("{$p}n", 12), 99);
    is('decrement below', $m->decrement("{$p}n", 1000), 0);
}

function compare_and_set($m, $p)
{
    is('set', $m->set("{$p}c", 'one'), true);
    $got = $m->get("{$p}c", null, Memcached::GET_EXTENDED);
    is('get with token', $got['value'], 'one');
    is('cas', $m->cas($got['cas'], "{$p}c", 'two'), true);
    is('cas again', $m->cas($got['cas'], "{$p}c", 'three'), false);
    said('cas again', $m, Memcached::RES_DATA_EXISTS);
    is('get', $m->get("{$p}c"), 'two');
}

function many($m, $p)
{
    $all = [];
    for ($i = 0; $i < 300; $i++) {
        $all["{$p}m$i"] = str_repeat((string) $i, $i % 50);
    }
    is('setMulti', $m->setMulti($all, 500), true);
    $got = $m->getMulti(array_merge(array_keys($all), ["{$p}none"]));
    ksort($got);
    ksort($all);
    is('getMulti', $got, $all);
    $names = array_slice(array_keys($all), 0, 20);
    is('getDelayed', $m->getDelayed($names, true), true);
    is('fetchAll', count($m->fetchAll()), 20);
    is('deleteMulti', array_unique(array_values($m->deleteMulti($names))), [true]);
    is('getMulti of nothing', $m->getMulti($names), []);
}

function everybody($m, $host, $port)
{
    $name = "$host:$port";
    is('getVersion', preg_match('/^\d+\.\d+/', $m->getVersion()[$name] ?? ''), 1);
    is('getStats', isset($m->getStats()[$name]['uptime']), true);
    is('flush', $m->set('before-flush', 1) && $m->flush(), true);
    is('get after flush', $m->get('before-flush'), false);
}

foreach (['plain' => [], 'noreply' => [Memcached::OPT_NO_BLOCK => true, Memcached::OPT_TCP_NODELAY => true],
          'prefix' => [Memcached::OPT_PREFIX_KEY => 'prefix:'],
          'ketama' => [Memcached::OPT_LIBKETAMA_COMPATIBLE => true],
          'serialized' => [Memcached::OPT_SERIALIZER => Memcached::SERIALIZER_PHP]] as $name => $options) {
    $m = new Memcached();
    $m->setOptions($options + [Memcached::OPT_CONNECT_TIMEOUT => 5000, Memcached::OPT_POLL_TIMEOUT => 20000]);
    $m->addServer($host, $port);
    everybody($m, $host, $port);
    $p = "php-$name-";
    one_by_one($m, $p);
    counters($m, $p);
    compare_and_set($m, $p);
    many($m, $p);
    $m->quit();
}

// Buffered writes are sent when something is asked.
$m = new Memcached();
$m->addServer($host, $port);
$m->setOption(Memcached::OPT_BUFFER_WRITES, true);
for ($i = 0; $i < 100; $i++) {
    $m->set("php-buffered-$i", $i);
}
is('get of what was buffered', $m->get('php-buffered-99'), 99);

// Sessions: a handler that locks, in the same process twice.
ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', "$host:$port");
ini_set('session.use_cookies', '0');
ini_set('memcached.sess_locking', '1');
// The binary protocol, which sessions have unless told otherwise, is spoken by memcached alone.
ini_set('memcached.sess_binary_protocol', '0');
ini_set('session.cache_limiter', '');
ob_start();
session_id('abcdefghij0123456789');
is('session_start', session_start(), true);
$_SESSION['basket'] = ['apples' => 3];
is('session_write_close', session_write_close(), true);
$_SESSION = [];
is('session_start', session_start(), true);
is('the session', $_SESSION, ['basket' => ['apples' => 3]]);
is('session_destroy', session_destroy(), true);
is('session_start', session_start(), true);
is('the session after its end', $_SESSION, []);
session_write_close();
ob_end_flush();

echo "$looked_at looked at, $wrong wrong\n";
exit($wrong === 0 && $looked_at > 300 ? 0 : 1);
