"""Portfolios: all of them at a glance; create, copy, archive, delete."""

from src.ui import cache, entries, portfolio_list

pulse = cache.pulse()
portfolio_list.show(entries.load(pulse), pulse)
