-- Numbers the items of the pages, reads the items' features, and builds the rows that prepared.sql reads.
--
-- Reads    displayed (bucket, user_id, page, time, position, item_id, clicked, click_time, propensity,
--          row_values)
--          history (user_id, position, item_id)            clicks before the log begins
--          page_candidates (user_id, page, candidates)
--          feature_source (item_id, title, dense, tokens)  view: list of numbers; per field, a list of texts
--          like_item (item, item_id, ...)                  items of the set that --encoding-from names
-- Creates  number_of (item, item_id, valid_from), feature_read (item, dense, tokens, title)
--          shown, users, candidate (user_id, tie, items)   see prepared.sql. users has a row per part in which
--                                                          a person has pages.
--
-- The clicks of a page are ordered by time. Without times, the order is random, because an order by position
-- would look like position bias, and an order by item would look like an effect of the items.
-- Each context event becomes a page with one item. These pages precede the user's first page in the order of
-- the context events, and are a millisecond apart.

-- step: Looking at the pages | for round in (FROM rounds())
CREATE TABLE IF NOT EXISTS page_of (
  bucket USMALLINT, user_id VARCHAR, page VARCHAR, time BIGINT, items BIGINT, clicks BIGINT, has_several_propensities BOOLEAN,
  span BIGINT, -- ms between the times of the page's first and last row
  has_position_twice BOOLEAN -- true if two items are at one position; false if positions are unknown
);
INSERT INTO page_of
SELECT bucket, user_id, page, min(time), count(*), count(*) FILTER (clicked), min(propensity) <> max(propensity),
  max(time) - min(time), getvariable('with_positions') AND count(DISTINCT position) < count(*)
FROM displayed
WHERE in_round(bucket)
GROUP BY ALL;

-- step: Begin of validation and test | for one in (SELECT 1 WHERE getvariable('split') = 'time')
-- Returns a part's begin in ms. given: ms since 1970; if negative, relative to the last page. If NULL,
-- the part begins after this share of the pages.
CREATE MACRO begin_of(given, share) AS CASE
  WHEN given IS NULL THEN (
    SELECT min(time) FROM (SELECT time, row_number() OVER (ORDER BY time) AS n, count(*) OVER () AS pages FROM page_of)
    WHERE n > share * pages + 1e-6
  )
  WHEN given < 0 THEN (SELECT max(time) + 1 FROM page_of) + given
  ELSE given
END;
SET VARIABLE validation_start = (SELECT begin_of(getvariable('validation_at')::BIGINT, getvariable('train_share')));
SET VARIABLE test_start = (SELECT begin_of(getvariable('test_at')::BIGINT, getvariable('train_share') + getvariable('validation_share')));

-- step: Numbers of items
-- The items of the set that --encoding-from names keep their numbers, because a model's counts use them.
CREATE TABLE number_of AS
SELECT
  coalesce(item, (SELECT count(*) FROM like_item) + row_number() OVER (PARTITION BY item IS NULL ORDER BY item_id) - 1)::UINTEGER AS item,
  item_id, NULL::TIMESTAMP AS valid_from
FROM (
  SELECT item_id FROM displayed UNION SELECT item_id FROM history UNION SELECT unnest(candidates) FROM page_candidates
  UNION SELECT item_id FROM feature_source WHERE getvariable('all_items')
)
LEFT JOIN (SELECT max(item) AS item, item_id FROM like_item GROUP BY item_id) USING (item_id);

-- step: Reading item features
CREATE TABLE feature_read AS
SELECT item, dense, tokens, min(title) FILTER (title <> '') AS title
FROM feature_source JOIN number_of USING (item_id)
GROUP BY item, dense, tokens;
INSERT INTO skipped
SELECT 'displayed items without a row of features', (SELECT count(*) FROM number_of ANTI JOIN feature_read USING (item))
WHERE getvariable('with_features');

-- step: Rows of pages | for round in (FROM rounds())
-- The page id (tie) orders pages of a user that have one time.
CREATE TABLE IF NOT EXISTS shown (
  bucket USMALLINT, user_id VARCHAR, time BIGINT, tie VARCHAR, position DOUBLE, item UINTEGER, clicked STRUCT(moment DOUBLE, draw VARCHAR),
  propensity DOUBLE, context BOOLEAN, row_values VARCHAR[]
);
INSERT INTO shown
SELECT
  d.bucket, user_id, p.time, page, position, item,
  CASE WHEN d.clicked THEN {
    moment: coalesce(click_time, 'inf'::DOUBLE),
    draw: if(clicks > 1, md5(concat_ws(chr(31), user_id, p.time, item_id)), '')
  } END,
  propensity, false, row_values
FROM displayed d
JOIN page_of p USING (user_id, page)
JOIN number_of USING (item_id)
WHERE in_round(d.bucket) AND in_round(p.bucket);

-- step: Context events
INSERT INTO note
SELECT 'pages with several clicks: ' || count(*) || ' (each click is a choice among the items not clicked yet)'
FROM page_of WHERE clicks > 1 HAVING count(*) > 0;
INSERT INTO shown BY NAME
SELECT
  bucket_of_user(user_id) AS bucket, user_id,
  first_time - 1 - max(position) OVER (PARTITION BY user_id) + position AS time,
  '' AS tie, 0 AS position, item, {moment: 'inf'::DOUBLE, draw: ''} AS clicked, true AS context
FROM history
JOIN number_of USING (item_id)
JOIN (SELECT user_id, min(time) AS first_time FROM page_of GROUP BY user_id) USING (user_id);
CREATE TABLE candidate AS
SELECT user_id, page AS tie, list(item ORDER BY item) AS items
FROM (SELECT user_id, page, unnest(candidates) AS item_id FROM page_candidates) JOIN number_of USING (item_id)
GROUP BY user_id, page;
DROP TABLE displayed; DROP TABLE history; DROP TABLE page_of; DROP TABLE page_candidates;

-- step: Users and their parts
-- Users get their parts before the items are encoded, because the encoding uses statistics of the train part.
CREATE TABLE users AS
SELECT
  bucket,
  (row_number() OVER (ORDER BY user_id, time_part) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][if(getvariable('split') = 'time', time_part, hash_part(user_id)) + 1] AS split,
  time_part
FROM (SELECT DISTINCT bucket, user_id, time_part(time) AS time_part FROM shown WHERE NOT context);
