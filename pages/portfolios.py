"""Portfolios: all of them; create, copy, archive, delete."""

from src.ui.portfolios import listing, page
from src.ui.reads import queries

live = queries.known()
page.show(listing.load(), live)
