-- Computes context features. They are numbers and categories that describe a page, or an impression (an item
-- at the moment when a page displayed it). data/README.md defines the features.
--
-- Reads    shown, users             see prepared.sql. shown.row_values has a text per context column.
--                                   Statistics use only the rows that train users were shown.
--          number_scales, standardised of item_features.sql; item_ms of macros.sql
--          like_row_feature         row_feature of the set that --encoding-from names; else empty
--          like_share               absent, clipped and unknown values of that set, else empty
-- Options by getvariable(): three lists with an entry per context column: row_columns (names), row_kinds
-- (impression or page), row_types (number, time or category; NULL: the column's values determine the type);
-- rare_below; is_like (true with --encoding-from); like_name (folder that --encoding-from names).
--
-- Creates  row_feature, new rows of column_share, and the macro encoded(values, time, kind), which returns
--          the features of a row or a page

-- step: Context columns
CREATE VIEW row_value AS
SELECT
  user_id, time_part(time) = 0 AND user_id IN (SELECT id FROM users WHERE split = 'train') AS is_train, time, tie, k,
  nullif(trim(row_values[k]), '') AS value
FROM shown, range(1, len(getvariable('row_columns')) + 1) AS columns(k)
WHERE NOT context;
CREATE MACRO finite(x) AS CASE WHEN isfinite(x) THEN x END;
-- Converts a text to a number, or a time to its age in days when the page was shown; NULL for any other text.
CREATE MACRO context_number(value, is_time, page_time) AS
  if(is_time, (page_time - finite(item_ms(value))) / 86400000, finite(TRY_CAST(value AS DOUBLE)));
CREATE TABLE row_column (k BIGINT, name VARCHAR, kind VARCHAR, type VARCHAR, is_time BOOLEAN, "values" BIGINT, unreadable BIGINT, future BIGINT);
CREATE TABLE row_feature (
  position BIGINT, kind VARCHAR, k BIGINT, name VARCHAR, "column" VARCHAR, meaning VARCHAR, "of" VARCHAR, "value" VARCHAR, is_time BOOLEAN,
  scale DOUBLE, mean DOUBLE, sd DOUBLE, low DOUBLE, high DOUBLE
);
INSERT INTO row_feature BY NAME FROM like_row_feature;

-- step: Types of context columns | for one in (SELECT 1 WHERE len(getvariable('row_columns')) > 0)
-- A column has numbers if at least 95 % of its values are numbers. Its other values are read as missing.
INSERT INTO row_column BY NAME
SELECT
  k, name, kind, type, type = 'time' AS is_time, "values",
  CASE type WHEN 'number' THEN "values" - numbers WHEN 'time' THEN "values" - times ELSE 0 END AS unreadable, 0 AS future
FROM (
  SELECT
    k, getvariable('row_columns')[k]::VARCHAR AS name, getvariable('row_kinds')[k]::VARCHAR AS kind, "values", numbers, times,
    coalesce(getvariable('row_types')[k]::VARCHAR, CASE
      WHEN "values" > 0 AND times >= 0.95 * "values" AND (numbers = 0 OR is_epoch) THEN 'time'
      WHEN numbers >= 0.95 * "values" THEN 'number'
      ELSE 'category' END
    ) AS type
  FROM (
    SELECT
      k, count(value) AS "values", count(finite(TRY_CAST(value AS DOUBLE))) AS numbers, count(finite(item_ms(value))) AS times,
      coalesce(bool_and(x = floor(x) AND ((x >= 1e9 AND x < 2.5e9) OR (x >= 1e12 AND x < 2.5e12))), false) AS is_epoch
    FROM (SELECT *, TRY_CAST(value AS DOUBLE) AS x FROM row_value)
    GROUP BY k
  )
);
UPDATE row_column SET future = n
FROM (
  SELECT k, count(*) AS n FROM row_value JOIN row_column USING (k) WHERE is_time AND context_number(value, true, time) < 0 GROUP BY k
) f WHERE f.k = row_column.k;
INSERT INTO note
SELECT printf('%s: %d values of %s are not a %s: they count as missing', "column", n, what, what)
FROM (SELECT name AS "column", unreadable AS n, if(is_time, 'time', 'number') AS what FROM row_column WHERE unreadable > 0) ORDER BY ALL;
INSERT INTO note
SELECT printf('%s: %d times are after the page was shown: their ages are negative', name, future) FROM row_column WHERE future > 0;
INSERT INTO note
SELECT printf('%s features: %s', kind, string_agg(name || ' (' || type || ')', ', ' ORDER BY k)) FROM row_column GROUP BY kind;

-- step: Scales of context columns | for one in (SELECT 1 WHERE len(getvariable('row_columns')) > 0)
CREATE TABLE train_value AS
SELECT k, context_number(value, is_time, time) AS x
FROM row_value JOIN row_column USING (k)
WHERE type <> 'category' AND (is_train OR NOT EXISTS (FROM users WHERE split = 'train')) AND NOT getvariable('is_like');
CREATE TABLE known_value AS SELECT k, x FROM train_value WHERE x IS NOT NULL;
CREATE TABLE row_scale AS
SELECT * FROM number_scales('known_value', 'row_column', (SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM train_value GROUP BY k)))
JOIN (SELECT k, name, kind FROM row_column WHERE type <> 'category') USING (k);
-- Each of a category's 30 most frequent values gets a feature: 1 if the column has this value, else 0.
CREATE TABLE category_value AS
SELECT k, name, kind, value
FROM row_value JOIN row_column USING (k)
WHERE type = 'category' AND is_train AND value IS NOT NULL AND NOT getvariable('is_like')
GROUP BY k, name, kind, value
HAVING count(*) >= getvariable('rare_below')
QUALIFY row_number() OVER (PARTITION BY k ORDER BY count(*) DESC, value) <= 30 AND count(*) OVER (PARTITION BY k) > 1;
INSERT INTO row_feature BY NAME
SELECT row_number() OVER (ORDER BY kind, k, is_indicator, value) - 1 AS position, * EXCLUDE (is_indicator)
FROM (
  SELECT
    false AS is_indicator, kind, k, name, name AS "column", if(is_time, 'age', 'number') AS "of", NULL AS "value", is_time, scale, mean, sd, low, high,
    number_meaning(if(is_time, 'the age in days when the page was shown', name), scale, mean, sd, is_partly) AS meaning
  FROM row_scale WHERE is_used
  UNION ALL
  SELECT true, kind, k, name || '_known', name, 'known', NULL, is_time, NULL, NULL, NULL, NULL, NULL, '1 if ' || name || ' is known'
  FROM row_scale WHERE is_partly
  UNION ALL
  SELECT false, kind, k, name || '=' || value, name, 'value', value, false, NULL, NULL, NULL, NULL, NULL, '1 if ' || name || ' is ' || value
  FROM category_value
)
WHERE NOT getvariable('is_like');
INSERT INTO note
SELECT 'ignored context columns with one value: ' || string_agg(name, ', ' ORDER BY k)
FROM row_column WHERE k NOT IN (SELECT k FROM row_feature) HAVING count(*) > 0;

