"""Who is let in: accounts, passwords, login sessions, middleware. Knows neither the dashboard nor the database.

Imported by accounts and ui.
"""
