-- Joins Parquet files of several months with a table of visitors, keeps only visitors who agreed, and uses
-- the account's id in place of the cookie's id (uid).
--
--   deno task -q data log --query joined.sql
--
-- Change: the names and conditions. You can write any SELECT that DuckDB can run on files.
SELECT account AS user, sku AS item, ts AS time, label AS clicked, request AS page, pos AS position
FROM read_parquet('month-*.parquet', union_by_name = true) JOIN read_csv('visitors.csv', header = true, all_varchar = true) USING (uid)
WHERE agreed = 'yes'
