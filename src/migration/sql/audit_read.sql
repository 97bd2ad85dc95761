-- The newest first.
SELECT at, by, role, address, action, detail, outcome
  FROM hk_migration.audit
 ORDER BY audit_id DESC
 LIMIT %(limit)s
