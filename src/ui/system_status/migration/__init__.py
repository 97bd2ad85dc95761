"""The migration on System Status: findings, plans with their buttons, the run, its proof."""
