-- A CSV file with the date and the time of day in two columns.
--
--   deno task -q data log --query dates_in_parts.sql
--
-- Change: the names. For year, month and day in three columns: make_date(year, month, day) + clock. With
-- TRY_CAST, a row with an invalid date is a bad row.
SELECT uid AS user, sku AS item, TRY_CAST(day || ' ' || clock AS TIMESTAMP) AS time, label AS clicked, request AS page, pos AS position
FROM read_csv('days.csv', header = true, all_varchar = true)
