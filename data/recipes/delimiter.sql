-- A text file with any name, whose columns are separated by semicolons.
--
--   deno task -q data log --query delimiter.sql
--
-- Change: the delimiter. For a file without a header: header = false, names = ['uid', 'sku', ...]. With
-- store_rejects = true, rows with too few or too many values are skipped and counted. Without it, one such
-- row ends the preparation.
SELECT uid AS user, sku AS item, ts AS time, label AS clicked, request AS page, pos AS position, filename
FROM read_csv('log.dat', header = true, delim = ';', all_varchar = true, store_rejects = true, filename = true)
