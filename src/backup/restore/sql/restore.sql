-- == drops: A statement per object of the user that a dump creates; CASCADE and IF EXISTS, so that their order does not
-- matter.
WITH ns AS (
    SELECT oid, nspname FROM pg_catalog.pg_namespace
     WHERE nspname NOT LIKE 'pg\_%%' AND nspname NOT IN ('information_schema', %(own)s)
), member AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
)
SELECT statement FROM (
    SELECT 1 AS step, format('DROP SCHEMA %%I CASCADE', nspname) AS statement
      FROM ns
     WHERE nspname <> 'public'
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_namespace'::regclass AND objid = ns.oid)
    UNION ALL
    SELECT CASE WHEN c.relkind = 'S' THEN 3 ELSE 2 END,
           format('DROP %%s IF EXISTS public.%%I CASCADE',
                  CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                                 WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END, c.relname)
      FROM pg_catalog.pg_class c JOIN ns ON ns.oid = c.relnamespace
     WHERE ns.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    UNION ALL
    SELECT 4, format('DROP ROUTINE IF EXISTS public.%%I(%%s) CASCADE', p.proname, pg_get_function_identity_arguments(p.oid))
      FROM pg_catalog.pg_proc p JOIN ns ON ns.oid = p.pronamespace
     WHERE ns.nspname = 'public'
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
    UNION ALL
    SELECT 5, format('DROP TYPE IF EXISTS public.%%I CASCADE', t.typname)
      FROM pg_catalog.pg_type t JOIN ns ON ns.oid = t.typnamespace
      LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
     WHERE ns.nspname = 'public' AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_type'::regclass AND objid = t.oid)
    UNION ALL
    SELECT 6, format('SELECT lo_unlink(%%s)', oid) FROM pg_catalog.pg_largeobject_metadata
) AS drops
 ORDER BY step, statement

-- == tables: Every table whose rows can be counted, without a look into it: that would wait for whoever has locked it.
SELECT n.nspname, c.relname, c.reltuples::bigint
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname NOT IN ('information_schema', 'hk_migration')
   AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
 ORDER BY 1, 2

-- == kept: Databases that restores of this one have kept aside, the newest first; a size only where this role may
-- connect.
SELECT d.datname,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END,
       shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d
 WHERE starts_with(d.datname, %(prefix)s) AND starts_with(shobj_description(d.oid, 'pg_database'), %(comment)s)
 ORDER BY d.datname DESC
