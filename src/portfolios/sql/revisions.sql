-- Revisions: hk_migration.save has one row for each, hk_migration.saved_row its positions.

-- == record: one revision.
INSERT INTO hk_migration.save (portfolio_id, by, kind, note, digest, undoes)
VALUES (%(portfolio_id)s, %(by)s, %(kind)s, %(note)s, %(digest)s, %(undoes)s)
RETURNING save_id, at

-- == record_rows: its positions.
INSERT INTO hk_migration.saved_row (save_id, symbol, before, after, signals)
SELECT %(save_id)s, r.symbol, r.before, r.after, r.signals::jsonb
  FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(symbol text, before jsonb, after jsonb, signals text)

-- == list: of one portfolio or of all, newest first.
SELECT save_id, portfolio_id, at, by, kind, note, digest, undoes FROM hk_migration.save
 WHERE %(portfolio_id)s::varchar IS NULL OR portfolio_id = %(portfolio_id)s
 ORDER BY save_id DESC LIMIT %(limit)s

-- == one: by its number.
SELECT save_id, portfolio_id, at, by, kind, note, digest, undoes FROM hk_migration.save WHERE save_id = %(save_id)s

-- == rows: the positions of some revisions.
SELECT save_id, symbol, before, after FROM hk_migration.saved_row
 WHERE save_id = ANY (%(save_ids)s)
 ORDER BY save_id, symbol

-- == whole_rows: the positions of one revision, with the signals that went.
SELECT symbol, before, after, signals::text FROM hk_migration.saved_row WHERE save_id = %(save_id)s ORDER BY symbol

-- == undos: of this revision or later ones, the newest first. A revision and its undo are of one portfolio.
SELECT save_id, undoes FROM hk_migration.save
 WHERE undoes >= %(first)s
 ORDER BY save_id DESC

-- == made_again: whether another portfolio took the name since.
SELECT EXISTS (SELECT FROM hk_migration.save
                WHERE portfolio_id = %(portfolio_id)s AND save_id > %(save_id)s
                  AND kind IN ('create', 'copy', 'delete'))
