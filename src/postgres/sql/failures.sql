-- == exclusive_locks: who holds a lock on a table of public that keeps readers out: the table, the process (0: a
-- prepared transaction), its role, its application, since when (NULL: this role may not see it)
SELECT c.relname::text, coalesce(l.pid, 0), coalesce(a.usename, '')::text, coalesce(a.application_name, ''),
       a.xact_start
  FROM pg_catalog.pg_locks l
  JOIN pg_catalog.pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p', 'v', 'm')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public'
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'AccessExclusiveLock'
   AND l.pid IS DISTINCT FROM pg_backend_pid()
   AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
 ORDER BY 1, 2

-- == missing_grants: the statements that give this role these rights on the tables of a schema, as far as it lacks them
WITH wanted AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = %(schema)s
), on_schema AS (
    SELECT format('GRANT %%s ON SCHEMA %%I TO %%I;', string_agg(r.word, ', ' ORDER BY r.word), w.nspname, current_user)
               AS statement
      FROM wanted w, unnest(%(schema_rights)s::text[]) AS r(word)
     WHERE NOT has_schema_privilege(w.oid, r.word)
     GROUP BY w.nspname
), on_tables AS (
    SELECT w.nspname, c.relname, string_agg(r.word, ', ' ORDER BY r.place) AS words,
           count(*) OVER () AS how_many
      FROM wanted w
      JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind IN ('r', 'p', 'v')
      CROSS JOIN unnest(%(rights)s::text[]) WITH ORDINALITY AS r(word, place)
     WHERE NOT has_table_privilege(c.oid, r.word)
     GROUP BY w.nspname, c.relname
)
SELECT statement FROM on_schema
UNION ALL
(SELECT format('GRANT %%s ON %%I.%%I TO %%I;', words, nspname, relname, current_user)
   FROM on_tables WHERE how_many <= 4 ORDER BY relname)
UNION ALL
SELECT DISTINCT format('GRANT %%s ON ALL TABLES IN SCHEMA %%I TO %%I;', words, nspname, current_user)
  FROM on_tables WHERE how_many > 4
