<?php
// held.php POOL lock|data: opens a session whose lock and data live on different servers, tells whose home it is that
// shall hang, and waits for a line. Then the session is written, and another request's must be had at once.

[, $pool, $what] = $argv;
$wrong = [];
set_error_handler(function ($level, $text) use (&$wrong) {
    $wrong[] = $text;
    return true;
});
foreach (['session.save_handler' => 'libmemcache', 'session.save_path' => $pool, 'session.use_cookies' => '0', 'session.cache_limiter' => ''] as $name => $value) {
    ini_set($name, $value);
}
$client = new Libmemcache\Client($pool);
for ($i = 0; ; $i++) {
    $data = $client->where("memc.sess.key.$what$i");
    $lock = $client->where("memc.sess.key.lock.$what$i");
    if (!in_array($lock['home'], [$data['home'], $data['backup']], true)) {
        break;
    }
}
session_id("$what$i");
session_start();
$_SESSION['n'] = 1;
session_write_close();
session_start();
$_SESSION['n']++;
echo ${$what}['home'], "\n";
fgets(STDIN);
session_write_close();
ini_set('libmemcache.session_lock_wait', '3000');
$started = session_start();
ini_set('libmemcache.session_lock_wait', '10000');
if ($started && $_SESSION['n'] !== 2) {
    $wrong[] = "n is {$_SESSION['n']}";
}
session_write_close();
echo $wrong === [] ? 'written and free' : implode('; ', $wrong), "\n";
