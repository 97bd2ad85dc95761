-- A line of another database's audit, with the time at which it was written there.
INSERT INTO hk_migration.audit (at, by, role, address, action, detail, outcome)
VALUES (%s, %s, %s, %s, %s, %s, %s)
