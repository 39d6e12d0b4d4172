-- Reads a CSV file with times such as 31/1/2009 7:05.
--
--   deno task -q data log --query time_format.sql
--
-- Change: the format in try_strptime: '%Y%m%d' for 20090131, '%Y' for a year. If a number does not count from
-- 1970: make_timestamp(number). To read any number as milliseconds since 1970: epoch_ms(number).
SELECT uid AS user, sku AS item, try_strptime(ts, '%d/%m/%Y %H:%M') AS time, label AS clicked, request AS page, pos AS position
FROM read_csv('slashes.csv', header = true, all_varchar = true)
