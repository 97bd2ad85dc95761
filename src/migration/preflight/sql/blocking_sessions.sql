-- Who is in the way of a run, and may be asked to go. Clients' sessions alone: no worker of the server, none of this
-- project's own.

-- == in_the_way: clients of this database in a transaction that holds, or awaits, a lock on a table that phases lock
-- (or a compatibility view over one), that an index build waits for, or that has been open for so many seconds
WITH wanted AS (
    SELECT c.oid
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = ANY (%(tables)s)
       AND (n.nspname = 'public'
            OR (c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'))
), locking AS (
    SELECT DISTINCT l.pid FROM pg_catalog.pg_locks l
     WHERE l.locktype = 'relation' AND l.relation IN (SELECT oid FROM wanted)
       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    UNION
    SELECT current_locker_pid FROM pg_catalog.pg_stat_progress_create_index WHERE current_locker_pid <> 0
)
SELECT a.pid, coalesce(a.usename, '')::text AS role, coalesce(a.application_name, '') AS application,
       coalesce(host(a.client_addr), CASE WHEN a.state IS NULL THEN 'not visible' ELSE 'local socket' END) AS address,
       coalesce(a.state, 'not visible') AS state,
       CASE WHEN a.state = 'active' THEN 0
            ELSE coalesce(extract(epoch FROM clock_timestamp() - a.state_change), 0) END AS idle,
       extract(epoch FROM clock_timestamp() - a.xact_start) AS transaction,
       coalesce(a.query, '') AS query, a.wait_event_type || ': ' || a.wait_event AS wait, a.backend_start,
       a.pid IN (SELECT pid FROM locking) AS holds_lock
  FROM pg_catalog.pg_stat_activity a
 WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
   AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND a.usesysid IS NOT NULL  -- the kind of a worker is hidden from many roles, but it never has a role itself
   AND NOT starts_with(coalesce(a.application_name, ''), 'hk_strategy')
   AND (a.pid IN (SELECT pid FROM locking)
        OR a.xact_start < clock_timestamp() - make_interval(secs => %(older_than_s)s))
 ORDER BY a.xact_start NULLS LAST, a.pid

-- == cancel: the statement of one of them
SELECT pg_catalog.pg_cancel_backend(%(pid)s)

-- == terminate: one of them; true once it has ended, false when it has not within five seconds
SELECT pg_catalog.pg_terminate_backend(%(pid)s, 5000)
