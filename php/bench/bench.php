<?php
// Speed beside php-memcached, in one process and on the same servers: get, set and getMulti of 100.
//
//     php bench.php [SECONDS [ROUNDS]]
//
// On two servers that it starts. The clients take turns, SECONDS each (0.1), ROUNDS times (20), and the best round of each counts: what else the
// machine does only ever makes a round slower. Every answer is looked at; a wrong one ends the run.

require __DIR__ . '/../tests/servers.inc';

$servers = addresses(servers(2));
$seconds = (float) ($argv[1] ?? 0.1);
$rounds = (int) ($argv[2] ?? 20);

function check($right, $what)
{
    if (!$right) {
        fwrite(STDERR, "bench: a wrong answer: $what\n");
        exit(1);
    }
}

$theirs = function (bool $binary) use ($servers) {
    $client = new Memcached();
    $client->setOption(Memcached::OPT_TCP_NODELAY, true);
    $client->setOption(Memcached::OPT_BINARY_PROTOCOL, $binary);
    foreach ($servers as $server) {
        [$host, $port] = explode(':', $server);
        $client->addServer($host, (int) $port);
    }
    return $client;
};

$clients = [
    'libmemcache' => new Libmemcache\Client($servers),
    'php-memcached' => $theirs(false),
    'php-memcached, binary' => $theirs(true),
];
$with_backups = count($servers) > 1 ? new Libmemcache\Client($servers, ['backups' => 'pairs', 'timeout' => '501ms']) : null;
if ($with_backups !== null) {
    $clients['libmemcache, backups = "pairs"'] = $with_backups;
}

$value = str_repeat('x', 100);
$big = str_repeat('0123456789', 1000);
$many = [];
for ($i = 0; $i < 100; $i++) {
    $many["bench-many-$i"] = "$i-$value";
}
$keys = array_keys($many);

$calls = [
    'get, 100 bytes' => fn ($c, $n) => check($c->get('bench-small') === $value, 'get'),
    'set, 100 bytes' => fn ($c, $n) => check($c->set('bench-small', $value), 'set'),
    'get, 10,000 bytes' => fn ($c, $n) => check($c->get('bench-big') === $big, 'get'),
    'set, an integer' => fn ($c, $n) => check($c->set('bench-number', $n), 'set'),
    'getMulti(100)' => fn ($c, $n) => check($c->getMulti($keys) == $many, 'getMulti'),
    'setMulti(100)' => fn ($c, $n) => check($c->setMulti($many), 'setMulti'),
];

printf("microseconds for a call, the best of %d rounds of %.1f s; %d servers, PHP %s, php-memcached %s\n\n", $rounds, $seconds,
    count($servers), PHP_VERSION, phpversion('memcached'));
printf("| %-30s |%s\n|%s|%s\n", '', implode('', array_map(fn ($name) => sprintf(' %17s |', $name), array_keys($calls))),
    str_repeat('-', 32), str_repeat(str_repeat('-', 18) . ':|', count($calls)));
foreach ($calls as $call => $body) {
    foreach ($clients as $name => $client) {
        $best[$name][$call] = INF;
        $client->set('bench-small', $value);
        // php-memcached would pack it; the question is the way to the server and back.
        if ($client instanceof Memcached) {
            $client->setOption(Memcached::OPT_COMPRESSION, false);
        }
        $client->set('bench-big', $big);
        $client->setMulti($many);
    }
    for ($round = 0; $round < $rounds; $round++) {
        foreach ($clients as $name => $client) {
            // With other places than ours the values may be elsewhere: each client stores its own first.
            $client->set('bench-small', $value);
            $client->set('bench-big', $big);
            $client->setMulti($many);
            $n = 0;
            $began = hrtime(true);
            $end = $began + $seconds * 1e9;
            do {
                for ($i = 0; $i < 20; $i++) {
                    $body($client, $n++);
                }
                $now = hrtime(true);
            } while ($now < $end);
            $best[$name][$call] = min($best[$name][$call], ($now - $began) / 1000 / $n);
        }
    }
}
foreach ($best as $name => $row) {
    printf("| %-30s |%s\n", $name, implode('', array_map(fn ($us) => sprintf(' %17.1f |', $us), $row)));
}
