--TEST--
Clients are made of files, servers and options, and share handles
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

use Libmemcache\Client;

[$one, $two] = servers(2);
$connections = fn () => (int) preg_replace('/.*curr_connections (\d+).*/s', '$1', $one->ask('stats'));
$before = $connections();
for ($i = 0; $i < 50; $i++) {
    $c = new Client([$one->address()]);
    $c->set("k$i", $i);
}
is('one connection for all', $connections() - $before, 1);

$c = new Client();
is('no servers', $c->get('a'), false);
is('its reason', $c->getReason(), Client::REASON_NO_SERVERS);
is('add one', $c->addServer('127.0.0.1', $one->port), true);
is('its value', $c->get('k7'), 7);
is('add more', $c->addServers([['127.0.0.1', $two->port, 2], ['localhost', $one->port]]), true);
is('the list', array_column($c->getServerList(), 'port'), [$one->port, $two->port, $two->port, $one->port]);
is('an unknown host', $c->addServer('no-such-host.invalid'), false);
is('its reason', $c->getReason(), Client::REASON_BAD_OPTION);
is('the list', count($c->getServerList()), 4);
is('a text', (new Client("{$one->address()}, {$two->address()}?timeout=400ms"))->getOption('timeout'), '400ms');

$c = new Client([$one->address(), $two->address()], ['backups' => 'pairs', 'connect_timeout' => '700ms', 'timeout' => '2s', 'tcp_nodelay' => true]);
is('options', [$c->getOption('backups'), $c->getOption('timeout'), $c->getOption('connect_timeout'), $c->getOption('tcp_nodelay'), $c->getOption('throw'), $c->getOption('prefix'), $c->getOption('none')],
    ['pairs', '2s', '700ms', 'on', false, '', false]);
is('another', [$c->setOption('timeout', '3s'), $c->getOption('timeout')], [true, '3s']);
is('a bad one', [$c->setOption('timeout', 'soon'), $c->getReason(), $c->getOption('timeout')], [false, Client::REASON_BAD_OPTION, '3s']);

$file = tempnam(sys_get_temp_dir(), 'pool') . '.toml';
file_put_contents($file, "[pool]\nbackup = \"pairs\"\n[[server]]\naddress = \"{$one->address()}\"\n[[server]]\naddress = \"{$two->address()}\"\n");
$c = new Client($file);
is('from a file', [$c->set('f', 1), count($c->getServerList()), $c->getOption('backups')], [true, 2, 'pairs']);
is("the operator's", [$c->setOption('backups', 'none'), $c->getReason()], [false, Client::REASON_BAD_OPTION]);
// Where MEMCACHE_POOL names a file, what the program says of servers and copies is ignored.
putenv("MEMCACHE_POOL=$file");
foreach ([[['127.0.0.1:1'], ['backups' => 'none', 'read_backup' => 'always', 'window' => '1h', 'max_ttl' => '1h', 'timeout' => '7s']], ['127.0.0.1:1?backups=none&timeout=7s', []]] as $i => [$pool, $options]) {
    $c = new Client($pool, $options);
    is("named by the environment $i", [$c->set('e', 1), count($c->getServerList()), $c->getOption('backups'), $c->getOption('timeout')], [true, 2, 'pairs', '7s']);
}
// A handle is that of its file, whatever the working directory or the environment was before.
putenv('MEMCACHE_POOL');
is('not the environment', (new Client([$two->address()]))->getOption('backups'), 'none');
putenv("MEMCACHE_POOL=$file");
is('the environment', (new Client([$two->address()]))->getOption('backups'), 'pairs');
putenv('MEMCACHE_POOL');
is('not any more', (new Client([$two->address()]))->getOption('backups'), 'none');
$here = getcwd();
foreach ([$one, $two] as $server) {
    mkdir("$file.$server->port");
    chdir("$file.$server->port");
    file_put_contents('pool.toml', "[[server]]\naddress = \"{$server->address()}\"\n");
    is('the one that is here', array_column((new Client('pool.toml'))->getServerList(), 'port'), [$server->port]);
    unlink('pool.toml');
    rmdir("$file.$server->port");
}
chdir($here);
unlink($file);
foreach ([['/no/such.toml', []], [['127.0.0.1:1'], ['timeout' => 'soon']], [['127.0.0.1:1'], ['no_option' => 1]], [['127.0.0.1:1'], ['on']], [[1], []], [['no-such-host.invalid'], []], ["\0.toml", []]] as $i => [$pool, $options]) {
    try {
        new Client($pool, $options);
        is("bad $i", 'made', 'refused');
    } catch (ValueError $e) {
        is("bad $i says", strlen($e->getMessage()) > 10, true);
    }
}
foreach ([fn () => clone $c, fn () => serialize($c), fn () => $c->property = 1] as $i => $what) {
    try {
        $what();
        is("impossible $i", 'done', 'refused');
    } catch (Throwable) {
    }
}
// Kept handles have a bound: libmemcache.max_pools is 64.
$before = $connections();
for ($i = 0; $i < 200; $i++) {
    $c = new Client([$one->address()], ['timeout' => (1000 + $i) . 'ms']);
    $c->get('x');
}
is('not without bound', $connections() - $before <= 64, true);
done();
?>
--EXPECT--
as it should be
