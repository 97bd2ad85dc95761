"""The embedded PostgreSQL and Valkey: started when no server is configured, ended with the last process that uses them.

May be imported by everything above it; `api` is what they use.
"""
