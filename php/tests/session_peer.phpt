--TEST--
php-memcached's sessions are read, and ours by php-memcached
--EXTENSIONS--
igbinary
msgpack
memcached
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(1);
session_settings($servers);
session_id('abc');
session_start();
$_SESSION = ['user' => 7, 'list' => [1, 2]];
session_write_close();
ini_set('session.save_handler', 'memcached');
ini_set('session.save_path', $servers[0]->address());
session_id('abc');
session_start();
is('they read ours', $_SESSION, ['user' => 7, 'list' => [1, 2]]);
$_SESSION['user'] = 8;
// While they hold their lock, ours is not to be had.
ini_set('libmemcache.session_lock_wait', '20');
$ours = new Libmemcache\Client(addresses($servers));
is('one lock', $ours->add('memc.sess.key.lock.abc', 'x'), false);
session_write_close();
session_settings($servers);
session_id('abc');
session_start();
is('we read theirs', $_SESSION, ['user' => 8, 'list' => [1, 2]]);
session_write_close();
done();
?>
--EXPECT--
as it should be
