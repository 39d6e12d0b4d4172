-- Writes users, items and pages as Parquet at the end of every preparation. data/README.md has the schema.
--
-- Reads    shown (bucket, user_id, time in ms, tie, position, item, clicked, propensity, context, row_values)
--              A row per displayed item. Rows with equal user_id, context, time and tie form a page, whose
--              items are ordered by position. clicked is a struct (moment, draw), by which a page's clicks
--              are ordered; NULL for unclicked items.
--          users (bucket, user, id, split, time_part)   of page_rows.sql
--          candidate (user_id, tie, items)              items from which pages were drawn, if known
--          encoded(values, time, kind)                  macro of context_features.sql
--          item (item, id, title, valid_from, dense, tokens)   of item_features.sql, numbered 0, 1, 2, ...
-- Options by getvariable(): max_events (NULL: all); out (folder); propensity_of (page or item, or NULL);
-- with_candidates; with_pages (true if the log has page ids).

-- step: Pages | for round in (FROM rounds())
CREATE TABLE IF NOT EXISTS page (
  user UINTEGER, context BOOLEAN, earlier BOOLEAN, time BIGINT, tie VARCHAR, items UINTEGER[], clicked UINTEGER, additional_clicks UINTEGER[], propensities DOUBLE[],
  impression_features FLOAT[], page_features FLOAT[]
);
-- Lists are sorted after aggregation, because an aggregate with ORDER BY takes kilobytes of memory per page.
INSERT INTO page
SELECT user, context, earlier, time, tie, items, clicks[1] AS clicked, clicks[2:] AS additional_clicks, propensities, impression_features, page_features
FROM (
  SELECT
    user, context, earlier, time, tie,
    list_transform(displayed, lambda p: p.item) AS items,
    if(getvariable('with_impression_features'), flatten(list_transform(displayed, lambda p: encoded(p.row_values, time, 'impression'))), NULL)
      AS impression_features,
    if(getvariable('with_page_features'), encoded(displayed[1].row_values, time, 'page'), NULL) AS page_features,
    -- If an item has no propensity, the page's propensities are unknown.
    CASE
      WHEN len(list_filter(displayed, lambda p: p.propensity IS NULL)) > 0 THEN []
      WHEN getvariable('propensity_of')::VARCHAR = 'item' THEN list_transform(displayed, lambda p: p.propensity)
      ELSE [displayed[1].propensity]
    END AS propensities,
    -- Positions of the clicked items, in the order of the clicks.
    list_transform(
      list_sort(list_filter(
        list_transform(displayed, lambda p, k: {moment: p.clicked.moment, draw: p.clicked.draw, position: k - 1}), lambda c: c.moment IS NOT NULL
      )),
      lambda c: c.position
    ) AS clicks
  FROM (
  SELECT
    user, context, NOT context AND time_part(time) < time_part AS earlier, time, tie,
    list_sort(list({position: position, item: item, clicked: clicked, propensity: propensity, row_values: row_values})) AS displayed
  FROM shown s JOIN users u ON u.id = s.user_id
  WHERE in_round(s.bucket) AND in_round(u.bucket) AND time_part(time) <= time_part
  GROUP BY ALL
  )
);

-- step: Last events of each user | for most in (SELECT getvariable('max_events') WHERE getvariable('max_events') IS NOT NULL)
-- Context events precede all other events, so they are dropped first.
CREATE TABLE last_page AS
FROM page
QUALIFY row_number() OVER (PARTITION BY user ORDER BY context, time DESC, tie DESC) <= getvariable('most');
INSERT INTO skipped
SELECT 'events before the last ' || getvariable('most')::INTEGER || ' of their user', (SELECT count(*) FROM page) - (SELECT count(*) FROM last_page);
DROP TABLE page;
ALTER TABLE last_page RENAME TO page;

-- step: Writing users, items and pages
-- Row groups are small, because training reads one row group at a time into memory.
DROP TABLE shown;
COPY (
  SELECT user, id, split, count(*)::UINTEGER AS pages, sum(len(items))::UINTEGER AS rows
  FROM users JOIN page USING (user)
  GROUP BY user, id, split
  ORDER BY user
) TO (getvariable('out') || '/users.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
SET VARIABLE with_titles = (SELECT count_if(title <> '') > 0 FROM item);
COPY (
  SELECT COLUMNS(lambda c: c <> 'title' OR getvariable('with_titles'))
  FROM item
  ORDER BY item
) TO (getvariable('out') || '/items.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
COPY (
  SELECT COLUMNS(lambda c: (c <> 'propensities' OR getvariable('propensity_of') IS NOT NULL)
    AND (c <> 'candidates' OR getvariable('with_candidates')) AND (c <> 'impression_features' OR getvariable('with_impression_features'))
    AND (c <> 'page_features' OR getvariable('with_page_features')) AND (c <> 'earlier' OR getvariable('split') = 'time')
    AND (c <> 'page_id' OR getvariable('with_pages')))
  FROM (
    SELECT
      user,
      (row_number() OVER (PARTITION BY user ORDER BY context DESC, time, tie) - 1)::UINTEGER AS page,
      tie AS page_id, epoch_ms(time) AS time, page.items, clicked, additional_clicks, context, earlier, propensities, impression_features, page_features,
      coalesce(c.items, []) AS candidates
    FROM page LEFT JOIN (SELECT user, tie, c.items FROM candidate c JOIN users ON id = user_id) c USING (user, tie)
  )
  ORDER BY user, page
) TO (getvariable('out') || '/pages.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
