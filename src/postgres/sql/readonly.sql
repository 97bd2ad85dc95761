-- == begin: a look changes nothing, and waits for nobody for long
SET LOCAL transaction_read_only = on;
SET LOCAL lock_timeout = '250ms';
SET LOCAL statement_timeout = '60s';
