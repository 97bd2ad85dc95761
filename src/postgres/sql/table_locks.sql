-- == of: who holds or awaits a lock in one of these modes on a table or view of public or hk_migration: the table, the
-- process (0: a prepared transaction), its role, its application, since when (NULL: this role may not see it), the mode,
-- the processes that it waits for, and whether it holds it
SELECT CASE n.nspname WHEN 'public' THEN c.relname::text ELSE n.nspname || '.' || c.relname END, coalesce(l.pid, 0),
       coalesce(a.usename, '')::text, coalesce(a.application_name, ''), a.xact_start, l.mode,
       CASE WHEN l.granted THEN '{}' ELSE pg_catalog.pg_blocking_pids(l.pid) END, l.granted
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'v', 'm')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname IN ('public', 'hk_migration')
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.mode = ANY (%(modes)s)
   AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
 ORDER BY 1, 2, 6
