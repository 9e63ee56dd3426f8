--TEST--
A million calls leave no memory behind (LMC_LEAK_CALLS; here a part of them)
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
session_settings($servers);
$c = new Libmemcache\Client(addresses($servers), PAIRS);
$c->setMulti(['a' => 1, 'b' => [1, 2], 'c' => str_repeat('x', 3000)]);
$resident = fn () => (int) preg_replace('/.*VmRSS:\s+(\d+).*/s', '$1', file_get_contents('/proc/self/status'));
$round = function () use ($c, $servers) {
    $c->set('k', ['some' => 'thing']);
    $c->get('k');
    $c->get('c', null, Libmemcache\Client::GET_EXTENDED);
    $c->get('none', fn ($c, $k, &$v) => false);
    $c->get(str_repeat('k', 300));
    $c->getReasonMessage();
    $c->getMulti(['a', 'b', 'c', 'none']);
    $c->getReasons();
    $c->setMulti(['d' => 1, 'e' => 'two']);
    $c->deleteMulti(['d', 'e', 'none']);
    $c->increment('n', 1, 1);
    $c->cas(1, 'a', 2);
    $c->getAndTouch('c', 100);
    (new Libmemcache\Client(addresses($servers), ['timeout' => '300ms']))->get('a');
};
$session = function ($i) {
    session_id("leak$i");
    session_start();
    $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
    session_write_close();
    session_start();
    session_destroy();
};
$calls = max((int) (getenv('LMC_LEAK_CALLS') ?: 40000), 4000);
$rounds = intdiv($calls, 16);
$run = function ($from, $to) use ($round, $session) {
    for ($i = $from; $i < $to; $i++) {
        $round();
        if ($i % 10 === 0) {
            $session($i % 100);
        }
    }
};
$run(0, intdiv($rounds, 4));
[$before, $php] = [$resident(), memory_get_usage()];
$run(intdiv($rounds, 4), $rounds);
is('in PHP', ($more = memory_get_usage() - $php) < 4096 ?: $more, true);
// A leak of one small piece in each round would be more than this; the allocator's own habits are less.
is('in the process, KiB', ($more = $resident() - $before) < max(512, intdiv($rounds * 16, 1024)) ?: $more, true);
done();
?>
--EXPECT--
as it should be
