-- What a server must have so that a dump of this database can be restored there.
SELECT 'extension', extname FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'
UNION
SELECT 'collation', format('%I.%I', n.nspname, c.collname)
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class r ON r.oid = a.attrelid AND r.relkind IN ('r', 'p', 'v', 'm', 'i', 'I', 'f', 'c')
  JOIN pg_catalog.pg_collation c ON c.oid = a.attcollation
  JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
  JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
 WHERE n.nspname = 'pg_catalog' AND c.collname NOT IN ('default', 'C', 'POSIX')
   AND rn.nspname NOT LIKE 'pg\_%' AND rn.nspname <> 'information_schema' AND a.attnum > 0
UNION
SELECT 'role', r.rolname
  FROM pg_catalog.pg_shdepend d
  JOIN pg_catalog.pg_roles r ON r.oid = d.refobjid
 WHERE d.refclassid = 'pg_authid'::regclass
   AND (d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
        OR d.classid = 'pg_database'::regclass
           AND d.objid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))
   AND r.rolname NOT LIKE 'pg\_%'
UNION
SELECT 'role', pg_get_userbyid(owner)
  FROM (SELECT datdba AS owner FROM pg_catalog.pg_database WHERE datname = current_database()
        UNION SELECT c.relowner FROM pg_catalog.pg_class c
        UNION SELECT p.proowner FROM pg_catalog.pg_proc p
        UNION SELECT t.typowner FROM pg_catalog.pg_type t
        UNION SELECT n.nspowner FROM pg_catalog.pg_namespace n) AS owners
 WHERE pg_get_userbyid(owner) NOT LIKE 'pg\_%'
 ORDER BY 1, 2
