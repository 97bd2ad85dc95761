-- == collations: that this server has
SELECT format('%I.%I', n.nspname, c.collname)
  FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace
