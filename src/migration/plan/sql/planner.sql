-- == configure: the choices of a run, for the steps
SELECT set_config('hk_migration.legacy_roles', %s, false), set_config('hk_migration.keep', %s, false),
       set_config('hk_migration.restore_archive', %s, false)
