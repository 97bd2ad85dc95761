"""PostgreSQL, and nothing of the product: connections, pool, errors by SQLSTATE, named SQL, read-only transactions.

Everything that talks to a database may import it.
"""
