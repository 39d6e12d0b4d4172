-- Describes a prepared data set.
--
-- Options by getvariable(): users, items, pages (lists of globs of Parquet files); page_files (file names).
-- Creates  part (a row per part), page_size, click_position, events_of_user, suspicion

-- step: Reading users, items and pages
-- The column id of users and items is optional, and may have any type.
CREATE VIEW users AS
SELECT user, split, id::VARCHAR AS id
FROM (SELECT * FROM read_parquet(getvariable('users')) UNION ALL BY NAME SELECT NULL::VARCHAR AS id WHERE false);
CREATE VIEW items AS
SELECT item, id::VARCHAR AS id
FROM (SELECT * FROM read_parquet(getvariable('items')) UNION ALL BY NAME SELECT NULL::VARCHAR AS id WHERE false);
-- The columns additional_clicks, context, earlier, propensities and page are optional. Without page, the row
-- number in the file identifies a page. Models read context events and earlier pages, but never predict them.
CREATE VIEW pages AS
SELECT
  user, items, clicked, coalesce(additional_clicks, []) AS additional_clicks,
  coalesce(context, false) OR coalesce(earlier, false) AS context, coalesce(earlier, false) AS earlier, impression_features, page_features,
  list_aggregate(list_transform(coalesce(propensities, []), lambda p: ln(p)), 'sum') AS log_propensity,
  coalesce(page, list_position(getvariable('page_files'), page_file) * 4294967296 + file_row_number) AS page
FROM (
  SELECT * FROM read_parquet(getvariable('pages'), filename = 'page_file', file_row_number = true)
  UNION ALL BY NAME
  SELECT []::UINTEGER[] AS additional_clicks, false AS context, false AS earlier, NULL::BIGINT AS page, []::DOUBLE[] AS propensities,
    []::FLOAT[] AS impression_features, []::FLOAT[] AS page_features WHERE false
);
CREATE TABLE page AS
SELECT split, user, page, len(items)::INTEGER AS size, clicked, additional_clicks, context, earlier, log_propensity
FROM pages JOIN users USING (user);

-- step: Displayed items
-- Versions of an item have one id, and count as one item.
CREATE TABLE id_of AS
SELECT item, (dense_rank() OVER (ORDER BY coalesce(id, item::VARCHAR)) - 1)::UINTEGER AS id
FROM items;
-- shown is a view, because a table with these rows would be many times larger than the data set's files.
-- turn: 1 for the first click of a page, 2 for the second click, and so on; NULL for an unclicked item.
CREATE VIEW shown AS
SELECT split, user, page, context, position, id, turn IS NOT NULL AS is_clicked, turn, has_twice
FROM (
  SELECT *, list_position(clicks, position - 1) AS turn
  FROM (
  SELECT
    split, user, page, context, list_prepend(clicked, additional_clicks) AS clicks, unnest(items) AS item, generate_subscripts(items, 1) AS position,
    list_unique(items) < len(items) AS has_twice
  FROM pages JOIN users USING (user)
  )
) JOIN id_of USING (item);

-- step: Statistics of each part
CREATE TABLE item_count AS
SELECT split, id, count(*) AS shown, count(*) FILTER (is_clicked) AS clicks
FROM shown
WHERE NOT context
GROUP BY split, id;
CREATE TABLE part AS
WITH counted AS (
  SELECT
    split, count(DISTINCT user) AS users, count(*) AS events, count(clicked) AS clicks,
    avg(ln(1 + size) + coalesce(list_sum(list_transform(range(1, 1 + len(additional_clicks)), lambda j: ln(size - j))), 0)) AS "uniformLoss",
    sum(size) AS rows
  FROM page
  WHERE NOT context
  GROUP BY split
),
unseen AS (
  SELECT
    c.split, coalesce(sum(c.shown) FILTER (t.id IS NULL), 0) / sum(c.shown) AS "unseenShown",
    coalesce(sum(c.clicks) FILTER (t.id IS NULL), 0) / nullif(sum(c.clicks), 0) AS "unseenClicked",
    coalesce(sum(c.clicks) FILTER (t.id IS NULL OR t.clicks = 0), 0) / nullif(sum(c.clicks), 0) AS "neverClicked"
  FROM item_count c LEFT JOIN (FROM item_count WHERE split = 'train') t USING (id)
  GROUP BY c.split
)
SELECT *
FROM counted LEFT JOIN unseen USING (split)
ORDER BY list_position(['train', 'validation', 'test'], split);

-- step: Histograms
CREATE TABLE page_size AS
SELECT size, count(*) AS pages FROM page WHERE NOT context GROUP BY size ORDER BY size;
CREATE TABLE click_position AS
SELECT position, count(*) AS clicks, count(*) FILTER (position = size) AS last
FROM (SELECT size, 1 + unnest(list_prepend(clicked, additional_clicks)) AS position FROM page WHERE NOT context AND clicked IS NOT NULL AND size > 1)
GROUP BY position
ORDER BY position;
-- In a split by time, a person is a user of each part that has pages of this person. The last of these users
-- also has the pages of the earlier parts.
CREATE TABLE events_of_user AS
WITH counted AS (
  SELECT user, count(*) FILTER (NOT context OR earlier) AS events, bool_or(context AND NOT earlier) AS is_known
  FROM page
  GROUP BY user
)
SELECT max(events) AS events, bool_or(is_known) AS is_known
FROM counted JOIN users USING (user)
GROUP BY coalesce(id, user::VARCHAR)
HAVING max(events) > 0;

-- step: Suspicious properties
-- If no item has versions, an item can be twice only on the pages that has_twice marks.
SET VARIABLE has_versions = (SELECT count(DISTINCT id) < count(*) FROM id_of);
CREATE TABLE twice AS
SELECT user, page, id, count(*) AS times, bool_or(is_clicked) AS is_clicked
FROM shown
WHERE NOT context AND (has_twice OR getvariable('has_versions'))
GROUP BY user, page, id
HAVING count(*) > 1;
CREATE TABLE suspicion AS
SELECT
  (SELECT count(*) FROM page WHERE NOT context) AS pages,
  (SELECT sum(clicks)::BIGINT FROM click_position) AS clicks,
  (SELECT sum((1 + len(additional_clicks)) / size) / sum(1 + len(additional_clicks)) FROM page WHERE NOT context AND clicked IS NOT NULL AND size > 1) AS chance,
  (SELECT max(clicks) FROM click_position) AS most_clicks,
  (SELECT arg_max(position, clicks) FROM click_position) AS most_position,
  (SELECT coalesce(sum(last), 0) FROM click_position) AS last_clicks,
  (SELECT count(*) FROM page WHERE NOT context AND size = 1) AS pages_of_one,
  (SELECT count(*) FROM page WHERE NOT context AND size > if(clicked IS NULL, 0, 1 + len(additional_clicks))) AS pages_with_unclicked,
  (SELECT count(*) FROM events_of_user) AS users,
  -- Context events are a history, so users who have them (is_known) are not counted.
  (SELECT count(*) FROM events_of_user WHERE events = 1 AND NOT is_known) AS users_of_one,
  (SELECT count(DISTINCT (user, page)) FROM twice) AS pages_with_twice,
  (SELECT count(*) FROM twice WHERE is_clicked) AS twice_clicked;
