<?php
$pool = new Libmemcache\Client('/etc/memcache/pool.toml');
$pool->add('visits', 0, 3600);
$visits = $pool->increment('visits');
echo $pool->isUnknown() ? "nobody knows: {$pool->getReasonMessage()}\n" : "visit $visits\n";
