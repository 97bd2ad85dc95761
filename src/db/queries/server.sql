-- == health: one row about the server. What the role may not see is NULL.
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

-- == clock: in the session's zone, which is the one that the times in the tables are in.
SELECT now()

-- == has_marks: was the project's own schema ever made here?
SELECT to_regclass('hk_migration.mark') IS NOT NULL

-- == is_sample: is what is in the tables generated?
SELECT EXISTS (SELECT FROM hk_migration.mark WHERE name = 'sample')

-- == token: moves with every committed change of a position, with new signals and new prices, and soon after other
-- changes of those two (from the statistics). A row's xmin is the transaction that wrote it.
SELECT count(*), coalesce(sum(xmin::text::bigint), 0),
       (SELECT max(id) FROM public.trading_signals), (SELECT max(id) FROM public.price_history),
       (SELECT sum(pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname IN ('trading_signals', 'price_history'))
  FROM public.portfolio_positions

-- == portfolios_token: the same for portfolios, where there are any.
SELECT count(*), coalesce(sum(xmin::text::bigint), 0) FROM public.portfolios

-- == public_first: names without a schema are looked up in public before anything else, until DISCARD ALL.
SELECT set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), false)
