-- Who else is in this database. Of other roles' sessions, a role without pg_read_all_stats (or superuser) sees little
-- more than that they exist: what it cannot see is NULL in pg_stat_activity, and said to be so.

-- == legacy_roles: the roles that may be v1 clients, the owner of the positions first
WITH positions AS (
    SELECT c.oid, c.relowner FROM pg_catalog.pg_class c
     WHERE c.oid = to_regclass('public.portfolio_positions')
), candidates AS (
    SELECT 1 AS rank, r.rolname::text AS role_name
      FROM positions p JOIN pg_catalog.pg_roles r ON r.oid = p.relowner WHERE r.rolcanlogin
    UNION ALL
    SELECT 2, current_user::text
    UNION ALL
    SELECT 3, a.usename::text
      FROM pg_catalog.pg_stat_activity a
     WHERE a.datname = current_database() AND a.usename IS NOT NULL AND a.pid <> pg_backend_pid()
       AND coalesce(a.backend_type, 'client backend') = 'client backend'
       AND NOT starts_with(coalesce(a.application_name, ''), 'hk_strategy')
    UNION ALL
    SELECT 4, r.rolname::text
      FROM pg_catalog.pg_roles r, positions p
     WHERE r.rolcanlogin AND NOT r.rolsuper AND has_database_privilege(r.oid, current_database(), 'CONNECT')
       AND (has_table_privilege(r.oid, p.oid, 'SELECT, INSERT, UPDATE, DELETE')
            OR has_any_column_privilege(r.oid, p.oid, 'SELECT, INSERT, UPDATE'))
)
SELECT role_name FROM candidates GROUP BY role_name ORDER BY min(rank), role_name

-- == sessions: sessions of these roles in this database that are not this project's own
SELECT a.pid, coalesce(a.usename, '')::text, coalesce(a.application_name, ''),
       coalesce(host(a.client_addr), CASE WHEN a.state IS NULL THEN 'not visible' ELSE 'local socket' END),
       coalesce(a.state, 'not visible'),
       CASE WHEN a.state = 'active' THEN 0 ELSE coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0) END,
       extract(epoch FROM clock_timestamp() - a.xact_start), coalesce(a.query, ''),
       a.wait_event_type || ': ' || a.wait_event, NULL
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.usename::text = ANY (%(roles)s) AND a.pid <> pg_backend_pid()
   AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND NOT starts_with(coalesce(a.application_name, ''), 'hk_strategy')
 ORDER BY a.usename, a.application_name, a.pid

-- == lock_holders: who holds or awaits a lock on these tables, or on the compatibility views over them
WITH wanted AS (
    SELECT c.oid
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = ANY (%(tables)s)
       AND (n.nspname = 'public'
            OR (c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'))
), held AS (
    SELECT l.pid, l.virtualtransaction, bool_or(NOT l.granted) AS waiting
      FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'relation' AND l.pid IS DISTINCT FROM pg_backend_pid()
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
       AND l.relation IN (SELECT oid FROM wanted)
     GROUP BY l.pid, l.virtualtransaction
)
SELECT coalesce(h.pid, 0), coalesce(a.usename, x.owner, '')::text,
       CASE WHEN h.pid IS NULL THEN 'prepared transaction ' || coalesce(x.gid, '')
            WHEN a.usename IS NULL THEN coalesce(a.backend_type, 'autovacuum worker')
            WHEN coalesce(a.backend_type, 'client backend') <> 'client backend' THEN a.backend_type
            ELSE coalesce(a.application_name, '') END,
       coalesce(host(a.client_addr), CASE WHEN a.state IS NULL THEN 'not visible' ELSE 'local socket' END),
       CASE WHEN h.pid IS NULL THEN 'prepared' ELSE coalesce(a.state, 'not visible') END,
       CASE WHEN a.state = 'active' THEN 0 ELSE coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0) END,
       extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, x.prepared)), coalesce(a.query, ''),
       coalesce(a.wait_event_type || ': ' || a.wait_event, CASE WHEN h.waiting THEN 'Lock: relation' END),
       CASE WHEN h.pid IS NULL THEN coalesce(x.gid, '') END
  FROM held h
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = h.pid
  LEFT JOIN pg_catalog.pg_locks t ON h.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
                                 AND t.virtualtransaction = h.virtualtransaction
  LEFT JOIN pg_catalog.pg_prepared_xacts x ON x.transaction = t.transactionid
 WHERE coalesce(a.application_name, '') <> 'hk_strategy canary'
 ORDER BY coalesce(a.xact_start, x.prepared) NULLS LAST, h.pid

-- == long_transactions: transactions in this database older than so many seconds; vacuum holds nobody up and is left
-- out, and so are this project's own
SELECT a.pid, coalesce(a.usename, '')::text,
       CASE WHEN coalesce(a.backend_type, 'client backend') <> 'client backend' THEN a.backend_type
            ELSE coalesce(a.application_name, '') END,
       coalesce(host(a.client_addr), 'local socket'), coalesce(a.state, 'not visible'),
       CASE WHEN a.state = 'active' THEN 0 ELSE coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0) END,
       extract(epoch FROM clock_timestamp() - a.xact_start), coalesce(a.query, ''),
       a.wait_event_type || ': ' || a.wait_event, NULL
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND a.xact_start < clock_timestamp() - make_interval(secs => %(older_than_s)s)
   AND coalesce(a.backend_type, 'client backend') NOT LIKE 'autovacuum%%'
   AND NOT starts_with(coalesce(a.application_name, ''), 'hk_strategy')
UNION ALL
SELECT 0, x.owner::text, 'prepared transaction ' || x.gid, 'not visible', 'prepared', 0,
       extract(epoch FROM clock_timestamp() - x.prepared), '', NULL, x.gid
  FROM pg_catalog.pg_prepared_xacts x
 WHERE x.database = current_database()
   AND x.prepared < clock_timestamp() - make_interval(secs => %(older_than_s)s)
 ORDER BY 7 DESC

-- == advisory_lock: who holds this advisory lock in this database
SELECT a.pid, coalesce(a.usename, '')::text, coalesce(a.application_name, ''),
       coalesce(host(a.client_addr), CASE WHEN a.state IS NULL THEN 'not visible' ELSE 'local socket' END),
       coalesce(a.state, 'not visible'),
       CASE WHEN a.state = 'active' THEN 0 ELSE coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0) END,
       extract(epoch FROM clock_timestamp() - a.xact_start), coalesce(a.query, ''),
       a.wait_event_type || ': ' || a.wait_event, NULL
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
   AND l.classid = %(classid)s::bigint::oid AND l.objid = %(objid)s::bigint::oid
 ORDER BY (a.pid = pg_backend_pid()), a.pid LIMIT 1
