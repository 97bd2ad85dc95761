-- Why this session's transactions are read-only.

-- == source: whether the server is a standby, whether default_transaction_read_only is on, where its value comes from (in the
-- words of pg_settings), the file (NULL: this role may not see it), the database, the role
SELECT pg_is_in_recovery(), s.reset_val = 'on', s.source, s.sourcefile, current_database()::text, session_user::text
  FROM pg_catalog.pg_settings s WHERE s.name = 'default_transaction_read_only'
