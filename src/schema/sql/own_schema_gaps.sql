-- == columns: (table, column) of hk_migration as it is, and whether this role may read the table. From the catalogs alone.
SELECT c.relname::text, a.attname::text,
       has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE n.nspname = 'hk_migration' AND c.relkind IN ('r', 'p')

-- == has_rows: whether a table has any
SELECT EXISTS (SELECT FROM {tbl})
