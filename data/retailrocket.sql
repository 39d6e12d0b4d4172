-- Retailrocket's raw files to pages and items. data/README.md says what a prepared data set is.
--
--   events*.csv           timestamp (ms), visitorid, event (view | addtocart | transaction), itemid, transactionid
--   item_properties*.csv  timestamp (ms), itemid, property, value: what is known of an item from that time on
--   category_tree*.csv    categoryid, parentid (empty for a root)
--
-- Options come by getvariable(): events, properties, tree (lists of files); gap_ms; page_mode (session | sampled); page_size; keep_no_click;
-- numeric (properties whose value is one number); dense, tokens (names of the features); seed; min_events; max_users.
--
-- No look-ahead: a page at time t sees properties of time <= t and counts of events before t.
-- All orders are by content, so that rows, files and compression of the source can be in any order.
--
-- Ends with shown (a row for each item of a page), number_of and feature_read, as users.sql and item_features.sql take them.

-- Values are read as text. Where the reader itself is told of another type, and meets a value that is none, DuckDB 1.5.6 copies
-- columns of the row that nobody asked for and it never filled: the process may crash.

-- step: Reading events
-- How values are read. A cast alone would round 3.5 and take 1e3 and 0x10: different ids would become one. Most are written as they are.
CREATE MACRO whole(t) AS CASE
  WHEN TRY_CAST(t AS BIGINT)::VARCHAR = t THEN TRY_CAST(t AS BIGINT)
  WHEN ltrim(ltrim(trim(t), '-'), '0123456789') = '' THEN TRY_CAST(t AS BIGINT)
END;
-- In ms, what a timestamp reaches.
CREATE MACRO is_time(t) AS t BETWEEN -8640000000000000 AND 8640000000000000;
CREATE TYPE event_kind AS ENUM ('view', 'addtocart', 'transaction');

CREATE VIEW checked_event AS
SELECT
  *, NULL::BIGINT AS "row", NULL::VARCHAR AS line,
  CASE
    WHEN NOT coalesce(is_time(time), false) THEN 'time' WHEN visitor IS NULL THEN 'visitor' WHEN item IS NULL THEN 'item'
    WHEN kind IS NULL THEN 'event'
  END AS fault
FROM (
  SELECT
    "clickgan file" AS file, timestamp, visitorid, event, itemid,
    whole(timestamp) AS time, whole(visitorid) AS visitor, TRY_CAST(event AS event_kind) AS kind, whole(itemid) AS item
  FROM read_csv(
    getvariable('events'), header = true, delim = ',', quote = '"', escape = '"', auto_detect = false,
    columns = {
      'timestamp': 'VARCHAR', 'visitorid': 'VARCHAR', 'event': 'VARCHAR', 'itemid': 'VARCHAR', 'transactionid': 'VARCHAR'
    },
    nullstr = '\N', store_rejects = true, filename = 'clickgan file'
  )
);

-- Numbers are written n277.200, categories and availability plainly.
CREATE MACRO property_number(t) AS TRY_CAST(ltrim(t, 'n') AS DOUBLE);
-- What a 32-bit float holds.
CREATE MACRO is_number(x) AS abs(x) <= 3.4028234e38;
CREATE VIEW checked_property AS
SELECT
  *, NULL::BIGINT AS "row", NULL::VARCHAR AS line,
  CASE
    WHEN NOT coalesce(is_time(time), false) THEN 'time' WHEN item IS NULL THEN 'item'
    WHEN property = 'categoryid' THEN CASE WHEN abs(property_number(value)) >= 9007199254740992 THEN 'category' END
  END AS fault
FROM (
  SELECT
    "clickgan file" AS file, timestamp, itemid, property, value, whole(timestamp) AS time, whole(itemid) AS item
  FROM read_csv(
    getvariable('properties'), header = true, delim = ',', quote = '"', escape = '"', auto_detect = false,
    columns = { 'timestamp': 'VARCHAR', 'itemid': 'VARCHAR', 'property': 'VARCHAR', 'value': 'VARCHAR' },
    nullstr = '\N', store_rejects = true, filename = 'clickgan file'
  )
);

