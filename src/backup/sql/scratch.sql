-- == database: Size, encoding and locale of the connected database. The ICU locale's column was renamed in PostgreSQL
-- 17.
SELECT pg_database_size(oid), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', ''),
       coalesce(to_jsonb(d) ->> 'daticurules', '')
  FROM pg_catalog.pg_database d
 WHERE datname = current_database()

-- == other_databases: those that our role may connect to, but for one
SELECT datname
  FROM pg_catalog.pg_database
 WHERE datallowconn AND datname <> %s AND has_database_privilege(oid, 'CONNECT')
