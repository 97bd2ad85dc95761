"""The page of all portfolios."""
