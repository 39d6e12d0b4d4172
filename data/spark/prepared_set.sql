-- Builds the tables of a prepared data set from the rows that shown.py writes: shown (user_id, page_id, time,
-- item_id, clicked, position). Items are one-hot; features need the columns dense and tokens of the table
-- items. data/README.md has the schema.

-- The table users, numbered in the order of the ids. md5 gives a user the same part as deno task data.
SELECT
  row_number() OVER (ORDER BY user_id) - 1 AS user, user_id AS id,
  CASE WHEN share < 0.8 THEN 'train' WHEN share < 0.9 THEN 'validation' ELSE 'test' END AS split,
  pages, rows
FROM (
  SELECT
    user_id, conv(substr(md5(user_id), 1, 8), 16, 10) / 4294967296 AS share,
    count(DISTINCT page_id) AS pages, count(*) AS rows
  FROM shown
  GROUP BY user_id
);

SELECT row_number() OVER (ORDER BY item_id) - 1 AS item, item_id AS id
FROM (SELECT DISTINCT item_id FROM shown);

-- The table pages: items in order, and positions of clicked items. A hash orders the clicks of a page.
SELECT
  user, row_number() OVER (PARTITION BY user ORDER BY time, page_id) - 1 AS page, timestamp_millis(time) AS time,
  transform(rows, r -> r.item) AS items, get(clicks, 0).position AS clicked,
  transform(slice(clicks, 2, size(rows)), c -> c.position) AS additional_clicks
FROM (
  SELECT *, array_sort(filter(transform(rows, (r, k) -> CASE WHEN r.clicked THEN
      named_struct('draw', md5(concat_ws(char(31), user_id, CAST(time AS STRING), r.item_id)), 'position', k) END),
    c -> c IS NOT NULL)) AS clicks
  FROM (
    SELECT u.user, s.user_id, s.page_id, min(s.time) AS time,
      array_sort(collect_list(named_struct('position', s.position, 'item', i.item, 'item_id', s.item_id, 'clicked', s.clicked))) AS rows
    FROM shown s JOIN users u ON u.id = s.user_id JOIN items i ON i.id = s.item_id
    GROUP BY u.user, s.user_id, s.page_id
  )
);
