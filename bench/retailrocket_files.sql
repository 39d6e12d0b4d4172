-- Made-up files in Retailrocket's layout. Popular items and busy visitors are few, sessions are short, properties come
-- in weekly snapshots; a number of a row is a hash of its place.

-- step: category_tree.csv
COPY (
  SELECT k AS categoryid, if(k < getvariable('roots'), NULL, hash(k) % k) AS parentid
  FROM range(getvariable('categories')) AS t(k)
) TO (getvariable('out') || '/category_tree.csv') (FORMAT csv, HEADER);

-- step: events.csv
-- A visitor's events lie in up to three sessions, minutes apart. One event in thirty is an item's way into the cart a
-- minute after the view before it (the even numbers), a third of these a purchase.
COPY (
  WITH drawn AS (
    SELECT k, k % 2 = 1 AND hash(k, 3) % 1000 < 66 AS acts, if(k % 2 = 1 AND hash(k, 3) % 1000 < 66, k - 1, k) AS base
    FROM range(getvariable('events')) AS t(k)
  ),
  placed AS (
    SELECT
      k, base, acts,
      floor(getvariable('visitors') * pow((hash(base, 1) % 1000000) / 1e6, 1.5))::BIGINT AS visitorid,
      floor(getvariable('items') * pow((hash(base, 2) % 1000000) / 1e6, 3))::BIGINT AS itemid
    FROM drawn
  )
  SELECT
    1430622004384 + (hash(visitorid, hash(base, 4) % 3) % 11000000000)::BIGINT + (hash(base, 5) % 1500000)::BIGINT
      + if(acts, 60000, 0) AS timestamp,
    visitorid,
    CASE WHEN NOT acts THEN 'view' WHEN hash(k, 6) % 3 = 0 THEN 'transaction' ELSE 'addtocart' END AS event,
    itemid,
    if(acts AND hash(k, 6) % 3 = 0, k, NULL) AS transactionid
  FROM placed
) TO (getvariable('out') || '/events.csv') (FORMAT csv, HEADER);

-- step: item_properties_part1.csv and item_properties_part2.csv
-- Most rows are texts of hashed words; of 25 rows, one is a category, two an availability, two the number 790.
CREATE TABLE property AS
SELECT
  1431226800000 + 604800000 * (hash(k, 1) % 18)::BIGINT AS timestamp,
  floor(getvariable('items') * (hash(k, 2) % 1000000) / 1e6)::BIGINT AS itemid,
  (hash(k, 3) % 25)::BIGINT AS kind,
  hash(k, 4) AS x,
  k
FROM range(getvariable('properties')) AS t(k);
COPY (
  SELECT
    timestamp, itemid,
    CASE WHEN kind = 0 THEN 'categoryid' WHEN kind < 3 THEN 'available' WHEN kind < 5 THEN '790' ELSE (x % 1100)::VARCHAR END AS property,
    CASE
      WHEN kind = 0 THEN (hash(itemid) % getvariable('categories'))::VARCHAR
      WHEN kind < 3 THEN (x % 10 < 7)::INTEGER::VARCHAR
      WHEN kind < 5 THEN 'n' || (hash(itemid) % 100000 * 12 / 10)::DECIMAL(18, 3)
      ELSE array_to_string(list_transform(range((x % 8)::BIGINT), lambda w: (hash(x, w) % 1400000)::VARCHAR), ' ') || ' n' || (x % 1000) || '.000' END AS value
  FROM property WHERE k % 20 < 11
) TO (getvariable('out') || '/item_properties_part1.csv') (FORMAT csv, HEADER);
COPY (
  SELECT
    timestamp, itemid,
    CASE WHEN kind = 0 THEN 'categoryid' WHEN kind < 3 THEN 'available' WHEN kind < 5 THEN '790' ELSE (x % 1100)::VARCHAR END AS property,
    CASE
      WHEN kind = 0 THEN (hash(itemid) % getvariable('categories'))::VARCHAR
      WHEN kind < 3 THEN (x % 10 < 7)::INTEGER::VARCHAR
      WHEN kind < 5 THEN 'n' || (hash(itemid) % 100000 * 12 / 10)::DECIMAL(18, 3)
      ELSE array_to_string(list_transform(range((x % 8)::BIGINT), lambda w: (hash(x, w) % 1400000)::VARCHAR), ' ') || ' n' || (x % 1000) || '.000' END AS value
  FROM property WHERE k % 20 >= 11
) TO (getvariable('out') || '/item_properties_part2.csv') (FORMAT csv, HEADER);
