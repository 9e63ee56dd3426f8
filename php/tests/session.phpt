--TEST--
A session: kept, regenerated, destroyed, its time prolonged
--EXTENSIONS--
posix
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
session_settings($servers, ['session.gc_maxlifetime' => '1000']);
$c = new Libmemcache\Client(addresses($servers), PAIRS);
$data = fn ($id) => $c->get("memc.sess.key.$id");
$lock = fn ($id) => $c->get("memc.sess.key.lock.$id");
$left = fn ($id) => array_map(fn ($s) => (int) preg_replace('/.* exp=-?(\d+) .*/s', '$1', $s->ask("me memc.sess.key.$id")), $servers);

is('start', session_start(), true);
$id = session_id();
is('a lock', preg_match('/^[0-9a-f]{32}$/', $lock($id)), 1);
is('on both', array_map(fn ($s) => str_contains($s->ask("get memc.sess.key.lock.$id"), $lock($id)), $servers), [true, true]);
is('new and empty', $_SESSION, []);
$_SESSION['user'] = 7;
session_write_close();
is('written', $data($id), 'user|i:7;');
is('on both', array_map(fn ($s) => str_contains($s->ask("get memc.sess.key.$id"), 'user|i:7;'), $servers), [true, true]);
is('no lock', $lock($id), false);

session_start();
is('read', $_SESSION, ['user' => 7]);
session_abort();
is('abort', [$lock($id), $data($id)], [false, 'user|i:7;']);

// Lazy write: what did not change is not written, but kept longer.
$c->touch("memc.sess.key.$id", 10);
$cas = $c->get("memc.sess.key.$id", null, 2)['cas'];
session_start();
session_write_close();
is('not written', $c->get("memc.sess.key.$id", null, 2)['value'], 'user|i:7;');
is('kept longer', min($left($id)) > 900 ?: $left($id), true);
ini_set('session.lazy_write', '0');
session_start();
session_write_close();
is('written', $c->get("memc.sess.key.$id", null, 2)['cas'] !== $cas, true);
ini_set('session.lazy_write', '1');

is('read and close', [session_start(['read_and_close' => true]), $_SESSION, $lock($id)], [true, ['user' => 7], false]);

session_start();
$_SESSION['more'] = 1;
session_reset();
is('reset', [$_SESSION, strlen($lock($id))], [['user' => 7], 32]);
session_write_close();

// Another id, with and without the old session.
session_start();
$_SESSION['step'] = 1;
is('regenerate', session_regenerate_id(), true);
$second = session_id();
is('another', $second !== $id, true);
is('the old one is written and free', [$data($id), $lock($id)], ['user|i:7;step|i:1;', false]);
is('the new one is locked', strlen($lock($second)), 32);
$_SESSION['step'] = 2;
is('regenerate and delete', session_regenerate_id(true), true);
$third = session_id();
is('the old one is gone', [$data($second), $lock($second)], [false, false]);
session_write_close();
is('the new one', [$data($third), $lock($third)], ['user|i:7;step|i:2;', false]);

session_start();
is('destroy', session_destroy(), true);
is('all gone', [$data($third), $lock($third)], [false, false]);
session_id($third);
session_start();
is('it is new', $_SESSION, []);
is('gc deletes nothing', session_gc(), 0);
session_write_close();

// A time of more than 30 days is a date for memcached.
ini_set('session.gc_maxlifetime', '5000000');
session_start();
$_SESSION['long'] = 1;
session_write_close();
is('long', min($left($third)) > 4900000 ?: $left($third), true);

// Strict mode takes no id that it did not give.
ini_set('session.use_strict_mode', '1');
session_id('foreign');
session_start();
is('not that id', session_id() !== 'foreign', true);
$_SESSION['a'] = 1;
$given = session_id();
session_write_close();
session_id($given);
session_start();
is('but this', [session_id(), $_SESSION], [$given, ['a' => 1]]);
is('regenerate', [session_regenerate_id(true), session_id() !== $given], [true, true]);
session_write_close();
ini_set('session.use_strict_mode', '0');

// An id that cannot be one.
session_id(str_repeat('x', 300));
[$started, $warnings] = warned(fn () => session_start());
is('a long id', [$started, count($warnings)], [false, 2]);

// A prefix of one's own, and a handler of one's own around this one.
ini_set('libmemcache.session_prefix', 'app.');
session_id('abc');
session_set_save_handler(new class extends SessionHandler {
    public function read($id): string|false
    {
        return ($data = parent::read($id)) === false ? false : strrev($data);
    }
    public function write($id, $data): bool
    {
        return parent::write($id, 'x') && parent::write($id, strrev($data));
    }
});
session_start();
$_SESSION['a'] = 1;
session_write_close();
is('wrapped', $c->get('app.abc'), strrev('a|i:1;'));
session_start();
is('unwrapped', $_SESSION, ['a' => 1]);
session_write_close();
is('free', $c->get('app.lock.abc'), false);
done();
?>
--EXPECT--
as it should be
