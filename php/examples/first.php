<?php
$pool = new Libmemcache\Client(['127.0.0.1:11211']);
$pool->set('greeting', ['hello', 'world'], 60);
print_r($pool->get('greeting'));
echo $pool->getReasonName(), "\n";
