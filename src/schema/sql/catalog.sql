-- == objects: What the schema public holds, one row per thing: (kind, table or view, name, definition). Run with an
-- empty search_path, so that every name in a definition carries its schema.
SELECT 'table', c.relname::text, '', '', true
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'column', c.relname::text, a.attname::text,
       pg_catalog.concat_ws(' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
                 CASE WHEN a.attnotnull THEN 'not null' END,
                 CASE WHEN a.attgenerated <> '' THEN 'generated' WHEN d.adbin IS NOT NULL THEN 'default' END,
                 pg_catalog.pg_get_expr(d.adbin, d.adrelid)), true
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND c.relkind IN ('r', 'p', 'v')
UNION ALL
SELECT 'constraint', c.relname::text, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid), k.convalidated
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND k.contype IN ('p', 'u', 'f', 'c', 'x')
UNION ALL
SELECT 'index', c.relname::text, i.relname::text, pg_catalog.pg_get_indexdef(x.indexrelid),
       x.indisvalid AND x.indisready
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
  JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace
UNION ALL
SELECT 'view', c.relname::text, '', '', true
  FROM pg_catalog.pg_class c
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND c.relkind = 'v'
UNION ALL
SELECT 'function', '', p.oid::pg_catalog.regprocedure::text, pg_catalog.pg_get_function_result(p.oid), true
  FROM pg_catalog.pg_proc p
 WHERE p.pronamespace = 'public'::pg_catalog.regnamespace
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'trigger', c.relname::text, t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled <> 'D'
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
 WHERE c.relnamespace = 'public'::pg_catalog.regnamespace AND NOT t.tgisinternal
 ORDER BY 1, 2, 3
