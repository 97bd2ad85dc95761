-- == public_first: names without a schema are looked up in public before anything else, until DISCARD ALL.
SELECT set_config('search_path', concat_ws(', ', 'public', nullif(current_setting('search_path'), '')), false)
