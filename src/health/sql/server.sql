-- == state: one row about the server. What the role may not see is NULL.
SELECT current_setting('server_version') AS server_version,
       current_database()::text AS database,
       current_user::text AS role,
       pg_is_in_recovery() AS standby,
       pg_database_size(current_database()) AS size_bytes,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
       current_setting('max_connections')::int AS max_connections,
       (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
         WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
           AND application_name IS DISTINCT FROM 'hk_strategy health'
           AND datname = current_database()) AS longest_transaction_s
