-- Lines that were written since the line with that number, in order.
SELECT at, by, role, address, action, detail, outcome
  FROM hk_migration.audit
 WHERE audit_id > %(after)s
 ORDER BY audit_id
