-- Samples pages for a log of clicks: a page has a clicked item, and items drawn by popularity.
--
-- Reads    row_read of log.sql, hash_part of macros.sql
-- Options by getvariable(): page_size, window_ms, seed.
-- Creates  displayed, see log_pages.sql

-- step: Clicks to sample from
-- The unclicked items of a page are drawn from the clicks of other train users up to the time of the page's
-- click. The table competitor has a row per such click, so a random row is an item drawn by popularity. No
-- later click, and no click of a validation or test user, influences a page. A click on an item that no other
-- train user had clicked gets no page: unclicked items never are such items, so the item would reveal the
-- click. All orders depend only on values, so the rows of the source may have any order.
CREATE TABLE click_item AS
SELECT item_id, row_number() OVER (ORDER BY item_id) AS item
FROM (SELECT DISTINCT item_id FROM row_read WHERE clicked);
-- In a split by time, clicks of all users up to the time of a page may influence the page.
SET VARIABLE other = if(getvariable('split') = 'time', 'other user', 'other train user');
CREATE TABLE click_row AS
SELECT
  *,
  -- Row numbers in competitor: number of train clicks up to this click's time, and up to its window's start.
  count(*) FILTER (is_train) OVER (ORDER BY time) AS high,
  count(*) FILTER (is_train) OVER (ORDER BY time RANGE BETWEEN UNBOUNDED PRECEDING AND getvariable('window_ms') PRECEDING) AS low,
  count(*) FILTER (is_train) OVER (PARTITION BY item ORDER BY time) >
    count(*) FILTER (is_train) OVER (PARTITION BY item, user_number ORDER BY time) AS is_known
FROM (
  SELECT
    row_number() OVER (ORDER BY user_id, time, page, item) AS click, dense_rank() OVER (ORDER BY user_id) AS user_number,
    user_id, page, time, item, getvariable('split') = 'time' OR hash_part(user_id) = 0 AS is_train,
    ('0x' || substr(md5(concat_ws(',', getvariable('seed'), user_id, time, item_id)), 1, 7))::BIGINT AS x
  FROM (SELECT DISTINCT user_id, page, time, item_id FROM row_read WHERE clicked)
  JOIN click_item USING (item_id)
);
INSERT INTO skipped
SELECT 'rows without a click', (SELECT count(*) FROM row_read WHERE NOT clicked);
INSERT INTO skipped
SELECT 'repeated rows of a click',
  (SELECT count(*) FROM row_read WHERE clicked) - (SELECT count(*) FROM click_row);
INSERT INTO skipped
SELECT 'clicks on items that no ' || getvariable('other') || ' had clicked', (SELECT count(*) FROM click_row WHERE NOT is_known);
INSERT INTO note
SELECT 'pages are sampled: each shows the clicked item and items that ' || getvariable('other') || 's had clicked, drawn by popularity; users did not see them';
-- Pages are drawn in batches of clicks that fit in memory.
CREATE TABLE to_draw AS
SELECT *, row_number() OVER (ORDER BY time, click) // greatest(1, 300000 // getvariable('page_size')) AS batch
FROM click_row
WHERE is_known;
CREATE TABLE competitor AS
SELECT row_number() OVER (ORDER BY time, click) - 1 AS position, item, user_number FROM click_row WHERE is_train ORDER BY position;
CREATE TABLE drawn_item (click BIGINT, item BIGINT, position BIGINT);

-- Makes the draws first_draw, first_draw + 1, ... for the clicks in the table wanting, whose pages are not
-- full. Each click has a random number x. Draw k uses the square of a x + b k, mod 2^31 - 1, so equal seeds
-- draw equal pages in any order of the clicks. (Without the square, draws would be evenly spaced.)
CREATE TEMP TABLE wanting AS SELECT *, 0 AS others FROM to_draw WHERE false;
CREATE TEMP MACRO drawn_for(first_draw, draws, of_window) AS TABLE
WITH draw AS MATERIALIZED (
  SELECT
    click, item AS clicked, user_number, k,
    if(of_window, low, 0) + y * y % 2147483647 * 48271 % 2147483647 % (high - if(of_window, low, 0)) AS position
  FROM (
    SELECT *, (16807 * x + 1000003 * k) % 2147483647 AS y
    FROM wanting, range(first_draw, first_draw + draws) AS numbers(k)
    WHERE high > if(of_window, low, 0)
  )
)
SELECT click, c.item, min(k) AS k
FROM draw d JOIN competitor c USING (position)
WHERE c.item <> clicked AND c.user_number <> d.user_number
GROUP BY click, c.item;

-- step: Pages drawn for clicks | for batch in (SELECT DISTINCT batch FROM to_draw ORDER BY batch)
-- First make twice as many draws from the window as a page has positions. If these do not fill the page, make
-- more draws from all earlier clicks. An item is on a page once, and the clicked item is not drawn.
CREATE OR REPLACE TEMP TABLE wanting AS
SELECT *, 0 AS others FROM to_draw WHERE batch = getvariable('batch');
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT click, item, row_number() OVER (PARTITION BY click ORDER BY k) AS position
FROM drawn_for(0, 2 * getvariable('page_size'), true)
QUALIFY position < getvariable('page_size');
CREATE OR REPLACE TEMP TABLE wanting AS
SELECT w.* REPLACE (coalesce(d.others, 0) AS others)
FROM wanting w LEFT JOIN (SELECT click, count(*) AS others FROM drawn GROUP BY click) d USING (click)
WHERE coalesce(d.others, 0) < getvariable('page_size') - 1;
INSERT INTO drawn
SELECT click, m.item, others + row_number() OVER (PARTITION BY click ORDER BY k) AS position
FROM (FROM drawn_for(2 * getvariable('page_size'), 6 * getvariable('page_size'), false) ANTI JOIN drawn USING (click, item)) m
JOIN wanting USING (click)
QUALIFY position < getvariable('page_size');
INSERT INTO drawn_item FROM drawn;

-- step: Items of pages
-- The clicked item gets a random position on the page. A page's id begins with the random number x, so a
-- user's pages of equal times have a random order. If the pages were ordered by clicked item, one click would
-- help to guess the next click.
CREATE TABLE displayed AS
WITH clicked_position AS (
  SELECT *, 1 + x % (1 + others) AS clicked_position
  FROM click_row JOIN (SELECT click, count(*) AS others FROM drawn_item GROUP BY click) USING (click)
)
SELECT bucket_of_user(user_id) AS bucket, user_id, x || chr(31) || page || chr(31) || c.item AS page, item_id, time, position::DOUBLE AS position, clicked, NULL::DOUBLE AS click_time,
  NULL::DOUBLE AS propensity, NULL::VARCHAR[] AS row_values
FROM (
  SELECT click, item, clicked_position AS position, true AS clicked FROM clicked_position
  UNION ALL
  SELECT click, d.item, d.position + if(d.position >= clicked_position, 1, 0), false FROM drawn_item d JOIN clicked_position USING (click)
) r
JOIN click_row c USING (click)
JOIN click_item i ON i.item = r.item;
SET VARIABLE rows_of_log = (SELECT count(*) FROM displayed);
INSERT INTO skipped
SELECT 'clicks before which ' || getvariable('other') || 's had clicked no other item',
  (SELECT count(*) FROM to_draw) - (SELECT count(DISTINCT (user_id, page)) FROM displayed);
DROP TABLE drawn_item; DROP TABLE to_draw; DROP TABLE competitor; DROP TABLE click_row; DROP TABLE click_item;
