-- == others: the sessions of other programs in this database, by pid. One that is just starting, and may be
-- seen, has no state and no name yet: it may be this program's own.
SELECT coalesce(array_agg(a.pid ORDER BY a.pid), '{}')
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND NOT starts_with(coalesce(a.application_name, ''), 'hk_strategy')
   AND (a.state IS NOT NULL OR a.backend_start IS NULL)

-- == clock: in the session's zone, which is the one that the times in the tables are in.
SELECT now()

-- == has_marks: was the project's own schema ever made here?
SELECT to_regclass('hk_migration.mark') IS NOT NULL

-- == is_sample: is what is in the tables generated?
SELECT EXISTS (SELECT FROM hk_migration.mark WHERE name = 'sample')

-- == change_single: the clock, whether the project's own schema has what own_changes reads, and what moves with every committed
-- change of a position, with new signals and new prices, and soon after other changes of those two (from the
-- statistics). A row's xmin is the transaction that wrote it.
SELECT now(), (SELECT count(*) = 3 FROM pg_catalog.pg_attribute a
         JOIN (VALUES (to_regclass('hk_migration.event'), 'event_id'), (to_regclass('hk_migration.run'), 'run_id'),
                      (to_regclass('hk_migration.mark'), 'name')) AS own (tbl, col)
           ON a.attrelid = own.tbl AND a.attname = own.col AND NOT a.attisdropped),
       count(*), coalesce(sum(xmin::text::bigint), 0),
       (SELECT max(id) FROM public.trading_signals), (SELECT max(id) FROM public.price_history),
       (SELECT sum(pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname IN ('trading_signals', 'price_history'))
  FROM public.portfolio_positions

-- == change_multi: the same where there are portfolios, and what moves with those.
SELECT now(), (SELECT count(*) = 3 FROM pg_catalog.pg_attribute a
         JOIN (VALUES (to_regclass('hk_migration.event'), 'event_id'), (to_regclass('hk_migration.run'), 'run_id'),
                      (to_regclass('hk_migration.mark'), 'name')) AS own (tbl, col)
           ON a.attrelid = own.tbl AND a.attname = own.col AND NOT a.attisdropped),
       count(*), coalesce(sum(xmin::text::bigint), 0),
       (SELECT max(id) FROM public.trading_signals), (SELECT max(id) FROM public.price_history),
       (SELECT sum(pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid))
          FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = 'public' AND c.relname IN ('trading_signals', 'price_history')),
       (SELECT count(*) FROM public.portfolios),
       (SELECT coalesce(sum(xmin::text::bigint), 0) FROM public.portfolios)
  FROM public.portfolio_positions

-- == change_unknown: the same where none of that can be relied on.
SELECT now(), (SELECT count(*) = 3 FROM pg_catalog.pg_attribute a
         JOIN (VALUES (to_regclass('hk_migration.event'), 'event_id'), (to_regclass('hk_migration.run'), 'run_id'),
                      (to_regclass('hk_migration.mark'), 'name')) AS own (tbl, col)
           ON a.attrelid = own.tbl AND a.attname = own.col AND NOT a.attisdropped)

-- == own_changes: is it a sample? And what moves with the history of runs, and when the session that executes one is
-- gone.
SELECT EXISTS (SELECT FROM hk_migration.mark WHERE name = 'sample'),
       (SELECT max(event_id) FROM hk_migration.event), (SELECT max(run_id) FROM hk_migration.run),
       (SELECT array_agg(l.pid ORDER BY l.pid) FROM pg_catalog.pg_locks l
         WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted
           AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database()))
