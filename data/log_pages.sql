-- Builds pages of displayed items.
--
-- Reads    row_read of log.sql
-- Creates  displayed (bucket, user_id, page, time, position, item_id, clicked, click_time, propensity,
--          row_values), which has each item of a page once, for page_rows.sql. Unknown values are NULL.
-- Option by getvariable(): page_gap_ms. Consecutive rows of a user that are less than page_gap_ms apart form
-- a page. If page_gap_ms is NULL, page ids or equal times define the pages.

-- step: Rows without a pause between them | for round in (FROM rounds() WHERE getvariable('page_gap_ms') IS NOT NULL)
CREATE TABLE IF NOT EXISTS row_of_gap AS FROM row_read WHERE false;
INSERT INTO row_of_gap BY NAME
SELECT * EXCLUDE (begins), sum(begins) OVER (PARTITION BY user_id ORDER BY time, item_id ROWS UNBOUNDED PRECEDING)::VARCHAR AS page
FROM (
  SELECT * EXCLUDE (page), (time - lag(time) OVER (PARTITION BY user_id ORDER BY time, item_id) < getvariable('page_gap_ms') IS NOT TRUE)::INTEGER AS begins
  FROM row_read
  WHERE in_round(bucket)
);

-- step: Pages of rows without a pause | for one in (SELECT 1 WHERE getvariable('page_gap_ms') IS NOT NULL)
CREATE OR REPLACE VIEW row_read AS FROM row_of_gap;

-- step: Items of pages | for round in (FROM rounds())
-- A page has a user's rows with the same page id or, in a log without page ids, with the same time.
CREATE TABLE IF NOT EXISTS displayed (
  bucket USMALLINT, user_id VARCHAR, page VARCHAR, item_id VARCHAR, time BIGINT, position DOUBLE, clicked BOOLEAN, click_time DOUBLE,
  propensity DOUBLE, row_values VARCHAR[]
);
INSERT INTO displayed
SELECT bucket, user_id, page, item_id, min(time), min(position), bool_or(clicked), min(click_time), min(propensity), min(row_values)
FROM row_read
WHERE in_round(bucket)
GROUP BY ALL;

-- step: Items that are on their page already
INSERT INTO skipped
SELECT 'repeated rows of an item on its page',
  (SELECT count(*) FROM row_read) - (SELECT count(*) FROM displayed);
