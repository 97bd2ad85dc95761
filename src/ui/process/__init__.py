"""The dashboard's process: start, end, and the endpoints for programs (/healthz, /metrics, downloads).

Imported by dashboard.py.
"""
