"""Parts that pages are drawn with: tables, charts, figures as text, links, preferences."""
