-- Reads events from JSON lines: {"name": "view_list", "shown": [{"id": "i1"}, ...]} displays a list, and
-- {"name": "select", "shown": [{"id": "i7"}]} is a click. A click is assigned to the latest list that showed
-- the item to the user, at most 30 minutes before the click.
--
--   deno task -q data log --query event_lists.sql
--
-- Change: the path, the keys, the two values of name, and the format of times (here microseconds since 1970).
WITH event AS (
  SELECT uid, make_timestamp("at") AS time, name, unnest(shown).id AS sku, unnest(range(len(shown))) AS position
  FROM read_json('lists.jsonl', format = 'newline_delimited', sample_size = -1)
),
shown AS (FROM event WHERE name = 'view_list'),
found AS (
  SELECT shown.uid, shown.sku, shown.time, min(click.time) AS clicked
  FROM (FROM event WHERE name = 'select') AS click
  ASOF JOIN shown ON click.uid = shown.uid AND click.sku = shown.sku AND click.time >= shown.time
  WHERE click.time - shown.time <= INTERVAL 30 MINUTES
  GROUP BY ALL
)
SELECT uid AS user, sku AS item, time, position, clicked
FROM shown LEFT JOIN found USING (uid, sku, time)
