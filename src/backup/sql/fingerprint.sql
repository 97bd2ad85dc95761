-- == tables: Every table whose rows a dump holds: the user's own, partitions each for themselves, and of extensions
-- those that they register as configuration. `readable`: the role may read it (and enter its schema).
SELECT n.nspname, c.relname, pg_table_size(c.oid),
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r'
   AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                     JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                      AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
                      AND NOT c.oid = ANY (coalesce(e.extconfig, '{}')))
 ORDER BY 1, 2

-- == sequences: Where each sequence stands. Sequences are outside of snapshots: a dump made later may hold a later
-- value.
SELECT n.nspname, c.relname, s.last_value, s.increment_by > 0 AND NOT s.cycle AS only_rises,
       has_schema_privilege(n.oid, 'USAGE') AND has_sequence_privilege(c.oid, 'SELECT') AS readable
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_sequences s ON s.schemaname = n.nspname AND s.sequencename = c.relname
 WHERE c.relkind = 'S' AND c.relpersistence <> 't'
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 ORDER BY 1, 2

-- == catalog: The catalog of the user's objects as lines (kind, identity, definition): the same for a database and for
-- its restored dump. Names are qualified as long as search_path is pg_catalog alone. Left out on purpose: members of
-- extensions, invalid indexes (not dumped), NOT NULL as constraints (PostgreSQL 18's; they are in the columns).
WITH ns AS (
    SELECT oid, nspname, nspowner, nspacl FROM pg_catalog.pg_namespace
     WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
), member AS (
    SELECT classid, objid FROM pg_catalog.pg_depend WHERE deptype = 'e'
), rel AS (
    SELECT c.*, format('%I.%I', ns.nspname, c.relname) AS name
      FROM pg_catalog.pg_class c JOIN ns ON ns.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND c.relpersistence <> 't'
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_class'::regclass AND objid = c.oid)
), fn AS (
    SELECT p.*, format('%I.%I(%s)', ns.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
      FROM pg_catalog.pg_proc p JOIN ns ON ns.oid = p.pronamespace
     WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
), typ AS (
    SELECT t.*, format('%I.%I', ns.nspname, t.typname) AS name
      FROM pg_catalog.pg_type t JOIN ns ON ns.oid = t.typnamespace
     WHERE t.typtype IN ('e', 'd', 'r')
       AND NOT EXISTS (SELECT FROM member WHERE classid = 'pg_type'::regclass AND objid = t.oid)
), granted AS (
    SELECT 'table ' || name AS object, a.* FROM rel,
           aclexplode(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner))) a
     WHERE relkind <> 'c'
    UNION ALL
    SELECT format('column %s.%I', rel.name, c.attname), a.*
      FROM rel JOIN pg_catalog.pg_attribute c ON c.attrelid = rel.oid AND c.attnum > 0 AND NOT c.attisdropped,
           aclexplode(c.attacl) a
    UNION ALL
    SELECT format('schema %I', nspname), a.* FROM ns, aclexplode(coalesce(nspacl, acldefault('n', nspowner))) a
    UNION ALL
    SELECT 'function ' || name, a.* FROM fn, aclexplode(coalesce(proacl, acldefault('f', proowner))) a
    UNION ALL
    SELECT 'type ' || name, a.* FROM typ, aclexplode(coalesce(typacl, acldefault('T', typowner))) a
    UNION ALL
    SELECT format('default of %I in %I for %s', pg_get_userbyid(d.defaclrole), ns.nspname, d.defaclobjtype), a.*
      FROM pg_catalog.pg_default_acl d LEFT JOIN ns ON ns.oid = d.defaclnamespace, aclexplode(d.defaclacl) a
)
SELECT 'schema', format('%I', nspname), 'owner ' || pg_get_userbyid(nspowner) FROM ns
UNION ALL
SELECT 'extension', extname, '' FROM pg_catalog.pg_extension
UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                    WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'composite type' ELSE 'table' END,
       name,
       concat_ws(' | ', 'owner ' || pg_get_userbyid(relowner), relkind, relpersistence, relrowsecurity,
                 relforcerowsecurity, relreplident, relispartition, reloptions::text,
                 pg_get_expr(relpartbound, oid), CASE WHEN relkind = 'p' THEN pg_get_partkeydef(oid) END,
                 CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(oid) END,
                 (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                    FROM pg_catalog.pg_inherits WHERE inhrelid = rel.oid))
  FROM rel
UNION ALL
SELECT 'column', format('%s.%I', rel.name, a.attname),
       concat_ws(' | ', row_number() OVER (PARTITION BY rel.oid ORDER BY a.attnum),
                 format_type(a.atttypid, a.atttypmod), CASE WHEN a.attnotnull THEN 'not null' END,
                 a.attgenerated, a.attidentity, a.attcollation::regcollation, a.attstattarget,
                 pg_get_expr(d.adbin, d.adrelid))
  FROM rel
  JOIN pg_catalog.pg_attribute a ON a.attrelid = rel.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE rel.relkind <> 'S'
