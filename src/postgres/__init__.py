"""PostgreSQL, and nothing of the product: connections, pool, errors by SQLSTATE, named SQL, read-only transactions.

Imported by backup, cli, diagnostics, embedded, health, journal, migration, portfolios, sample, schema and ui.
"""
