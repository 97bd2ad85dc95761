-- One thing that somebody did, or was refused.
INSERT INTO hk_migration.audit (by, role, address, action, detail, outcome)
VALUES (%(by)s, %(role)s, %(address)s, %(action)s, %(detail)s, %(outcome)s)
