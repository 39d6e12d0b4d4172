-- Lists the faults of a prepared set that another engine wrote. data/README.md defines the rules.
--
-- Options by getvariable(): users, items, pages (lists of Parquet files).
--
-- Creates  fault (part, expected, count, place, found)   a row per broken rule, with the number of faults.
--          place (file and line, from 1) and found (the faulty value) describe the rule's first fault.

-- step: Reading users, items and pages
-- Returns a whole number of 0 or more as a double; NULL for any other value.
CREATE MACRO whole(x) AS CASE WHEN TRY_CAST(x::VARCHAR AS DOUBLE) >= 0 AND TRY_CAST(x::VARCHAR AS DOUBLE) = floor(TRY_CAST(x::VARCHAR AS DOUBLE)) THEN TRY_CAST(x::VARCHAR AS DOUBLE) END;
CREATE MACRO read_part(files) AS TABLE
  SELECT *, {file: list_position(getvariable(files), at_file), line: file_row_number + 1} AS place
  FROM read_parquet(getvariable(files), filename = 'at_file', file_row_number = true);
CREATE TABLE fault (part VARCHAR, expected VARCHAR, count BIGINT, place STRUCT(file BIGINT, line BIGINT), found VARCHAR);

CREATE TABLE user_read AS
SELECT place, whole("user") AS n, "user"::VARCHAR AS found, split::VARCHAR AS split, whole(pages) AS pages, whole("rows") AS shown
FROM read_part('users');
CREATE TABLE item_read AS SELECT place, whole(item) AS n, item::VARCHAR AS found FROM read_part('items');
SET VARIABLE item_count = (SELECT count(*) FROM item_read);
CREATE TABLE page_read AS
SELECT place, whole("user") AS n, "user"::VARCHAR AS found, whole(clicked) AS click, clicked::VARCHAR AS clicked, len(items) AS size,
  list_filter(items, lambda i: coalesce(whole(i) >= getvariable('item_count'), true)) AS strange
FROM read_part('pages');

-- step: Numbers of users and items
CREATE MACRO numbers(part, name) AS TABLE
  WITH read AS (SELECT *, lag(n IGNORE NULLS) OVER (ORDER BY place) AS before FROM query_table(part)),
  distinct_n AS (SELECT n, count(*) AS times, max(place) AS place FROM read WHERE n IS NOT NULL GROUP BY n)
  SELECT name || ' to be a whole number from 0, not null' AS expected, place, coalesce(found, 'NULL') AS found FROM read WHERE n IS NULL
  UNION ALL SELECT 'rows in the order of ' || name, place, found || ' after ' || before::BIGINT FROM read WHERE n < before
  UNION ALL SELECT 'each ' || name || ' once', place, n::BIGINT || ', ' || times || ' times' FROM distinct_n WHERE times > 1
  UNION ALL SELECT name || 's numbered 0, 1, 2, ... without gaps', place, n::BIGINT || ' after ' || coalesce(before::BIGINT::VARCHAR, 'nothing')
  FROM (SELECT *, lag(n) OVER (ORDER BY n) AS before FROM distinct_n) WHERE n <> coalesce(before + 1, 0);
INSERT INTO fault SELECT 'users', expected, count(*), min(place), arg_min(found, place) FROM numbers('user_read', 'user') GROUP BY ALL;
INSERT INTO fault SELECT 'items', expected, count(*), min(place), arg_min(found, place) FROM numbers('item_read', 'item') GROUP BY ALL;
INSERT INTO fault
SELECT 'users', 'split to be train, validation or test', count(*), min(place), arg_min(split, place)
FROM user_read WHERE coalesce(split NOT IN ('train', 'validation', 'test'), true) HAVING count(*) > 0;

-- step: Pages of users
CREATE TABLE counted AS SELECT n, count(*) AS pages, sum(size) AS shown, min(place) AS place FROM page_read WHERE n IS NOT NULL GROUP BY n;
INSERT INTO fault
SELECT 'users', 'the numbers of pages and rows that the table pages has', count(*), min(u.place),
  arg_min(format('user {}: {} and {}, pages have {} and {}', u.found, u.pages::BIGINT, u.shown::BIGINT, coalesce(c.pages, 0), coalesce(c.shown, 0)::BIGINT), u.place)
FROM user_read u LEFT JOIN counted c USING (n)
WHERE u.n IS NOT NULL AND (u.pages, u.shown) IS DISTINCT FROM (coalesce(c.pages, 0)::DOUBLE, coalesce(c.shown, 0)::DOUBLE) HAVING count(*) > 0;
INSERT INTO fault
SELECT 'pages', expected, count(*), min(place), arg_min(found, place)
FROM (
  SELECT 'user to be one of users' AS expected, place, found FROM page_read WHERE n IS NULL OR n NOT IN (SELECT n FROM user_read WHERE n IS NOT NULL)
  UNION ALL SELECT 'rows in the order of user', place, found || ' after ' || before::BIGINT
  FROM (SELECT place, n, found, lag(n IGNORE NULLS) OVER (ORDER BY place) AS before FROM page_read) WHERE n < before
  UNION ALL SELECT 'at least one item', place, 'none' FROM page_read WHERE coalesce(size, 0) = 0
  UNION ALL SELECT 'items of the table of items', place, coalesce(strange[1]::VARCHAR, 'NULL') FROM page_read WHERE len(strange) > 0
  UNION ALL SELECT 'clicked to be a position on its page, from 0, or null', place, clicked FROM page_read WHERE clicked IS NOT NULL AND coalesce(click >= size, true)
)
GROUP BY expected;
