-- Rows that the steps of a run wrote, per step and table: those that the step is there to write, and others.
WITH meant (step, tbl, may_insert, may_update, may_delete) AS (VALUES
    ('backfill',           'portfolio_positions', false, true,  false),
    ('import_holdings',    'portfolio_positions', true,  false, false),
    ('restore_positions',  'portfolio_positions', true,  true,  false),
    ('restore_done',       'portfolio_positions', false, false, true),
    ('placeholders',       'portfolio_positions', true,  false, false),
    ('merge_positions',    'portfolio_positions', true,  true,  true),
    ('drop_others',        'portfolio_positions', false, false, true),
    ('backfill_signals',   'trading_signals',     false, true,  false),
    ('restore_signals',    'trading_signals',     true,  true,  false),
    ('merge_signals',      'trading_signals',     false, true,  false),
    ('merge_positions',    'trading_signals',     false, true,  false),
    ('drop_others',        'trading_signals',     false, false, true),
    ('restore_prices',     'price_history',       true,  false, false),
    ('archive_prices',     'price_history',       false, false, true)
)
SELECT w.step, w.tbl,
       sum(CASE WHEN m.may_insert THEN 0 ELSE inserted END + CASE WHEN m.may_update THEN 0 ELSE updated END
           + CASE WHEN m.may_delete THEN 0 ELSE deleted END)::bigint AS wrong,
       sum(inserted - deleted)::bigint AS added
  FROM hk_migration.own_write w
  LEFT JOIN meant m USING (step, tbl)
 WHERE w.run_id = %(run_id)s
 GROUP BY w.step, w.tbl
 ORDER BY w.step, w.tbl
