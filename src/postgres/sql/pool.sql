-- == public_first: names without a schema are looked up in public before anything else, and locks are waited for as
-- long as a statement may take, until DISCARD ALL.
SELECT set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), false),
       set_config('lock_timeout', '0', false)
