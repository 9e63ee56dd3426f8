--TEST--
The lock of a session: waited for, owned, expiring, released by compare
--EXTENSIONS--
posix
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
session_settings($servers, ['session.use_strict_mode' => '0']);
$c = new Libmemcache\Client(addresses($servers), PAIRS);
$data = fn () => $c->get('memc.sess.key.abc');
$lock = fn () => $c->get('memc.sess.key.lock.abc');

// A start that failed forgets the id.
function start(): bool
{
    session_id('abc');
    return session_start();
}

// Eight processes, each 25 times, one counter.
$work = function () {
    for ($i = 0; $i < 25; $i++) {
        [$started, $warnings] = warned(fn () => start());
        if (!$started) {
            return $warnings;
        }
        $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
        [, $warnings] = warned(fn () => session_write_close());
        if ($warnings) {
            return $warnings;
        }
    }
    return true;
};
$children = array_map(fn () => start_child($work), range(1, 8));
foreach ($children as $child) {
    is('a process', wait_for($child), true);
}
is('every count', $data(), 'n|i:200;');
is('no lock is left', $lock(), false);

// Who does not get it has no session, and leaves the other's lock alone.
$c->set('memc.sess.key.lock.abc', 'of another', 100);
ini_set('libmemcache.session_lock_wait', '50');
[$started, $warnings] = warned(fn () => start());
is('not started', $started, false);
is('why', str_contains($warnings[0], "Another request holds the session's lock"), true);
is('no id in it', str_contains(implode($warnings), 'abc...'), true);
is("the other's", $lock(), 'of another');
is('nothing changed', $data(), 'n|i:200;');

// It is waited for, and had when it is free.
ini_set('libmemcache.session_lock_wait', '60000');
$child = start_child(function () {
    start();
    $n = $_SESSION['n'];
    session_write_close();
    return $n;
});
is("still the other's", $lock(), 'of another');
$c->delete('memc.sess.key.lock.abc');
is('then it is had', wait_for($child), 200);

// A request that is killed holds its lock until that expires, and no longer.
ini_set('libmemcache.session_lock_expire', '2');
$child = start_child(function ($told) {
    start();
    fwrite($told, 'x');
    posix_kill(getmypid(), 9);
});
pcntl_waitpid($child[0], $status);
is('it is held', strlen($lock()), 32);
is('it is had in the end', start(), true);
$_SESSION['n'] = 201;
session_write_close();
is('written', $data(), 'n|i:201;');
is('too short an expiry', ini_set('libmemcache.session_lock_expire', '1'), false);
is('a date of 1970', ini_set('libmemcache.session_lock_expire', '2592001'), false);
is('thirty days', ini_set('libmemcache.session_lock_expire', '2592000'), '2');
ini_set('libmemcache.session_lock_expire', '60');

// An open session stays where it was read from.
start();
[$set, $warnings] = warned(fn () => ini_set('libmemcache.session_prefix', 'app.'));
is('no other prefix', [$set, $warnings], [false, ['libmemcache.session_prefix cannot be changed while a session is open']]);

// A child that ends leaves its parent the session and its lock.
session_write_close();
[$status, $output] = run_php('<?php
    ob_start();
    foreach (["save_handler" => "libmemcache", "save_path" => $argv[1], "use_cookies" => "0", "cache_limiter" => ""] as $name => $value) {
        ini_set("session.$name", $value);
    }
    session_id("forked");
    session_start();
    if (($pid = pcntl_fork()) === 0) {
        $_SESSION["of"] = "the child";
        exit(0);
    }
    pcntl_waitpid($pid, $status);
    $_SESSION["of"] = "the parent";
    $lock = strlen((string) (new Libmemcache\Client($argv[1]))->get("memc.sess.key.lock.forked"));
    session_write_close();
    session_start();
    echo "$lock, ", $_SESSION["of"];
    session_destroy();', ini_get('session.save_path'));
is('a child that ends', [$status, preg_match('/The session was not written: the process that opened it is another one/', $output),
    str_ends_with($output, '32, the parent')], [0, 1, true]);

// A lock that was taken by another one meanwhile: the write is refused, and the other's lock stays.
ini_set('libmemcache.session_lock_wait', '200');
start();
$c->set('memc.sess.key.lock.abc', 'of another');
$c->set('memc.sess.key.abc', 'n|i:900;');
$_SESSION['n'] = 202;
[, $warnings] = warned(fn () => session_write_close());
is('refused', str_contains($warnings[0] ?? '', 'its lock expired'), true);
is("the other's", [$data(), $lock()], ['n|i:900;', 'of another']);
$c->delete('memc.sess.key.lock.abc');

// One that expired and that nobody has: refused as well, somebody may have had it.
start();
$c->delete('memc.sess.key.lock.abc');
$_SESSION['n'] = 203;
[, $warnings] = warned(fn () => session_write_close());
is('refused', str_contains($warnings[0] ?? '', 'its lock expired'), true);
is('not written', $data(), 'n|i:900;');

// The lock is ours but the data are not what we read: whoever wrote had the lock before us, and was late.
start();
$c->set('memc.sess.key.abc', 'n|i:901;');
$_SESSION['n'] = 204;
[, $warnings] = warned(fn () => session_write_close());
is('refused', str_contains($warnings[0] ?? '', 'another request changed it'), true);
is('not written, and free', [$data(), $lock()], ['n|i:901;', false]);

// What expired while the script ran is written again: its user is here.
start();
$c->delete('memc.sess.key.abc');
$_SESSION['n'] = 205;
session_write_close();
is('written', $data(), 'n|i:205;');
start();
$c->delete('memc.sess.key.abc');
session_write_close();
is('written though nothing changed', $data(), 'n|i:205;');

// Destroyed only under the lock.
start();
$c->set('memc.sess.key.lock.abc', 'of another');
[$destroyed, $warnings] = warned(fn () => session_destroy());
is('not destroyed', [$destroyed, $data(), $lock()], [false, 'n|i:205;', 'of another']);
session_abort();
$c->delete('memc.sess.key.lock.abc');
start();
$c->delete('memc.sess.key.lock.abc');
is('destroyed with a new lock', [session_destroy(), $data(), $lock()], [true, false, false]);

// Without locks two requests do not wait for each other, and the last one wins.
ini_set('libmemcache.session_lock', '0');
start();
is('no lock', $lock(), false);
$c->set('memc.sess.key.abc', 'n|i:1;');
$_SESSION['n'] = 2;
session_write_close();
is('the last', $data(), 'n|i:2;');
done();
?>
--EXPECT--
as it should be
