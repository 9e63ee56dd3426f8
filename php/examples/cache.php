<?php
// A value that is made when it is not there; and what to do when nobody can tell whether it is.
//
//     php cache.php HOST:PORT,HOST:PORT

$pool = new Libmemcache\Client($argv[1] . '?backups=pairs', ['prefix' => 'shop.', 'throw' => true]);

function price(Libmemcache\Client $pool, int $article): float
{
    try {
        return $pool->get("price.$article", function ($pool, $key, &$price, &$expiration) use ($article) {
            $price = $article * 1.25; // from the database
            $expiration = 300;
            return true;
        });
    } catch (Libmemcache\Unavailable $e) {
        // No miss: the database must not get all the traffic because a server is away. Here it may.
        error_log($e->getMessage());
        return $article * 1.25;
    }
}

printf("%.2f %.2f\n", price($pool, 4), price($pool, 4));
foreach ($pool->getMulti(['price.4', 'price.5'], Libmemcache\Client::GET_PRESERVE_ORDER) as $key => $price) {
    echo $key, ' ', $price ?? 'not there', "\n";
}
printf("%d visitors\n", $pool->increment('visitors', 1, 1));
