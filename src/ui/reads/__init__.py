"""What pages read: cached queries, the live state of the database, the commands under way."""
