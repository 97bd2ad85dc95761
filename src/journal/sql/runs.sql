-- == records: Runs, newest first, each with the state that follows from its events. A run that never ended and that no session
-- holds the lock for any more is interrupted; so is the first half of a rollback from v3 to v1 whose second half did
-- not begin. One that a later run undid is undone. An outcome without a state is none.
WITH held AS (
    SELECT EXISTS (SELECT FROM pg_catalog.pg_locks
                    WHERE locktype = 'advisory' AND classid = %(lock_class)s AND objid = %(lock_object)s
                      AND objsubid = 2 AND granted
                      AND pid NOT IN (SELECT a.pid FROM pg_catalog.pg_stat_activity a
                                       WHERE a.application_name = 'hk_strategy restore')
                      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())) AS lock
)
SELECT r.run_id, r.phase, r.from_version, r.to_version, r.started_at,
       CASE WHEN ended.resumed THEN NULL ELSE ended.at END,
       r.started_by,
       CASE WHEN ended.at IS NOT NULL AND NOT ended.resumed
                 AND NOT (ended.detail->>'state' = 'done' AND coalesce(r.options->'then_v1' = 'true', false)
                          AND r.run_id = (SELECT max(run_id) FROM hk_migration.run)) THEN ended.detail->>'state'
            WHEN held.lock AND r.run_id = (SELECT max(run_id) FROM hk_migration.run) THEN 'running'
            ELSE 'interrupted' END,
       coalesce(CASE WHEN ended.resumed THEN NULL ELSE ended.message END, last.message, ''),
       (SELECT e.detail->>'backup' FROM hk_migration.event e
         WHERE e.run_id = r.run_id AND e.detail->>'backup' IS NOT NULL ORDER BY e.event_id DESC LIMIT 1),
       (SELECT max(CASE jsonb_typeof(e.detail->'stall_ms') WHEN 'number' THEN (e.detail->>'stall_ms')::numeric END)
          FROM hk_migration.event e WHERE e.run_id = r.run_id),
       (SELECT count(DISTINCT e.step) FROM hk_migration.event e
         WHERE e.run_id = r.run_id AND e.kind = 'step' AND e.detail->>'state' IN ('done', 'skipped')
           AND EXISTS (SELECT FROM jsonb_array_elements(steps.planned) AS step (value) WHERE step.value->>'name' = e.step)),
       jsonb_array_length(steps.planned),
       last.step,
       (SELECT e.detail->'rows' FROM hk_migration.event e
         WHERE e.run_id = r.run_id AND e.kind = 'proof' AND e.detail->'rows' IS NOT NULL ORDER BY e.event_id DESC LIMIT 1),
       r.sql_files,
       r.options->'actor'
  FROM held, hk_migration.run r
 CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(r.steps) WHEN 'array' THEN r.steps ELSE '[]' END AS planned) steps
  LEFT JOIN LATERAL (
       SELECT e.at, e.message, e.detail,
              EXISTS (SELECT FROM hk_migration.event later
                       WHERE later.run_id = r.run_id AND later.event_id > e.event_id AND later.kind = 'run') AS resumed
         FROM hk_migration.event e
        WHERE e.run_id = r.run_id AND e.kind = 'outcome' AND e.detail->>'state' IS NOT NULL ORDER BY e.event_id DESC LIMIT 1) ended ON true
  LEFT JOIN LATERAL (
       SELECT e.message, e.step FROM hk_migration.event e
        WHERE e.run_id = r.run_id AND e.kind IN ('run', 'step') ORDER BY e.event_id DESC LIMIT 1) last ON true
 ORDER BY r.run_id DESC
 LIMIT %(limit)s

-- == start: a run, before its first step
INSERT INTO hk_migration.run (phase, from_version, to_version, started_by, options, steps, sql_files)
VALUES (%s, %s, %s, session_user || ' (' || %s || ')', %s, %s, %s)
RETURNING run_id

-- == add_event: one event of a run
INSERT INTO hk_migration.event (run_id, at, kind, step, message, done, total, detail)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)

-- == events: of a run, with an id greater than that
SELECT event_id, at, run_id, kind, step, message, done, total, detail
  FROM hk_migration.event
 WHERE run_id = %s AND event_id > %s
 ORDER BY event_id

-- == pause_asked_by: who asked the run to pause since it began, or went on, last
SELECT coalesce(detail->>'by', 'somebody')
  FROM hk_migration.event
 WHERE run_id = %(run)s AND kind = 'pause'
   AND event_id > (SELECT max(event_id) FROM hk_migration.event WHERE run_id = %(run)s AND kind = 'run')
 ORDER BY event_id
 LIMIT 1

-- == is_orphan: whether this session executed the newest run, and no journal's session is there
SELECT (SELECT detail->>'pid' FROM hk_migration.event WHERE kind = 'run' ORDER BY event_id DESC LIMIT 1) = %s
       AND NOT EXISTS (SELECT FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'hk_strategy journal')
