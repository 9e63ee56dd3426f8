--TEST--
A server dies and comes back: no value is lost, none is old, a dead server is no miss
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

use Libmemcache\Client;
use Libmemcache\Unavailable;

$servers = servers(4);
$c = new Client(addresses($servers), PAIRS);
$wanted = [];
for ($i = 0; $i < 400; $i++) {
    $wanted["k$i"] = "value $i";
}
is('stored', $c->setMulti($wanted), true);
is('counter', $c->increment('n', 1, 1), 1);
$counted = 1;
$whole = function (string $when) use ($c, &$wanted) {
    $got = $c->getMulti(array_keys($wanted));
    // Which are not as they should be, and what was said of them.
    $odd = array_filter($wanted, fn ($value, $key) => ($got[$key] ?? null) !== $value, ARRAY_FILTER_USE_BOTH);
    is("$when: all", [array_intersect_key($got ?: [], $odd), array_unique(array_intersect_key($c->getReasons(), $odd))], [[], []]);
    foreach (['k1', 'k77', 'k399'] as $key) {
        is("$when: $key", [$c->get($key), $c->getReasonMessage()], [$wanted[$key], 'MC_REASON_HIT']);
    }
};
$whole('before');
foreach ($servers as $number => $server) {
    $server->stop();
    $whole("server $number is dead");
    foreach (array_keys($wanted) as $i => $key) {
        if ($i % 5 === $number) {
            $wanted[$key] = "changed while $number was dead";
            is("set $key", $c->set($key, $wanted[$key]), true);
        }
    }
    is("count while $number is dead", $c->increment('n'), ++$counted);
    // Another server that answers for a key has other tokens: then it is fetched again, as after any change.
    for ($try = 0; $try < 5 && !($compared = $c->cas($c->get('k3', null, Client::GET_EXTENDED)['cas'], 'k3', $wanted['k3'])); $try++) {
        is('why not', $c->getReasonName(), 'MC_REASON_EXISTS');
    }
    is("compare while $number is dead", $compared, true);
    $whole("changed while $number was dead");
    $server->start();
    wait_until_used($c, $number);
    // Without a daemon a returned server is filled by what is read and written: all of it, before the next one goes.
    $whole("server $number is back");
    is('written again', $c->setMulti($wanted), true);
    is("counter", $c->set('n', $counted), true);
    $whole("server $number is full");
}

// Without backups: what was on a dead server is not known, and that is no miss.
$c = new Client(addresses($servers));
$c->setMulti($wanted);
$here = array_filter(array_keys($wanted), fn ($key) => $c->where($key)['home'] === $servers[1]->address());
$key = array_values($here)[0];
$servers[1]->stop();
$reasons = array_map(function () use ($c, $key) {
    $c->get($key);
    return $c->getReasonName();
}, range(1, 3));
// The first call that finds it dead knows nothing; then another server takes over, and the value is missed.
is('what was on it', array_values(array_diff($reasons, ['MC_REASON_UNAVAILABLE', 'MC_REASON_MISS'])), []);

// With no server at all nothing is known of any key.
foreach ($servers as $server) {
    $server->stop();
}
$none = [
    'get' => [fn ($c) => $c->get('k1'), false],
    'getMulti' => [fn ($c) => $c->getMulti(['k1', 'k2']), false],
    'set' => [fn ($c) => $c->set('k1', 1), false],
    'add' => [fn ($c) => $c->add('k1', 1), false],
    'cas' => [fn ($c) => $c->cas(1, 'k1', 1), false],
    'delete' => [fn ($c) => $c->delete('k1'), false],
    'setMulti' => [fn ($c) => $c->setMulti(['k1' => 1]), false],
    'increment' => [fn ($c) => $c->increment('n', 1, 1), false],
    'touch' => [fn ($c) => $c->touch('k1'), false],
    'getStats' => [fn ($c) => $c->getStats(), false],
    'flush' => [fn ($c) => $c->flush(), false],
];
foreach ($none as $name => [$call, $answer]) {
    is($name, $call($c), $answer);
    is("$name is unknown", [$c->isUnknown(), $c->getResultCode() !== Client::RES_NOTFOUND], [true, true]);
}
is('each is unknown', [$c->deleteMulti(['k1']), $c->getReasons()], [['k1' => Client::RES_SERVER_TEMPORARILY_DISABLED], ['k1' => Client::REASON_UNAVAILABLE]]);
// Of two that fail the one nobody knows of is the outcome, and the sentence is about that one.
$bad = str_repeat('k', 300);
$c->getMulti([$bad, 'k1']);
is('of each', $c->getReasons(), [$bad => Client::REASON_BAD_KEY, 'k1' => Client::REASON_UNAVAILABLE]);
is('the outcome', [$c->getReason(), $c->getReasonMessage()], [Client::REASON_UNAVAILABLE, 'MC_REASON_UNAVAILABLE, for the key "k1" among others']);
is('a callback is not asked', $c->get('k1', fn () => is('asked', true, false)), false);
$c = new Client(addresses($servers), ['throw' => true]);
foreach ($none as $name => [$call]) {
    try {
        $call($c);
        is("$name throws", false, true);
    } catch (Unavailable $e) {
        is("$name: its code", [$e->getCode(), $c->getReason()], [$c->getReason(), $e->getCode()]);
    }
}
done();
?>
--EXPECT--
as it should be
