-- == missing_grants: the statements that give this role these rights on the tables and views of a schema (or on those named in
-- `only`), and what goes with them on its sequences (SELECT with SELECT, USAGE with INSERT), as far as it lacks them
WITH wanted AS (
    SELECT n.oid, n.nspname FROM pg_catalog.pg_namespace n WHERE n.nspname = %(schema)s
), on_schema AS (
    SELECT format('GRANT %%s ON SCHEMA %%I TO %%I;', string_agg(r.word, ', ' ORDER BY r.word), w.nspname, current_user)
               AS statement
      FROM wanted w, unnest(%(schema_rights)s::text[]) AS r(word)
     WHERE NOT has_schema_privilege(w.oid, r.word)
     GROUP BY w.nspname
), lacking AS (
    SELECT 1 AS place, 'TABLE' AS kind, w.nspname, c.relname, r.word, r.place AS word_place
      FROM wanted w
      JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind IN ('r', 'p', 'v', 'm')
      CROSS JOIN unnest(%(rights)s::text[]) WITH ORDINALITY AS r(word, place)
     WHERE NOT has_table_privilege(c.oid, r.word)
       AND (%(only)s::text[] IS NULL OR c.relname = ANY (%(only)s::text[]))
    UNION ALL
    SELECT 2, 'SEQUENCE', w.nspname, c.relname, s.word, s.place
      FROM wanted w
      JOIN pg_catalog.pg_class c ON c.relnamespace = w.oid AND c.relkind = 'S'
      CROSS JOIN (VALUES ('SELECT', 'SELECT', 1), ('INSERT', 'USAGE', 2)) AS s(with_word, word, place)
     WHERE s.with_word = ANY (%(rights)s::text[]) AND NOT has_sequence_privilege(c.oid, s.word)
       AND (%(only)s::text[] IS NULL
            OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid
                        WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid
                          AND d.deptype IN ('a', 'i') AND t.relname = ANY (%(only)s::text[])))
), on_objects AS (
    SELECT place, kind, nspname, relname, string_agg(word, ', ' ORDER BY word_place) AS words,
           CASE WHEN %(only)s::text[] IS NULL THEN count(*) OVER () ELSE 0 END AS how_many
      FROM lacking
     GROUP BY place, kind, nspname, relname
)
SELECT statement FROM (
    SELECT 0 AS place, '' AS name, statement FROM on_schema
    UNION ALL
    SELECT place, relname, format('GRANT %%s ON %%s%%I.%%I TO %%I;', words, CASE kind WHEN 'SEQUENCE' THEN 'SEQUENCE ' END,
                                  nspname, relname, current_user)
      FROM on_objects WHERE how_many <= 4
    UNION ALL
    SELECT DISTINCT place, words, format('GRANT %%s ON ALL %%sS IN SCHEMA %%I TO %%I;', words, kind, nspname, current_user)
      FROM on_objects WHERE how_many > 4
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