CREATE VIEW checked_category AS
SELECT
  *, NULL::BIGINT AS "row", NULL::VARCHAR AS line,
  CASE WHEN category IS NULL THEN 'category' WHEN parentid IS NOT NULL AND parent IS NULL THEN 'parent' END AS fault
FROM (
  SELECT "clickgan file" AS file, categoryid, parentid, whole(categoryid) AS category, whole(parentid) AS parent
  FROM read_csv(
    getvariable('tree'), header = true, delim = ',', quote = '"', escape = '"', auto_detect = false,
    columns = { 'categoryid': 'VARCHAR', 'parentid': 'VARCHAR' }, store_rejects = true, filename = 'clickgan file'
  )
);

CREATE TABLE event_read AS
SELECT time, visitor, kind, item, fault
FROM checked_event;

-- step: Reading item properties
CREATE TABLE property_read AS
SELECT time, item, property, value, fault
FROM checked_property
WHERE fault IS NOT NULL OR property IN ('categoryid', 'available') OR list_contains(getvariable('numeric')::VARCHAR[], property);

-- step: Reading the category tree
CREATE TABLE category_read AS
SELECT category, parent, fault
FROM checked_category;

-- step: Events, each once
CREATE TABLE event AS
SELECT DISTINCT time, visitor, kind, item FROM event_read WHERE fault IS NULL;
INSERT INTO skipped
SELECT 'events that are there twice',
  (SELECT count(*) FROM event_read WHERE fault IS NULL) - (SELECT count(*) FROM event);
DROP TABLE event_read;

-- The visitors that are wanted; which ones does not depend on who else is there. Not by the hash that deals the users out
-- to the parts: those with the smallest of it would all be train users.
CREATE TABLE visitor AS
SELECT visitor
FROM event
GROUP BY visitor
HAVING count(*) >= getvariable('min_events')
ORDER BY md5('wanted ' || visitor), visitor
LIMIT getvariable('max_users');

-- step: Item properties over time
-- What is known of an item, from when on.
CREATE TABLE known AS
SELECT item, property AS feature, time AS valid_from, max(property_number(value)) AS value
FROM property_read
WHERE fault IS NULL AND is_number(property_number(value))
  AND (property <> 'categoryid' OR property_number(value) = floor(property_number(value)))
GROUP BY item, property, time;
INSERT INTO skipped
SELECT 'categories of an item that are no whole number',
  (SELECT count(*) FROM property_read WHERE property = 'categoryid' AND property_number(value) <> floor(property_number(value)));
INSERT INTO skipped
SELECT 'values of an item that are no number within 32-bit floats', (
  SELECT count(*) FROM property_read
  WHERE fault IS NULL AND property <> 'categoryid' AND value <> '' AND NOT coalesce(is_number(property_number(value)), false)
);
DROP TABLE property_read;

-- step: Counts of views, carts and purchases over time
-- A count enters as floor(log2(1 + n)), log_views and so on, so it changes at n = 1, 3, 7, 15, ...; an event counts from the next ms on.
INSERT INTO known
SELECT item, feature, valid_from, max(log2(n + 1)) AS value
FROM (
  SELECT
    item,
    CASE kind WHEN 'view' THEN 'views' WHEN 'addtocart' THEN 'carts' ELSE 'buys' END AS feature,
    time + 1 AS valid_from,
    row_number() OVER (PARTITION BY item, kind ORDER BY time, visitor) AS n
  FROM event
)
WHERE (n & (n + 1)) = 0
GROUP BY item, feature, valid_from;

-- step: Versions of items
-- A version of an item holds from valid_from until the next one: a row for each time that something changed, with the
-- last value known of everything. Each item has one from the beginning of time on, of which nothing is known.
CREATE TYPE feature AS ENUM (
  SELECT unnest(list_concat(['categoryid', 'available', 'views', 'carts', 'buys'], getvariable('numeric')::VARCHAR[]))
);
CREATE TABLE change AS
SELECT item, feature, valid_from, value
FROM (SELECT *, lag(value) OVER (PARTITION BY item, feature ORDER BY valid_from) AS before FROM known)
WHERE (before IS NULL OR before <> value) AND item IN (SELECT item FROM event);
DROP TABLE known;
CREATE TABLE version AS
SELECT item, valid_from, last_value(COLUMNS(* EXCLUDE (item, valid_from)) IGNORE NULLS) OVER so_far
FROM (PIVOT change ON feature IN feature USING max(value) GROUP BY item, valid_from)
WINDOW so_far AS (PARTITION BY item ORDER BY valid_from)
UNION ALL BY NAME
SELECT DISTINCT item, -9000000000000000 AS valid_from FROM event;
DROP TABLE change;

