-- A text file whose columns are separated by semicolons, whatever its name ends in.
--
--   deno task -q data log --query delimiter.sql
--
-- Change: the delimiter. Without a header: header = false, names = ['uid', 'sku', ...]. Rows with too few or too many values are put
-- aside and counted by store_rejects = true; without it, one of them ends the preparation.
SELECT uid AS user, sku AS item, ts AS time, label AS clicked, request AS page, pos AS position, filename
FROM read_csv('log.dat', header = true, delim = ';', all_varchar = true, store_rejects = true, filename = true)
