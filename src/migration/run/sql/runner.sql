-- == lock_targets: what must be locked to change these tables: first the views over them, then those that exist
WITH RECURSIVE base AS (
    SELECT c.oid, c.relname, 0 AS depth FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
       AND c.relname = ANY(%(tables)s)
), over AS (
    SELECT oid, depth FROM base
    UNION
    SELECT w.ev_class, o.depth + 1
      FROM over o
      JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = o.oid
                      AND d.classid = 'pg_rewrite'::regclass
      JOIN pg_rewrite w ON w.oid = d.objid
     WHERE w.ev_class <> o.oid
)
SELECT n.nspname, c.relname
  FROM over o JOIN pg_class c ON c.oid = o.oid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'v')
 GROUP BY n.nspname, c.relname
 ORDER BY max(o.depth) DESC, n.nspname, c.relname

-- == build_progress: how far a session is with the index that it builds, and the session that it waits for (0: none)
SELECT phase, blocks_done, blocks_total, coalesce(current_locker_pid, 0)
  FROM pg_stat_progress_create_index
 WHERE pid = %s

-- == open_transactions: the virtual numbers of the transactions that are open in this database; ours is not among them.
-- Every role may see these, also of other roles' sessions.
SELECT l.virtualxid
  FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND l.pid <> pg_backend_pid()

-- == still_open: those of these numbers whose transactions are open
SELECT virtualxid FROM pg_locks WHERE locktype = 'virtualxid' AND granted AND virtualxid = ANY(%s)

-- == restored_keep: what the archive that a run restored had kept
SELECT max(a.keep)
  FROM hk_migration.archive a JOIN hk_migration.run r ON a.restored_at >= r.started_at
 WHERE r.run_id = %s
