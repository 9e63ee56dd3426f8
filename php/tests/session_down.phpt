--TEST--
A session and servers that die: its lock and data are on the other, and nothing is never empty
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

$servers = servers(2);
session_settings($servers, ['libmemcache.session_lock_wait' => '5000']);
$c = new Libmemcache\Client(addresses($servers), PAIRS);
foreach ([0, 1] as $dies) {
    $c->flush();
    // Ids that live on either server, their locks too.
    for ($i = 0; $i < 8; $i++) {
        session_id("s$dies$i");
        is('start', session_start(), true);
        $_SESSION['n'] = $i;
        $token = $c->get("memc.sess.key.lock.s$dies$i");
        if ($i === 0) {
            $servers[$dies]->stop();
        }
        is('the lock is found', $c->get("memc.sess.key.lock.s$dies$i"), $token);
        [, $warnings] = warned(fn () => session_write_close());
        is('written', $warnings, []);
        is('free', $c->get("memc.sess.key.lock.s$dies$i"), false);
    }
    for ($i = 0; $i < 8; $i++) {
        session_id("s$dies$i");
        is('start', [session_start(), $_SESSION], [true, ['n' => $i]]);
        if ($i === 4) {
            $servers[$dies]->start();
            wait_until_used($c, $dies);
        }
        $_SESSION['n']++;
        [, $warnings] = warned(fn () => session_write_close());
        is('written', $warnings, []);
    }
    for ($i = 0; $i < 8; $i++) {
        session_id("s$dies$i");
        is('start', [session_start(), $_SESSION], [true, ['n' => $i + 1]]);
        is('destroy', session_destroy(), true);
    }
    // Each server is full again before the next one goes.
    is('nothing is left', $c->getMulti(array_map(fn ($i) => "memc.sess.key.s$dies$i", range(0, 7))), []);
}
// Between a read and a write all goes: the request is told, and has no session from then on.
session_id('last');
ini_set('libmemcache.session_lock_wait', '50');
session_start();
$_SESSION['n'] = 1;
$servers[0]->stop();
$servers[1]->stop();
[, $warnings] = warned(fn () => session_write_close());
is('not written', count($warnings) > 0, true);
foreach (['0', '1'] as $strict) {
    ini_set('session.use_strict_mode', $strict);
    session_id('last');
    unset($_SESSION);
    [$started, $warnings] = warned(fn () => session_start());
    is("no session, strict $strict", [$started, $_SESSION ?? []], [false, []]);
    is('why', str_contains($warnings[0], 'could not be asked'), true);
}
[$started] = warned(fn () => session_start(['save_path' => 'no-such-host.invalid']));
is('no such host', $started, false);
[$started] = warned(fn () => session_start(['save_path' => '']));
is('no path', $started, false);
done();
?>
--EXPECT--
as it should be
