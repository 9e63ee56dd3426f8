--TEST--
What each call answers
--FILE--
<?php
ob_start();
require __DIR__ . '/servers.inc';

use Libmemcache\Client;

[$one, $two] = servers(2);
foreach ([[], ['backups' => 'pairs'], ['prefix' => 'app.']] as $options) {
    $c = new Client([$one->address(), $two->address()], $options);
    $said = function (string $what, string $reason, int $code) use ($c) {
        is("$what: reason", $c->getReasonName(), "MC_REASON_$reason");
        is("$what: constant", $c->getReason(), constant("Libmemcache\\Client::REASON_$reason"));
        is("$what: result", $c->getResultCode(), $code);
    };
    is('a miss', $c->get('a'), false);
    $said('a miss', 'MISS', Client::RES_NOTFOUND);
    is('set', $c->set('a', 'one', 100), true);
    $said('set', 'STORED', Client::RES_SUCCESS);
    is('get', $c->get('a'), 'one');
    $said('get', 'HIT', Client::RES_SUCCESS);
    is('add to what is there', $c->add('a', 'two'), false);
    $said('add', 'NOT_STORED', Client::RES_NOTSTORED);
    is('add', $c->add('b', 'two'), true);
    is('replace', $c->replace('b', 'three'), true);
    is('replace nothing', $c->replace('none', 'x'), false);
    $said('replace', 'NOT_STORED', Client::RES_NOTSTORED);
    is('append', $c->append('b', '>'), true);
    is('prepend', $c->prepend('b', '<'), true);
    is('both', $c->get('b'), '<three>');
    is('append to nothing', $c->append('none', 'x'), false);
    is('touch', $c->touch('b', 50), true);
    $said('touch', 'TOUCHED', Client::RES_SUCCESS);
    is('touch nothing', $c->touch('none', 50), false);
    $said('touch nothing', 'NOT_FOUND', Client::RES_NOTFOUND);
    is('get and touch', $c->getAndTouch('b', 60), '<three>');
    is('expired at once', $c->set('b', 'x', -1), true);
    is('gone', $c->get('b'), false);
    is('delete', $c->delete('a'), true);
    $said('delete', 'DELETED', Client::RES_SUCCESS);
    is('delete again', $c->delete('a'), false);
    $said('delete again', 'NOT_FOUND', Client::RES_NOTFOUND);

    is('count nothing', $c->increment('n'), false);
    $said('count nothing', 'NOT_FOUND', Client::RES_NOTFOUND);
    is('count from', $c->increment('n', 1, 10), 10);
    is('count on', $c->increment('n', 5, 10), 15);
    $said('count', 'NUMBER', Client::RES_SUCCESS);
    is('an integer', $c->get('n'), 15);
    is('down', $c->decrement('n', 6), 9);
    is('the other way', $c->decrement('n', -6), 15);
    is('not below', $c->decrement('n', 100), 0);
    $c->set('text', 'x');
    is('count a text', $c->increment('text'), false);
    $said('count a text', 'REFUSED', Client::RES_SERVER_ERROR);

    $c->set('t', 'one');
    $whole = $c->get('t', null, Client::GET_EXTENDED);
    is('extended', [$whole['value'], $whole['flags'], is_int($whole['cas'])], ['one', 0, true]);
    is('cas', $c->cas($whole['cas'], 't', 'two'), true);
    is('cas again', $c->cas((string) $whole['cas'], 't', 'three'), false);
    $said('cas again', 'EXISTS', Client::RES_DATA_EXISTS);
    $whole = $c->get('t', null, Client::GET_EXTENDED);
    $c->delete('t');
    is('cas of nothing', $c->cas($whole['cas'], 't', 'x'), false);
    $said('cas of nothing', 'NOT_FOUND', Client::RES_NOTFOUND);
    try {
        $c->cas('no number', 't', 'x');
        is('no token', 'taken', 'refused');
    } catch (ValueError) {
    }

    $made = 0;
    $make = function ($client, $key, &$value, &$expiration) use (&$made, $c) {
        is('who asks', [$client === $c, $key], [true, 'made']);
        $value = ['made' => ++$made];
        $expiration = 100;
        return true;
    };
    is('made', $c->get('made', $make), ['made' => 1]);
    is('kept', $c->get('made', $make), ['made' => 1]);
    is('not made', $c->get('unmade', fn () => false), false);
    try {
        $c->get('unmade', fn () => throw new LogicException('so'));
        is('an exception', 'none', 'one');
    } catch (LogicException) {
    }

    is('a bad key', $c->set("with space\n", 1), true);
    is('a bad key', $c->set(str_repeat('k', 300), 1), false);
    $said('a bad key', 'BAD_KEY', Client::RES_BAD_KEY_PROVIDED);
    is('an empty key', $options === ['prefix' => 'app.'] || $c->get('') === false && $c->getReason() === Client::REASON_BAD_KEY, true);
    is('too large', $c->set('large', str_repeat('x', 2 << 20)), false);
    $said('too large', 'REFUSED', Client::RES_SERVER_ERROR);
    is("the server's words", str_contains($c->getReasonMessage(), 'too large'), true);

    is('set many', $c->setMulti(['m1' => 1, 'm2' => [2], 3 => 'three'], 100), true);
    is('get many', $c->getMulti(['m2', 'none', 3, 'm1']), ['m2' => [2], 3 => 'three', 'm1' => 1]);
    is('reasons', $c->getReasons(), ['m2' => Client::REASON_HIT, 'none' => Client::REASON_MISS, 3 => Client::REASON_HIT, 'm1' => Client::REASON_HIT]);
    is('with all keys', $c->getMulti(['m2', 'none'], Client::GET_PRESERVE_ORDER), ['m2' => [2], 'none' => null]);
    $whole = $c->getMulti(['m1'], Client::GET_EXTENDED);
    is('extended', [$whole['m1']['value'], $c->cas($whole['m1']['cas'], 'm1', 5)], [1, true]);
    is('reasons are of many', $c->getReasons(), []);
    is('none', [$c->getMulti([]), $c->setMulti([]), $c->deleteMulti([])], [[], true, []]);
    is('delete many', $c->deleteMulti(['m1', 'none', 'm2']), ['m1' => true, 'none' => Client::RES_NOTFOUND, 'm2' => true]);
    is('a bad key among them', $c->setMulti(['good' => 1, str_repeat('k', 300) => 1]), false);
    is('the good one', $c->get('good'), 1);
    // With flags that nobody has, on whichever server the key lives.
    $odd = ($options['prefix'] ?? '') . 'odd';
    is('what cannot be read keeps its place', [$one->ask("set $odd 9 0 1\r\nx"), $two->ask("set $odd 9 0 1\r\nx"),
        $c->getMulti(['odd', 'good'], Client::GET_PRESERVE_ORDER), $c->getReason()], ["STORED\r\n", "STORED\r\n", ['odd' => null, 'good' => 1], Client::REASON_BAD_VALUE]);

    is('versions', array_keys($c->getVersion()), [$one->address(), $two->address()]);
    is('stats', $c->getStats()[$one->address()]['pid'], $one->pid());
    is('servers', array_map(fn ($s) => [$s['host'], $s['port'], $s['state']], $c->getServerList()), [['127.0.0.1', $one->port, 'steady'], ['127.0.0.1', $two->port, 'steady']]);
    is('where', in_array($c->where('a')['home'], [$one->address(), $two->address()], true), true);
    is('flush', $c->flush(), true);
    is('all gone', $c->getMulti(['t', 'n', 'good']), []);
}
is('the prefix is sent', (function () use ($one) {
    (new Client([$one->address()], ['prefix' => 'app.']))->set('k', 'v');
    return (new Client([$one->address()]))->get('app.k');
})(), 'v');
done();
?>
--EXPECT--
as it should be
