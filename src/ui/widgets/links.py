"""Addresses of the dashboard's pages."""

from src.config import PROJECT_ROOT

PAGE = PROJECT_ROOT / "pages" / "comparison.py"
