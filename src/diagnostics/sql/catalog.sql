-- == may_use_table: whether our role has that right on that table
SELECT pg_catalog.has_table_privilege(%s::regclass, %s)

-- == sequences_lacking: sequences of the columns id that our role may not draw from
SELECT s.seq
  FROM unnest(%s::text[]) t,
       LATERAL (SELECT pg_catalog.pg_get_serial_sequence('public.' || t, 'id') AS seq) s
 WHERE s.seq IS NOT NULL AND NOT pg_catalog.has_sequence_privilege(s.seq, 'USAGE')

-- == not_owned: those of these tables that our role does not own
SELECT c.relname
  FROM pg_catalog.pg_class c
 WHERE c.oid = ANY (%s::regclass[]) AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')

-- == views: views with that comment, with the names and types of their columns, in order
SELECT n.nspname, c.relname,
       array_agg(a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum)
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
 WHERE c.relkind = 'v' AND pg_catalog.obj_description(c.oid, 'pg_class') = %s
 GROUP BY 1, 2
 ORDER BY 1, 2

-- == columns: a table's columns, with or without those that v1 does not have
SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod)
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
   AND NOT (a.attname IN ('portfolio_id', 'legacy_symbol') AND %s)
 ORDER BY a.attnum
