-- Reads a CSV file with the date and the time of day in two columns.
--
--   deno task -q data log --query dates_in_parts.sql
--
-- Change: the names of file and columns. If year, month and day are three columns, write
-- make_date(year, month, day) + clock. A row whose date TRY_CAST cannot read counts as a bad row.
SELECT uid AS user, sku AS item, TRY_CAST(day || ' ' || clock AS TIMESTAMP) AS time, label AS clicked, request AS page, pos AS position
FROM read_csv('days.csv', header = true, all_varchar = true)
