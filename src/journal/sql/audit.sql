-- == add: One thing that somebody did, or was refused.
INSERT INTO hk_migration.audit (by, role, address, action, detail, outcome)
VALUES (%(by)s, %(role)s, %(address)s, %(action)s, %(detail)s, %(outcome)s)

-- == read: The newest first.
SELECT at, by, role, address, action, detail, outcome
  FROM hk_migration.audit
 ORDER BY audit_id DESC
 LIMIT %(limit)s

-- == after: Lines that were written since the line with that number, in order.
SELECT at, by, role, address, action, detail, outcome
  FROM hk_migration.audit
 WHERE audit_id > %(after)s
 ORDER BY audit_id

-- == carry: A line of another database's audit, with the time at which it was written there.
INSERT INTO hk_migration.audit (at, by, role, address, action, detail, outcome)
VALUES (%s, %s, %s, %s, %s, %s, %s)
