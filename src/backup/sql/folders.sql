-- == of_runs: the folders that the runs of this database put their backups into
SELECT DISTINCT options->>'backup_dir' FROM hk_migration.run WHERE options->>'backup_dir' IS NOT NULL ORDER BY 1

-- == of_backups: the folders that the command `backup` was given
SELECT DISTINCT detail->>'backup_dir' FROM hk_migration.audit
 WHERE action = 'backup' AND detail->>'backup_dir' IS NOT NULL ORDER BY 1
