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

-- == tables: Every table whose rows can be counted, without reading it: that would wait for whoever has locked it.
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

-- == target: the database that is to be restored, and what our role may do with it
SELECT current_database(), current_user, r.rolsuper, (r.rolcreatedb OR r.rolsuper) AND pg_has_role(d.datdba, 'MEMBER'),
       pg_get_userbyid(d.datdba), to_regnamespace(%s) IS NOT NULL,
       pg_has_role((SELECT nspowner FROM pg_catalog.pg_namespace WHERE nspname = 'public'), 'USAGE')
  FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
 WHERE r.rolname = current_user AND d.datname = current_database()

-- == role_settings: settings of the database, and of roles in it (role NULL: for all)
SELECT r.rolname, unnest(s.setconfig)
  FROM pg_catalog.pg_db_role_setting s
  JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
 WHERE d.datname = current_database()
 ORDER BY 1 NULLS FIRST

-- == database_grants: rights on the database (role NULL: PUBLIC)
SELECT CASE WHEN grantee = 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type, is_grantable
  FROM pg_catalog.pg_database, aclexplode(datacl)
 WHERE datname = current_database()

-- == roles_connected: roles with a session in this database
SELECT DISTINCT usename::text
  FROM pg_catalog.pg_stat_activity
 WHERE datname = current_database() AND usename IS NOT NULL

-- == lockable: what a client can lock, but for one schema; views first, since locking one locks the tables below it
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('v', 'r', 'p') AND c.relpersistence <> 't' AND n.nspname <> %s
   AND n.nspname NOT LIKE 'pg\_%%' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY c.relkind <> 'v', 1, 2

-- == foreign_sessions: sessions of a database that our role may not end
SELECT a.pid, a.usename, a.application_name
  FROM pg_catalog.pg_stat_activity a JOIN pg_catalog.pg_roles r ON r.oid = a.usesysid
 WHERE a.datname = %s AND a.pid <> pg_backend_pid()
   AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user)
   AND NOT pg_has_role(a.usesysid, 'USAGE')
   AND (r.rolsuper OR NOT pg_has_role('pg_signal_backend', 'USAGE'))

-- == leftovers: databases with that beginning and comment that nobody is connected to
SELECT datname
  FROM pg_catalog.pg_database d
 WHERE starts_with(datname, %s) AND shobj_description(oid, 'pg_database') = %s
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity a WHERE a.datname = d.datname)

-- == number_archives_on: the next archive gets a number that neither the backup nor the live database has given
SELECT setval('hk_migration.archive_archive_id_seq', greatest(a.newest, s.last_value),
              s.is_called OR a.newest >= s.last_value)
  FROM hk_migration.archive_archive_id_seq s,
       (SELECT coalesce(max(archive_id), 0) AS newest FROM hk_migration.archive) a

-- == tables_but_audit: tables of a schema, without the audit
SELECT c.relname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = %s AND c.relkind IN ('r', 'p') AND c.relname <> 'audit'

-- == not_owned: who owns what a restore in place drops, as far as this role may not drop it: the owner, whether that is a
-- superuser, and the names
WITH ns AS (
    SELECT oid, nspname, nspowner FROM pg_catalog.pg_namespace
     WHERE nspname NOT LIKE 'pg\_%%' AND nspname NOT IN ('information_schema', %(own)s)
), member AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), dropped AS (
    SELECT ns.nspowner AS owner, 'schema ' || quote_ident(ns.nspname) AS name
      FROM ns
     WHERE ns.nspname <> 'public'
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_namespace'::regclass AND objid = ns.oid)
    UNION ALL
    SELECT c.relowner, c.relname::text
      FROM pg_catalog.pg_class c JOIN ns ON ns.oid = c.relnamespace
     WHERE ns.nspname = 'public' AND NOT pg_has_role(ns.nspowner, 'USAGE') AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
    UNION ALL
    SELECT p.proowner, 'function ' || p.proname
      FROM pg_catalog.pg_proc p JOIN ns ON ns.oid = p.pronamespace
     WHERE ns.nspname = 'public' AND NOT pg_has_role(ns.nspowner, 'USAGE')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
)
SELECT r.rolname::text, r.rolsuper, array_agg(d.name ORDER BY d.name)
  FROM dropped d JOIN pg_catalog.pg_roles r ON r.oid = d.owner
 WHERE NOT pg_has_role(d.owner, 'USAGE')
 GROUP BY 1, 2
 ORDER BY 1
