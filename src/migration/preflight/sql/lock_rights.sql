-- == lacking: who lacks the right that LOCK TABLE IN ACCESS EXCLUSIVE MODE asks for on these relations: whether our role
-- does, on what, the statement that gives it, and the view through which it is locked ('' where it is named itself).
-- PostgreSQL locks what a view reads, too, with the rights of the view's owner, or of our role where the view is set so.
WITH RECURSIVE ours AS (
    SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = current_user
), locked AS (
    SELECT c.oid, ours.oid AS role, NULL::oid AS through
      FROM ours, unnest(%(schemas)s::text[], %(names)s::text[]) AS t(nspname, relname)
      JOIN pg_catalog.pg_namespace n ON n.nspname = t.nspname
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.relname
    UNION
    SELECT below.oid, CASE WHEN i.invoker THEN ours.oid ELSE v.relowner END, v.oid
      FROM locked l
      CROSS JOIN ours
      JOIN pg_catalog.pg_class v ON v.oid = l.oid AND v.relkind = 'v'
      CROSS JOIN LATERAL (
               SELECT coalesce(bool_or(o.option_value::boolean), false)
                 FROM pg_options_to_table(v.reloptions) o WHERE o.option_name = 'security_invoker') AS i(invoker)
      JOIN pg_catalog.pg_rewrite w ON w.ev_class = v.oid AND w.ev_type = '1'
      JOIN pg_catalog.pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid
                                 AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
      JOIN pg_catalog.pg_class below ON below.oid = d.refobjid AND below.relkind IN ('r', 'p', 'v')
), enough AS (
    SELECT 'UPDATE, DELETE, TRUNCATE'
        || CASE WHEN current_setting('server_version_num')::integer >= 170000 THEN ', MAINTAIN' ELSE '' END AS rights
)
SELECT DISTINCT l.role = ours.oid, n.nspname::text, c.relname::text,
       format('GRANT UPDATE ON %%I.%%I TO %%I', n.nspname, c.relname, pg_get_userbyid(l.role)),
       CASE WHEN v.oid IS NULL THEN '' ELSE format('%%I.%%I', vn.nspname, v.relname) END
  FROM locked l
  CROSS JOIN ours
  CROSS JOIN enough
  JOIN pg_catalog.pg_class c ON c.oid = l.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_class v ON v.oid = l.through
  LEFT JOIN pg_catalog.pg_namespace vn ON vn.oid = v.relnamespace
 WHERE NOT has_table_privilege(l.role, c.oid, enough.rights)
 ORDER BY 2, 3, 4, 5

-- == schemas_of_v1_views: where our compatibility views are, which a phase replaces or moves
SELECT DISTINCT n.nspname::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'v' AND obj_description(c.oid, 'pg_class') = 'HK Strategy: v1 compatibility'
