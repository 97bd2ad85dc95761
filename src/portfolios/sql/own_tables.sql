-- The tables of revisions, and of what copies were taken from. They are in the migration's schema, which restores and
-- rollbacks leave alone, and are made with the first revision (src/schema/sql/own_schema_versions).

-- == state: which of the tables are there, and what the role may do. From the catalogs, since the schema may be there
-- without the right to use it.
SELECT current_user::text, current_database()::text, n.oid IS NOT NULL,
       has_database_privilege(current_database(), 'CREATE'),
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false), coalesce(has_schema_privilege(n.oid, 'CREATE'), false),
       t.tables, t.readable, t.writable, t.owner::text, t.may_change
  FROM (VALUES (1)) one
  LEFT JOIN pg_catalog.pg_namespace n ON n.nspname = 'hk_migration'
 CROSS JOIN LATERAL (
       SELECT count(*), coalesce(bool_and(has_table_privilege(c.oid, 'SELECT')), true),
              coalesce(bool_and(has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')), true),
              max(pg_get_userbyid(c.relowner)), coalesce(bool_and(pg_has_role(c.relowner, 'USAGE')), true)
         FROM pg_catalog.pg_class c
        WHERE c.relnamespace = n.oid AND c.relkind = 'r'
          AND c.relname IN ('save', 'saved_row', 'lineage_base', 'lineage_position')
       ) t(tables, readable, writable, owner, may_change)