-- step: Pages of what was viewed in a session
-- A page is what the visitor viewed in the session so far, the click is what she put in the cart or bought: once for
-- each item and session, the first time. Nothing is invented: what was never viewed was on no page.
CREATE TABLE in_session AS
SELECT
  visitor, time, kind, item,
  sum(begins) OVER (PARTITION BY visitor ORDER BY time, kind, item ROWS UNBOUNDED PRECEDING) AS session
FROM (
  SELECT
    *,
    CASE WHEN time - lag(time) OVER (PARTITION BY visitor ORDER BY time, kind, item) <= getvariable('gap_ms')
      THEN 0 ELSE 1 END AS begins
  FROM event
  WHERE getvariable('page_mode') = 'session' AND visitor IN (FROM visitor)
);
CREATE TABLE act AS
SELECT visitor, session, item, min(time) AS time
FROM in_session
WHERE kind <> 'view'
GROUP BY visitor, session, item;
INSERT INTO skipped
SELECT 'carts and purchases of an item that was in the session''s cart before',
  (SELECT count(*) FROM in_session WHERE kind <> 'view') - (SELECT count(*) FROM act);
CREATE TABLE seen AS
SELECT visitor, session, item, min(time) AS time
FROM in_session
WHERE kind = 'view'
GROUP BY visitor, session, item;

-- A session that put nothing in the cart is a page without a click, at the time of its last new item.
CREATE TABLE page_time AS
SELECT visitor, session, time, item AS clicked FROM act
UNION ALL
SELECT visitor, session, max(time), NULL
FROM seen ANTI JOIN act USING (visitor, session)
WHERE getvariable('keep_no_click')
GROUP BY visitor, session;

-- Of a long session, the page is the clicked item and those that were viewed last.
CREATE TABLE page_row AS
WITH candidate AS (
  SELECT visitor, p.time, clicked, s.item, s.time AS viewed, coalesce(s.item = clicked, false) AS is_clicked
  FROM page_time p JOIN seen s USING (visitor, session)
  WHERE s.time <= p.time
),
latest AS (
  SELECT *
  FROM candidate
  QUALIFY row_number() OVER (PARTITION BY visitor, time, clicked ORDER BY is_clicked DESC, viewed DESC, item)
      <= getvariable('page_size')
    AND (clicked IS NULL OR bool_or(is_clicked) OVER (PARTITION BY visitor, time, clicked))
)
SELECT
  visitor, r.time, clicked, r.item, v.valid_from, is_clicked,
  row_number() OVER (PARTITION BY visitor, r.time, clicked ORDER BY viewed, r.item) AS place
FROM latest r ASOF JOIN version v ON r.item = v.item AND r.time >= v.valid_from;
INSERT INTO skipped
SELECT 'carts and purchases of an item that was not viewed in the session before',
  (SELECT count(*) FROM page_time) - (SELECT count(*) FROM (SELECT DISTINCT visitor, time, clicked FROM page_row));
DROP TABLE in_session; DROP TABLE act; DROP TABLE seen; DROP TABLE page_time;

