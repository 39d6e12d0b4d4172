-- Reads Retailrocket's events.csv, item_properties_part1.csv and _part2.csv, and category_tree.csv. A page
-- has the items that a visitor viewed in the session so far, at most 50. The page's click is that the visitor
-- put an item into the cart or bought it, at most once per item and session. No displayed item is sampled.
--
--   deno task -q data log --query retailrocket.sql --out runs/data/rr
--
-- An item has the features that it had at the time of the page: category and parent categories, availability,
-- price (property 790), and floor(log2(1 + n)) for the numbers n of its earlier views, carts and purchases.
-- When a feature changes, the item gets a new version, which is an item with the id ITEM@MILLISECONDS.
-- Change: the paths, the gap between sessions (30 minutes), the largest number of items of a page, and the
-- properties. In retailrocket_views.sql, views are the clicks.
WITH RECURSIVE event AS (
  SELECT DISTINCT timestamp AS time, visitorid AS visitor, itemid AS item, event AS kind, list_position(['view', 'addtocart', 'transaction'], event) AS rank
  FROM read_csv('events.csv', header = true, types = {'timestamp': 'BIGINT', 'visitorid': 'BIGINT', 'itemid': 'BIGINT', 'event': 'VARCHAR'})
),
-- Sessions of each visitor. act: the first time that an item of a session was put into the cart or bought.
-- seen: the first view of an item in a session.
in_session AS (
  SELECT *, sum(begins) OVER (PARTITION BY visitor ORDER BY time, rank, item ROWS UNBOUNDED PRECEDING) AS session
  FROM (
    SELECT *, (time - lag(time) OVER (PARTITION BY visitor ORDER BY time, rank, item) <= 30 * 60000 IS NOT TRUE)::INTEGER AS begins
    FROM event
  )
),
act AS (SELECT visitor, session, item, min(time) AS time FROM in_session WHERE kind <> 'view' GROUP BY ALL),
seen AS (SELECT visitor, session, item, min(time) AS time FROM in_session WHERE kind = 'view' GROUP BY ALL),
shown AS (
  SELECT visitor, a.time, a.item AS clicked, s.item, s.time AS viewed
  FROM act a JOIN seen s USING (visitor, session)
  WHERE s.time <= a.time
  QUALIFY row_number() OVER (PARTITION BY visitor, a.time, a.item ORDER BY s.item = a.item DESC, s.time DESC, s.item) <= 50
    AND bool_or(s.item = a.item) OVER (PARTITION BY visitor, a.time, a.item)
),
-- Values of features, and times from which they hold. floor(log2(1 + n)) changes after event 1, 3, 7, ...
known AS (
  SELECT itemid AS item, property AS feature, timestamp AS valid_from, max(TRY_CAST(ltrim(value, 'n') AS DOUBLE)) AS value
  FROM read_csv('item_properties*.csv', header = true, types = {'timestamp': 'BIGINT', 'itemid': 'BIGINT', 'property': 'VARCHAR', 'value': 'VARCHAR'})
  WHERE property IN ('categoryid', 'available', '790')
  GROUP BY ALL
  UNION ALL
  SELECT item, kind, valid_from, max(log2(n + 1))
  FROM (SELECT item, kind, time + 1 AS valid_from, row_number() OVER (PARTITION BY item, kind ORDER BY time, visitor) AS n FROM event)
  WHERE n & (n + 1) = 0
  GROUP BY ALL
),
change AS (
  SELECT item, feature, valid_from, value
  FROM (SELECT *, lag(value) OVER (PARTITION BY item, feature ORDER BY valid_from) AS before FROM known)
  WHERE value IS DISTINCT FROM before
),
version AS (
  SELECT item, valid_from, last_value(COLUMNS(* EXCLUDE (item, valid_from)) IGNORE NULLS) OVER so_far
  FROM (PIVOT change ON feature IN ('categoryid', 'available', '790', 'view', 'addtocart', 'transaction') USING max(value) GROUP BY item, valid_from)
  WINDOW so_far AS (PARTITION BY item ORDER BY valid_from)
  UNION ALL BY NAME
  SELECT DISTINCT item, 0 AS valid_from FROM event
),
-- Each category with its parent categories up to the root.
parent AS (
  SELECT categoryid AS category, min(parentid) AS parent
  FROM read_csv('category_tree.csv', header = true, types = {'categoryid': 'BIGINT', 'parentid': 'BIGINT'})
  GROUP BY categoryid
),
path AS (
  SELECT category, [category] AS path FROM (SELECT category FROM parent UNION SELECT value::BIGINT FROM change WHERE feature = 'categoryid')
  UNION ALL
  SELECT p.category, list_append(p.path, k.parent)
  FROM path p JOIN parent k ON k.category = p.path[-1]
  WHERE k.parent IS NOT NULL AND NOT list_contains(p.path, k.parent)
),
branch AS (SELECT category, arg_max(path, len(path))::VARCHAR[] AS path FROM path GROUP BY category)
SELECT
  visitor AS user, r.item || '@' || v.valid_from AS item, epoch_ms(r.time) AS time, r.item = r.clicked AS clicked,
  r.time || '-' || r.clicked AS page,
  row_number() OVER (PARTITION BY visitor, r.time, r.clicked ORDER BY r.viewed, r.item) AS position,
  {
    available: available, log_views: coalesce("view", 0), log_carts: coalesce(addtocart, 0), log_buys: coalesce("transaction", 0),
    price: "790", category: coalesce(branch.path, [])
  } AS features
FROM shown r ASOF JOIN version v ON r.item = v.item AND r.time >= v.valid_from
LEFT JOIN branch ON branch.category = v.categoryid
