-- Parquet files of several months, and a table of visitors. The log keeps only visitors who agreed, and uses
-- the id of the account instead of the cookie.
--
--   deno task -q data log --query joined.sql
--
-- Change: the names. Any SELECT of DuckDB that reads files is possible.
SELECT account AS user, sku AS item, ts AS time, label AS clicked, request AS page, pos AS position
FROM read_parquet('month-*.parquet', union_by_name = true) JOIN read_csv('visitors.csv', header = true, all_varchar = true) USING (uid)
WHERE agreed = 'yes'