-- step: Who competes for a view
-- With sampled pages each view is a click. The items that it is shown with are drawn from the views of the same week in
-- the same category: an item comes in that list as often as it was viewed, so drawing a place draws by popularity.
CREATE TABLE viewed AS
SELECT e.visitor, e.time, e.item, e.time // 604800000 AS week, coalesce(v.categoryid, -1) AS category, v.valid_from
FROM event e ASOF JOIN version v ON e.item = v.item AND e.time >= v.valid_from
WHERE getvariable('page_mode') = 'sampled' AND kind = 'view';
-- Pages are drawn for so many views at once, all of one week, as fit in memory.
CREATE TABLE to_draw AS
SELECT *, week * 1000 + visitor % greatest(1, count(*) OVER (PARTITION BY week) * getvariable('page_size') // 300000) AS batch
FROM viewed
WHERE visitor IN (FROM visitor);
CREATE TABLE competitor AS
SELECT week, category, item, row_number() OVER (PARTITION BY week, category ORDER BY time, visitor, item) - 1 AS place
FROM viewed
UNION ALL
-- The whole week, as -2, for what a small category cannot fill.
SELECT week, -2, item, row_number() OVER (PARTITION BY week ORDER BY time, visitor, item) - 1
FROM viewed
ORDER BY week, category;
CREATE TABLE category_size AS
SELECT week, category, count(*) AS size FROM competitor GROUP BY week, category;

-- For the pages that are wanting: draws number first_draw and on, and what of them was on offer at the time. x is a page's
-- own random number; draw k takes x a_k mod 2^31 - 1 for constants a_k: the same seed draws the same page in whatever order.
CREATE TEMP TABLE wanting (visitor BIGINT, time BIGINT, clicked BIGINT, category DOUBLE, x BIGINT);
CREATE TEMP MACRO drawn_for(first_draw, draws, of_week) AS TABLE
WITH draw AS MATERIALIZED (
  SELECT visitor, time, clicked, k, s.category, (x * (48271 * (k + 1)) + 16807 * k) % 2147483647 % s.size AS place
  FROM wanting p, range(first_draw, first_draw + draws) AS numbers(k)
  JOIN (SELECT * FROM category_size WHERE week = getvariable('batch') // 1000) s
    ON s.category = if(of_week, -2, p.category)
),
chosen AS MATERIALIZED (
  SELECT visitor, time, clicked, c.item, min(k) AS k
  FROM draw d
  JOIN (SELECT * FROM competitor WHERE week = getvariable('batch') // 1000) c USING (category, place)
  WHERE c.item <> clicked
  GROUP BY visitor, time, clicked, c.item
)
SELECT visitor, c.time, clicked, c.item, v.valid_from, k
FROM chosen c
ASOF JOIN (SELECT item, valid_from, available FROM version WHERE item IN (SELECT item FROM chosen)) v
  ON c.item = v.item AND c.time >= v.valid_from
WHERE coalesce(v.available, 1) = 1;

-- step: Pages drawn for views | for batch in (SELECT DISTINCT batch FROM to_draw ORDER BY batch)
-- Twice as many draws as places from the category; where these do not fill a page, as many again from the week. An item
-- comes once, the clicked one is not drawn, and what was not on offer at the time of the view is left out.
CREATE OR REPLACE TEMP TABLE page_of_week AS
SELECT
  visitor, time, item AS clicked, category, valid_from,
  ('0x' || substr(md5(concat_ws(',', getvariable('seed'), visitor, time, item)), 1, 7))::BIGINT AS x
FROM to_draw
WHERE batch = getvariable('batch');

CREATE OR REPLACE TEMP TABLE wanting AS SELECT * FROM page_of_week;
CREATE OR REPLACE TEMP TABLE drawn AS
SELECT * EXCLUDE k, row_number() OVER (PARTITION BY visitor, time, clicked ORDER BY k) AS place
FROM drawn_for(0, 2 * getvariable('page_size'), false)
QUALIFY place < getvariable('page_size');

CREATE OR REPLACE TEMP TABLE wanting AS
SELECT p.*, coalesce(others, 0) AS others
FROM page_of_week p
LEFT JOIN (SELECT visitor, time, clicked, count(*) AS others FROM drawn GROUP BY visitor, time, clicked) d
  USING (visitor, time, clicked)
WHERE coalesce(others, 0) < getvariable('page_size') - 1;
INSERT INTO drawn
SELECT
  m.* EXCLUDE k,
  others + row_number() OVER (PARTITION BY visitor, time, clicked ORDER BY k) AS place
FROM (
  FROM drawn_for(2 * getvariable('page_size'), 2 * getvariable('page_size'), true)
  ANTI JOIN drawn USING (visitor, time, clicked, item)
) m
JOIN wanting USING (visitor, time, clicked)
QUALIFY place < getvariable('page_size');

-- The clicked item takes a random place among the others.
INSERT INTO page_row BY NAME
WITH others AS (SELECT visitor, time, clicked, count(*) AS others FROM drawn GROUP BY visitor, time, clicked),
clicked_place AS (
  SELECT p.*, 1 + x % (1 + coalesce(others, 0)) AS place
  FROM page_of_week p LEFT JOIN others USING (visitor, time, clicked)
)
SELECT visitor, time, clicked, clicked AS item, valid_from, true AS is_clicked, place
FROM clicked_place
UNION ALL BY NAME
SELECT visitor, time, clicked, d.item, d.valid_from, false AS is_clicked, d.place + if(d.place >= c.place, 1, 0) AS place
FROM drawn d JOIN clicked_place c USING (visitor, time, clicked);

-- step: Numbers of items
-- An item of the prepared data is a version that is on some page.
DROP TABLE viewed; DROP TABLE to_draw; DROP TABLE competitor; DROP TABLE category_size;
CREATE TABLE numbered AS
SELECT item, valid_from, (row_number() OVER (ORDER BY item, valid_from) - 1)::UINTEGER AS number
FROM (SELECT DISTINCT item, valid_from FROM page_row);
CREATE TABLE number_of AS
SELECT number AS item, item::VARCHAR AS item_id, if(valid_from < 0, NULL, epoch_ms(valid_from)) AS valid_from
FROM numbered;

-- step: Categories up to the root
-- From an item's own on; a parent that is not in the file is a root.
CREATE TABLE category_path AS
WITH RECURSIVE
known AS (
  SELECT category, min(parent) AS parent FROM category_read WHERE fault IS NULL GROUP BY category
),
every AS (
  SELECT category FROM known
  UNION SELECT parent FROM known WHERE parent IS NOT NULL
  UNION SELECT categoryid::BIGINT FROM version WHERE categoryid IS NOT NULL
),
path AS (
  SELECT category, [category] AS path FROM every
  UNION ALL
  SELECT p.category, list_append(p.path, k.parent)
  FROM path p JOIN known k ON k.category = p.path[-1]
  WHERE k.parent IS NOT NULL AND NOT list_contains(p.path, k.parent)
)
SELECT category, arg_max(path, len(path))::VARCHAR[] AS path
FROM path
GROUP BY category;

-- step: Features of items
-- Each by its name, of those that are wanted: all, or what another set was made of.
CREATE TABLE feature_read AS
-- The category comes first so that the list is never empty; it is cut off below.
WITH of_version AS (
  SELECT
    number, categoryid, [available, coalesce(views, 0), coalesce(carts, 0), coalesce(buys, 0)] AS counts,
    [*COLUMNS(c -> c = 'categoryid' OR list_contains(getvariable('numeric')::VARCHAR[], c))] AS numbers
  FROM version JOIN numbered USING (item, valid_from)
),
named AS (
  SELECT
    number, categoryid,
    map(
      list_concat(
        ['available', 'log_views', 'log_carts', 'log_buys'],
        list_transform(getvariable('numeric')::VARCHAR[], lambda property: 'property_' || property)
      ),
      list_concat(counts, numbers[2:])
    ) AS by_name
  FROM of_version
)
SELECT
  number AS item,
  list_transform(getvariable('dense')::VARCHAR[], lambda name: by_name[name])::DOUBLE[] AS dense,
  list_transform(getvariable('tokens')::VARCHAR[], lambda name: coalesce(path, []))::VARCHAR[][] AS tokens
FROM named LEFT JOIN category_path ON category = categoryid;
DROP TABLE version; DROP TABLE category_path;

-- step: Rows of pages
CREATE TABLE shown AS
SELECT
  bucket_of_user(visitor::VARCHAR) AS bucket, visitor::VARCHAR AS user_id, time, coalesce(clicked::VARCHAR, '') AS tie, place, number AS item, if(is_clicked, {moment: 'inf'::DOUBLE, draw: ''}, NULL) AS clicked,
  NULL::DOUBLE AS propensity, false AS given
FROM page_row JOIN numbered USING (item, valid_from);
SET VARIABLE rows_of_log = (SELECT count(*) FROM shown);
DROP TABLE page_row; DROP TABLE numbered;
