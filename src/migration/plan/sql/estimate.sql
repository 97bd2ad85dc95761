-- How long the steps of earlier runs on this database took, the newest first, and how large the tables were then
-- (bytes).

-- == earlier: seconds from a step's begin to its end, of the last 30 runs; with what stood in its way, if anything did
SELECT r.phase, e.step, r.started_at, extract(epoch FROM e.at - s.at)::float8, b.detail->'tables'
  FROM hk_migration.event e
  JOIN hk_migration.run r ON r.run_id = e.run_id
  JOIN LATERAL (SELECT s.at FROM hk_migration.event s
                 WHERE s.run_id = e.run_id AND s.step = e.step AND s.kind = 'step' AND s.event_id < e.event_id
                   AND s.detail->>'state' = 'started' ORDER BY s.event_id DESC LIMIT 1) s ON true
  JOIN LATERAL (SELECT b.detail FROM hk_migration.event b
                 WHERE b.run_id = e.run_id AND b.kind = 'run' AND b.event_id < e.event_id AND b.detail ? 'tables'
                 ORDER BY b.event_id DESC LIMIT 1) b ON true
 WHERE e.kind = 'step' AND e.detail->>'state' = 'done'
   AND r.run_id > (SELECT max(run_id) - 30 FROM hk_migration.run)
 ORDER BY e.event_id DESC
