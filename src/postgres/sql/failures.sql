-- == missing_grants: the statements that give this role rights that it lacks on tables and views of a schema. `rights` is a JSON
-- object: the rights on a table by its name, "*" on those not named. With them go USAGE of the sequence of a table that
-- is inserted into, and, with `sequences`, SELECT of the sequence of one that is read. What belongs to `without_owner` is left out.
WITH wanted AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = %(schema)s
), on_schema AS (
    SELECT w.nspname, string_agg(r.word, ', ' ORDER BY r.word) AS words
      FROM wanted w, unnest(%(schema_rights)s::text[]) AS r(word)
     WHERE NOT has_schema_privilege(w.oid, r.word)
     GROUP BY w.nspname
), objects AS (
    SELECT w.nspname, c.oid, c.relname, c.relowner, CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind,
           coalesce(t.relname, CASE WHEN c.relkind <> 'S' THEN c.relname ELSE '' END) AS tbl, d.deptype
      FROM wanted w
      JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
      LEFT JOIN pg_catalog.pg_depend d ON c.relkind = 'S' AND d.classid = 'pg_catalog.pg_class'::regclass
                                      AND d.objid = c.oid AND d.deptype IN ('a', 'i')
      LEFT JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
), asked AS (
    SELECT o.*, r.word, r.place
      FROM objects o
      CROSS JOIN LATERAL jsonb_array_elements_text(
               coalesce(%(rights)s::jsonb -> o.tbl::text, %(rights)s::jsonb -> '*', '[]')) WITH ORDINALITY AS r(word, place)
), lacking AS (
    SELECT kind, nspname, relname, relowner, word, place FROM asked
     WHERE kind = 'TABLE' AND NOT has_table_privilege(oid, word)
    UNION ALL
    SELECT a.kind, a.nspname, a.relname, a.relowner, s.word, s.place
      FROM asked a
      JOIN (VALUES ('SELECT', 'SELECT', 1), ('INSERT', 'USAGE', 2)) AS s(with_word, word, place) ON s.with_word = a.word
     WHERE a.kind = 'SEQUENCE' AND NOT has_sequence_privilege(a.oid, s.word)
       AND CASE s.word WHEN 'SELECT' THEN %(sequences)s::boolean ELSE a.deptype IS DISTINCT FROM 'i' END
), on_objects AS (
    SELECT kind, nspname, relname, string_agg(word, ', ' ORDER BY place) AS words
      FROM lacking
     WHERE pg_get_userbyid(relowner) IS DISTINCT FROM %(without_owner)s::text
     GROUP BY kind, nspname, relname
), alike AS (
    SELECT kind, nspname, relname, words, count(*) OVER () AS how_many, count(*) OVER (PARTITION BY kind, words) AS same,
           (SELECT count(*) FROM objects o WHERE o.kind = on_objects.kind) AS there
      FROM on_objects
)
SELECT statement, names FROM (
    SELECT 0 AS place, '' AS name, format('GRANT %%s ON SCHEMA %%I TO %%I;', words, nspname, current_user) AS statement,
           ARRAY[format('schema %%I', nspname)] AS names
      FROM on_schema
    UNION ALL
    SELECT CASE kind WHEN 'TABLE' THEN 1 ELSE 2 END, min(relname),
           format(CASE WHEN how_many > 4 AND same = there THEN 'GRANT %%1$s ON ALL %%2$sS IN SCHEMA %%3$I TO %%5$I;'
                       WHEN kind = 'TABLE' THEN 'GRANT %%1$s ON %%4$s TO %%5$I;'
                       ELSE 'GRANT %%1$s ON SEQUENCE %%4$s TO %%5$I;' END,
                  words, kind, nspname, string_agg(format('%%I.%%I', nspname, relname), ', ' ORDER BY relname), current_user),
           array_agg(format('%%I.%%I', nspname, relname) ORDER BY relname)
      FROM alike
     GROUP BY kind, nspname, words, how_many, same, there, CASE WHEN how_many <= 4 THEN relname END
) AS all_of_them
 ORDER BY place, name

-- == grants_to_make: the statement that lets this role make schema hk_migration where it is not there
SELECT format('GRANT CREATE ON DATABASE %I TO %I;', current_database(), current_user)
 WHERE to_regnamespace('hk_migration') IS NULL AND NOT has_database_privilege(current_database(), 'CREATE')

-- == missing_on_database: the statement that gives this role those of these rights on the database that it lacks
SELECT format('GRANT %%s ON DATABASE %%I TO %%I;', string_agg(r.word, ', '), current_database(), current_user)
  FROM unnest(%(rights)s::text[]) AS r(word)
 WHERE NOT has_database_privilege(current_database(), r.word)
HAVING count(*) > 0