-- step: How context features are encoded
SET VARIABLE impression_features = (SELECT list(f ORDER BY position) FROM row_feature f WHERE kind = 'impression');
SET VARIABLE page_features = (SELECT list(f ORDER BY position) FROM row_feature f WHERE kind = 'page');
SET VARIABLE with_impression_features = len(getvariable('impression_features')) > 0;
SET VARIABLE with_page_features = len(getvariable('page_features')) > 0;
CREATE MACRO encoded(row_values, page_time, of_kind) AS list_transform(
  if(of_kind = 'page', getvariable('page_features'), getvariable('impression_features')),
  lambda f: CASE f."of"
    WHEN 'value' THEN coalesce((trim(row_values[f.k]) = f."value")::DOUBLE, 0)
    WHEN 'known' THEN (context_number(trim(row_values[f.k]), f.is_time, page_time) IS NOT NULL)::DOUBLE
    ELSE standardised(context_number(trim(row_values[f.k]), f.is_time, page_time), f)
  END
);

-- step: Shares of context values | for one in (SELECT 1 WHERE len(getvariable('row_columns')) > 0)
INSERT INTO column_share
SELECT
  any_value(c.kind), false, 1000 + v.k, any_value(c.name),
  count_if(if(c.type = 'category', v.value IS NULL, x IS NULL)) / count(*),
  coalesce(count_if(x NOT BETWEEN f.low AND f.high) / nullif(count(x), 0), 0),
  coalesce(count_if(c.type = 'category' AND v.value IS NOT NULL AND NOT list_contains(known, v.value)) / nullif(count(v.value), 0), 0)
FROM (SELECT k, value, context_number(value, is_time, time) AS x FROM row_value JOIN row_column USING (k)) v
JOIN row_column c USING (k)
JOIN (SELECT k, max(low) AS low, max(high) AS high, list("value") AS known FROM row_feature GROUP BY k) f USING (k)
GROUP BY v.k;

-- step: Notes on shares of values
INSERT INTO note
SELECT 'clipped to the range of the values that train users were shown: ' || string_agg(printf('%s %.1f %%', "column", 100 * clipped), ', ' ORDER BY k)
FROM column_share WHERE clipped > 0.05 AND NOT getvariable('is_like') HAVING count(*) > 0;
INSERT INTO note
SELECT printf('compared with %s, %s: %s', getvariable('like_name'), what, string_agg(printf('%s %.1f %% (there %.1f %%)', coalesce(s."column", 'item'), 100 * share, 100 * there), ', ' ORDER BY is_token, k))
FROM column_share s LEFT JOIN like_share l ON s."column" IS NOT DISTINCT FROM l."column" AND s.kind = l.kind, (
  SELECT unnest(['clipped numbers', 'unknown values', 'missing values']) AS what,
    unnest(['clipped', 'unknown', 'absent']) AS name
), LATERAL (
  SELECT CASE name WHEN 'clipped' THEN s.clipped WHEN 'unknown' THEN s.unknown ELSE s.absent END AS share,
    coalesce(CASE name WHEN 'clipped' THEN l.clipped WHEN 'unknown' THEN l.unknown ELSE l.absent END, 0) AS there
)
WHERE getvariable('is_like') AND abs(share - there) >= 0.01
GROUP BY what;
