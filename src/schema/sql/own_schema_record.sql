-- == lock: one session at a time makes or changes hk_migration
SELECT pg_advisory_xact_lock(hashtextextended('hk_strategy:hk_migration', 0))

-- == comments: (table, its comment) of %(tables)s, as far as they are there. From the catalogs alone, since the role may
-- lack the right to use the schema.
SELECT c.relname::text, obj_description(c.oid, 'pg_class')
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = 'hk_migration' AND c.relname = ANY(%(tables)s) AND c.relkind = 'r'

-- == record: the version of the part whose first table is `tbl`
COMMENT ON TABLE {tbl} IS {version}
