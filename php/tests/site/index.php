<?php
// A site of one page: counts its visitor's visits, in the session, under its lock. Answers the count only when it is
// known to be written; else what was wrong, with status 500.

$wrong = [];
set_error_handler(function ($level, $text) use (&$wrong) {
    $wrong[] = $text;
    return true;
});
if (session_start()) {
    $count = $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
    session_write_close();
}
if ($wrong === [] && isset($count)) {
    echo $count;
} else {
    http_response_code(500);
    echo implode("\n", $wrong);
}
