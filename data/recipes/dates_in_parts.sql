-- A CSV file with the date and the time of day in columns of their own.
--
--   deno task -q data log --query dates_in_parts.sql
--
-- Change: the names. Year, month and day apart: make_date(year, month, day) + clock. TRY_CAST makes a bad row of a date that is none.
SELECT uid AS user, sku AS item, TRY_CAST(day || ' ' || clock AS TIMESTAMP) AS time, label AS clicked, request AS page, pos AS position
FROM read_csv('days.csv', header = true, all_varchar = true)