UNION ALL
SELECT 'sequence parameters', rel.name,
       concat_ws(' | ', format_type(s.seqtypid, NULL), s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
                 s.seqcycle,
                 (SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_catalog.pg_depend d
                    JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.deptype IN ('a', 'i')
                     AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 LIMIT 1))
  FROM rel JOIN pg_catalog.pg_sequence s ON s.seqrelid = rel.oid
UNION ALL
SELECT 'constraint', format('%s: %I', coalesce(rel.name, typ.name), k.conname), pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
  LEFT JOIN rel ON rel.oid = k.conrelid
  LEFT JOIN typ ON typ.oid = k.contypid
 WHERE k.contype NOT IN ('n', 't') AND coalesce(rel.name, typ.name) IS NOT NULL
UNION ALL
SELECT 'index', format('%I.%I', ns.nspname, c.relname),
       concat_ws(' | ', pg_get_indexdef(i.indexrelid), i.indisunique, i.indisprimary, i.indisclustered,
                 i.indisreplident)
  FROM rel
  JOIN pg_catalog.pg_index i ON i.indrelid = rel.oid AND (i.indisvalid OR rel.relkind = 'p')
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
  JOIN ns ON ns.oid = c.relnamespace
UNION ALL
SELECT 'statistics', format('%I.%I', ns.nspname, s.stxname), pg_get_statisticsobjdef(s.oid)
  FROM pg_catalog.pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace
UNION ALL
SELECT 'function', name,
       concat_ws(' | ', 'owner ' || pg_get_userbyid(proowner), prokind,
                 CASE WHEN prokind <> 'a' THEN pg_get_functiondef(oid) END)
  FROM fn
UNION ALL
SELECT 'type', name,
       concat_ws(' | ', 'owner ' || pg_get_userbyid(typowner), typtype,
                 (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                    FROM pg_catalog.pg_enum WHERE enumtypid = typ.oid),
                 CASE WHEN typtype = 'd' THEN format_type(typbasetype, typtypmod) END,
                 CASE WHEN typtype = 'd' THEN typnotnull END, typdefault)
  FROM typ
UNION ALL
SELECT 'trigger', format('%s: %I', rel.name, t.tgname), concat_ws(' | ', t.tgenabled, pg_get_triggerdef(t.oid))
  FROM pg_catalog.pg_trigger t JOIN rel ON rel.oid = t.tgrelid WHERE NOT t.tgisinternal
UNION ALL
SELECT 'event trigger', evtname, concat_ws(' | ', evtevent, evtenabled, evtfoid::regproc)
  FROM pg_catalog.pg_event_trigger t
 WHERE NOT EXISTS (SELECT FROM member WHERE classid = 'pg_event_trigger'::regclass AND objid = t.oid)
UNION ALL
SELECT 'rule', format('%s: %I', rel.name, w.rulename), concat_ws(' | ', w.ev_enabled, pg_get_ruledef(w.oid))
  FROM pg_catalog.pg_rewrite w JOIN rel ON rel.oid = w.ev_class WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', format('%s: %I', rel.name, p.polname),
       concat_ws(' | ', p.polcmd, p.polpermissive, pg_get_expr(p.polqual, p.polrelid),
                 pg_get_expr(p.polwithcheck, p.polrelid),
                 (SELECT string_agg(CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r) END, ', '
                                    ORDER BY CASE WHEN r = 0 THEN 'public' ELSE pg_get_userbyid(r) END)
                    FROM unnest(p.polroles) r))
  FROM pg_catalog.pg_policy p JOIN rel ON rel.oid = p.polrelid
UNION ALL
SELECT 'publication', pubname, concat_ws(' | ', puballtables, pubinsert, pubupdate, pubdelete, pubtruncate)
  FROM pg_catalog.pg_publication
UNION ALL
SELECT 'comment', concat_ws(' ', o.type, o.identity), d.description
  FROM pg_catalog.pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) o
 WHERE d.objoid >= 16384 AND o.identity IS NOT NULL
   AND NOT EXISTS (SELECT FROM member WHERE classid = d.classoid AND objid = d.objoid)
   AND o.type NOT IN ('extension', 'large object')
   AND coalesce(o.schema, '') NOT LIKE 'pg\_%'
UNION ALL
SELECT 'grant', format('%s to %s', object, CASE WHEN grantee = 0 THEN 'public' ELSE pg_get_userbyid(grantee) END),
       string_agg(privilege_type || CASE WHEN is_grantable THEN ' with grant option' ELSE '' END, ', '
                  ORDER BY privilege_type, is_grantable)
  FROM (SELECT DISTINCT object, grantee, privilege_type, is_grantable FROM granted) g
 GROUP BY object, grantee
 ORDER BY 1, 2, 3

-- == needs: What a server must have so that a dump of this database can be restored there.
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

-- == rows: how many, and their fingerprint. "(t.*)" and not "t", which would be a column of that name where there is one.
SELECT count(*), coalesce(sum(('x' || left(md5((t.*)::text), 16))::bit(64)::bigint), 0)::text FROM ONLY {tbl} AS t

-- == large_objects: how many, and their fingerprint
SELECT count(*), coalesce(sum(('x' || left(md5(oid::text || ':' || md5(lo_get(oid))), 16))::bit(64)::bigint), 0)::text
  FROM pg_catalog.pg_largeobject_metadata
