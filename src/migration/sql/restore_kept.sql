-- Databases that restores of this one have kept aside, the newest first; a size only where this role may connect.
SELECT d.datname,
       CASE WHEN has_database_privilege(d.oid, 'CONNECT') THEN pg_database_size(d.oid) END,
       shobj_description(d.oid, 'pg_database')
  FROM pg_catalog.pg_database d
 WHERE starts_with(d.datname, %(prefix)s) AND starts_with(shobj_description(d.oid, 'pg_database'), %(comment)s)
 ORDER BY d.datname DESC
