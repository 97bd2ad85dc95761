-- == begin: a read-only transaction, whose lock waits are short
SET LOCAL transaction_read_only = on;
SET LOCAL lock_timeout = '250ms';
SET LOCAL statement_timeout = '60s';
