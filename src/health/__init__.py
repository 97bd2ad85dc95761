"""Whether each component is healthy, degraded or down, and what to do. Imported by cli, database_enhanced and ui."""
