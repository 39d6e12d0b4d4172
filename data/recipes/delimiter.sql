-- Reads a text file whose columns are separated by semicolons. The file may have any name.
--
--   deno task -q data log --query delimiter.sql
--
-- Change: the names and delim. If the file has no header: header = false, names = ['uid', 'sku', ...].
-- Because of store_rejects = true, rows with too few or too many values are skipped and counted; without this
-- setting, one such row ends the preparation.
SELECT uid AS user, sku AS item, ts AS time, label AS clicked, request AS page, pos AS position, filename
FROM read_csv('log.dat', header = true, delim = ';', all_varchar = true, store_rejects = true, filename = true)
