-- Samples pages for a log of clicks: each click, and items drawn by popularity.
--
-- Takes   row_read   of log.sql
--
-- Options by getvariable(): page_size, window_ms, seed.
--
-- Ends with displayed, as log_pages.sql does.

-- step: Items to sample from
-- The items beside a click are drawn from the clicks of the same window of time: an item comes in that list as often as it was
-- clicked, so drawing a position draws by popularity. All orders are by content: rows of the source can be in any order.
CREATE TABLE click_item AS
SELECT item_id, row_number() OVER (ORDER BY item_id) AS item
FROM (SELECT DISTINCT item_id FROM row_read WHERE clicked);
CREATE TABLE click_row AS
SELECT
  row_number() OVER (ORDER BY user_id, time, page, item) AS click,
  user_id, page, time, item, dense_rank() OVER (ORDER BY time // getvariable('window_ms')) AS part,
  ('0x' || substr(md5(concat_ws(',', getvariable('seed'), user_id, time, item_id)), 1, 7))::BIGINT AS x
FROM (SELECT DISTINCT user_id, page, time, item_id FROM row_read WHERE clicked) JOIN click_item USING (item_id);
INSERT INTO skipped
SELECT 'rows without a click', (SELECT count(*) FROM row_read WHERE NOT clicked);
INSERT INTO skipped
SELECT 'repeated rows of a click',
  (SELECT count(*) FROM row_read WHERE clicked) - (SELECT count(*) FROM click_row);
INSERT INTO note
SELECT 'pages are sampled: each shows the clicked item and items drawn by popularity, which users did not see';
-- Pages are drawn for so many clicks at once as fit in memory.
CREATE TABLE to_draw AS
SELECT *, row_number() OVER (ORDER BY part, click) // greatest(1, 300000 // getvariable('page_size')) AS batch
FROM click_row;
CREATE TABLE competitor AS
SELECT part, item, row_number() OVER (PARTITION BY part ORDER BY click) - 1 AS position FROM click_row
UNION ALL
-- The whole log, as 0, for what a window cannot fill.
SELECT 0, item, row_number() OVER (ORDER BY click) - 1 FROM click_row
ORDER BY part;
CREATE TABLE part_size AS
SELECT part, count(*) AS size FROM competitor GROUP BY part;
CREATE TABLE drawn_item (click BIGINT, item BIGINT, position BIGINT);

-- For the clicks that are wanting: draws number first_draw and on. x is a click's own random number; draw k takes the square of
-- a x + b k, mod 2^31 - 1: the same seed draws the same page in whatever order. (Without the square, draws would be evenly spaced.)
CREATE TEMP TABLE wanting (click BIGINT, part BIGINT, item BIGINT, x BIGINT, others BIGINT);
CREATE TEMP MACRO drawn_for(first_draw, draws, of_log) AS TABLE
WITH draw AS MATERIALIZED (
  SELECT click, s.part, p.item AS clicked, k, y * y % 2147483647 * 48271 % 2147483647 % s.size AS position
  FROM (
    SELECT *, (16807 * x + 1000003 * k) % 2147483647 AS y
    FROM wanting, range(first_draw, first_draw + draws) AS numbers(k)
  ) p
  JOIN part_size s ON s.part = if(of_log, 0, p.part)
)
SELECT click, c.item, min(k) AS k
FROM draw d JOIN competitor c USING (part, position)
WHERE c.item <> clicked
GROUP BY click, c.item;

-- step: Pages drawn for clicks | for batch in (SELECT DISTINCT batch FROM to_draw ORDER BY batch)
-- Twice as many draws as positions from the window; if these do not fill a page, more from the whole log. An item comes
-- once, and the clicked one is not drawn.
CREATE OR REPLACE TEMP TABLE wanting AS
SELECT click, part, item, x, 0 AS others FROM to_draw WHERE batch = getvariable('batch');
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT click, item, row_number() OVER (PARTITION BY click ORDER BY k) AS position
FROM drawn_for(0, 2 * getvariable('page_size'), false)
QUALIFY position < getvariable('page_size');
CREATE OR REPLACE TEMP TABLE wanting AS
SELECT click, part, p.item, x, coalesce(d.others, 0) AS others
FROM wanting p LEFT JOIN (SELECT click, count(*) AS others FROM drawn GROUP BY click) d USING (click)
WHERE coalesce(d.others, 0) < getvariable('page_size') - 1;
INSERT INTO drawn
SELECT click, m.item, others + row_number() OVER (PARTITION BY click ORDER BY k) AS position
FROM (FROM drawn_for(2 * getvariable('page_size'), 6 * getvariable('page_size'), true) ANTI JOIN drawn USING (click, item)) m
JOIN wanting USING (click)
QUALIFY position < getvariable('page_size');
INSERT INTO drawn_item FROM drawn;

-- step: Items of pages
-- The clicked item takes a random position among the others.
CREATE TABLE displayed AS
WITH clicked_position AS (
  SELECT *, 1 + x % (1 + coalesce(others, 0)) AS clicked_position
  FROM click_row LEFT JOIN (SELECT click, count(*) AS others FROM drawn_item GROUP BY click) USING (click)
)
SELECT bucket_of_user(user_id) AS bucket, user_id, page || chr(31) || c.item AS page, item_id, time, position::DOUBLE AS position, clicked, NULL::DOUBLE AS click_time,
  NULL::DOUBLE AS propensity
FROM (
  SELECT click, item, clicked_position AS position, true AS clicked FROM clicked_position
  UNION ALL
  SELECT click, d.item, d.position + if(d.position >= clicked_position, 1, 0), false FROM drawn_item d JOIN clicked_position USING (click)
) r
JOIN click_row c USING (click)
JOIN click_item i ON i.item = r.item;
SET VARIABLE rows_of_log = (SELECT count(*) FROM displayed);
DROP TABLE drawn_item; DROP TABLE to_draw; DROP TABLE competitor; DROP TABLE part_size; DROP TABLE click_row; DROP TABLE click_item;
