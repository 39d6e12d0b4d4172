-- Computes the features of each item: standardised numbers, and tokens. data/README.md defines them.
--
-- Reads    number_of (item, item_id, valid_from), feature_read (item, dense, tokens, title)   of page_rows.sql
--          shown, users        see prepared.sql. Statistics use only items that train users were shown.
--          like_scale, like_vocabulary, like_other, like_item   the tables number_scale, vocabulary,
--                              other_token and item of the set that --encoding-from names; else empty
-- Options by getvariable(): with_features; dense, tokens (names of columns); times (per dense column, true
-- for times in ms); splits (per token column, true if its texts were split); item_ids (true, false, or NULL:
-- true if more than a third of the displayed items lack features); hash_items (N, or NULL); rare_below;
-- is_like (true with --encoding-from).
--
-- Creates  item, dense_feature, token_field, column_share
--          vocabulary (k, value, token)   a row per token of field k; the last field has the item ids. The
--                                         value NULL stands for all values that have no token of their own.

-- step: Items of train users
CREATE TABLE train_item AS
SELECT item, count(*) AS rows
FROM shown
WHERE time_part(time) = 0 AND user_id IN (SELECT id FROM users WHERE split = 'train')
GROUP BY item;
-- Without train users, all items are used. (Such a set is only inspected.)
INSERT INTO train_item
SELECT item, count(*) FROM shown WHERE NOT EXISTS (FROM train_item) GROUP BY item;

-- An item's age is the number of days up to the end of the log (in a split by time: of the train part).
SET VARIABLE log_end = (SELECT max(time) FROM shown WHERE NOT context AND time_part(time) = 0);
CREATE VIEW feature AS
SELECT
  item, title, tokens,
  list_transform(dense, lambda x, k: if(getvariable('times')[k], (getvariable('log_end') - x) / 86400000, x)) AS dense
FROM feature_read;

-- step: Scales of numbers
-- Sums are computed in the order of the values, so that sums do not depend on the order of rows or threads.
CREATE TABLE number_value AS
SELECT k, x
FROM (
  SELECT unnest(dense) AS x, unnest(range(1, len(dense) + 1)) AS k
  FROM feature SEMI JOIN train_item USING (item)
)
WHERE x IS NOT NULL AND NOT getvariable('is_like');
CREATE MACRO squeezed(x, scale) AS sign(x) * ln(1 + abs(x) / scale);
-- Computes the scale of each column k of the table fields (k, is_time). The table number_values (k, x) has
-- the known values of all_rows rows that train users were shown. Numbers with a heavy tail get a logarithm.
CREATE MACRO number_scales(number_values, fields, all_rows) AS TABLE
WITH known AS (
  SELECT
    k, count(*) AS items, min(x) AS low, max(x) AS high, avg(x ORDER BY x) AS mean, bool_and(x IN (0, 1)) AS is_flag,
    quantile_disc(abs(x), 0.05) FILTER (x <> 0) AS scale
  FROM query_table(number_values)
  GROUP BY k
),
spread AS (
  SELECT k, avg(power(x - mean, 2) ORDER BY x) AS variance, avg(power(x - mean, 4) ORDER BY x) AS fourth
  FROM query_table(number_values) JOIN known USING (k)
  GROUP BY k
),
log_value AS (SELECT k, squeezed(x, scale) AS x FROM query_table(number_values) JOIN known USING (k) WHERE scale > 0),
log_known AS (SELECT k, avg(x ORDER BY x) AS mean FROM log_value GROUP BY k),
log_spread AS (
  SELECT k, any_value(mean) AS mean, avg(power(x - mean, 2) ORDER BY x) AS variance, avg(power(x - mean, 4) ORDER BY x) AS fourth
  FROM log_value JOIN log_known USING (k)
  GROUP BY k
),
judged AS (
  SELECT
    k, is_time, coalesce(items, 0) AS items, low, high, is_flag, scale,
    known.mean, sqrt(s.variance) AS sd, l.mean AS log_mean, sqrt(l.variance) AS log_sd,
    -- Heavy tail: the kurtosis is above 6 (normal: 3, exponential: 9), and a logarithm at least halves it.
    l.variance > 0 AND (is_time OR (s.fourth / power(s.variance, 2) > 6
      AND l.fourth / power(l.variance, 2) < s.fourth / power(s.variance, 2) / 2)) AS is_heavy
  FROM query_table(fields) LEFT JOIN known USING (k) LEFT JOIN spread s USING (k) LEFT JOIN log_spread l USING (k)
)
SELECT
  k, is_time,
  items > 0 AND low < high AS is_used,
  items > 0 AND items < all_rows AS is_partly,
  low, high,
  if(is_heavy, scale, NULL) AS scale,
  CASE WHEN is_heavy THEN log_mean WHEN is_flag THEN 0 ELSE mean END AS mean,
  CASE WHEN is_heavy THEN log_sd WHEN is_flag THEN 1 ELSE sd END AS sd
FROM judged;
-- Clips a number to the range of the values that train users were shown, and standardises it.
CREATE MACRO standardised(x, s) AS if(x IS NULL, 0, (
  -- least() and greatest() ignore NULL.
  if(s.scale IS NULL, greatest(least(x, s.high), s.low), squeezed(greatest(least(x, s.high), s.low), s.scale)) - s.mean
) / s.sd);

CREATE TABLE number_field AS
SELECT k, getvariable('dense')[k]::VARCHAR AS name, getvariable('times')[k]::BOOLEAN AS is_time
FROM (SELECT unnest(range(1, len(getvariable('dense')) + 1)) AS k);
CREATE TABLE number_scale AS
SELECT k, name, f.is_time, is_used, is_partly, low, high, scale, mean, sd
FROM number_scales('number_value', 'number_field', (SELECT count(*) FROM train_item)) JOIN number_field f USING (k)
WHERE NOT getvariable('is_like')
UNION ALL
SELECT k, name, is_time, is_used, is_partly, low, high, scale, mean, sd FROM like_scale;
DROP TABLE number_value;

-- True for a column with only 0 and 1.
CREATE MACRO as_it_is(scale, mean, sd) AS scale IS NULL AND mean = 0 AND sd = 1;
CREATE MACRO number_meaning(what, scale, mean, sd, is_partly) AS CASE
  WHEN as_it_is(scale, mean, sd) THEN what || ', 0 or 1'
  WHEN scale IS NOT NULL THEN 'logarithm of ' || what || ', standardised'
  ELSE what || ', standardised'
END || if(is_partly, ', 0 where unknown', '');
SET VARIABLE scales = (SELECT list(s ORDER BY k) FROM number_scale s);
CREATE TABLE dense_feature AS
SELECT
  (row_number() OVER (ORDER BY k, is_indicator) - 1)::INTEGER AS position, *,
  CASE WHEN is_indicator THEN 'known' WHEN is_time THEN 'age' ELSE 'number' END AS "of"
FROM (
  SELECT
    k, false AS is_indicator, name, name AS "column", is_time, scale, mean, sd, low, high,
    number_meaning(if(is_time, 'the age in days', name), scale, mean, sd, is_partly) AS meaning
  FROM number_scale WHERE is_used
  UNION ALL
  SELECT k, true, name || '_known', name, false, NULL, NULL, NULL, NULL, NULL, '1 if ' || name || ' is known'
  FROM number_scale WHERE is_partly
);

INSERT INTO note
SELECT 'standardised numbers (mean 0 and sd 1 over the items that train users were shown): ' || string_agg(name, ', ' ORDER BY k)
FROM number_scale WHERE is_used AND NOT as_it_is(scale, mean, sd) AND NOT getvariable('is_like') HAVING count(*) > 0;
INSERT INTO note
SELECT 'logarithms of numbers with a heavy tail: ' || string_agg(name, ', ' ORDER BY k)
FROM number_scale WHERE is_used AND scale IS NOT NULL AND NOT is_time AND NOT getvariable('is_like') HAVING count(*) > 0;
INSERT INTO note
SELECT 'times converted to log(age in days) at the end of the ' || if(getvariable('split') = 'time', 'train part', 'log') || ' (the same on every page; for the age on each page, join the date to the log and name it in --impression-features): ' || string_agg(name, ', ' ORDER BY k)
FROM number_scale WHERE is_used AND is_time AND NOT getvariable('is_like') HAVING count(*) > 0;
INSERT INTO note
SELECT 'ignored columns with one value for all items: ' || string_agg(name, ', ' ORDER BY k)
FROM number_scale WHERE NOT is_used AND NOT is_partly AND NOT getvariable('is_like') HAVING count(*) > 0;

-- step: Values of tokens
CREATE TABLE token_value AS
SELECT DISTINCT item, k, value
FROM (
  SELECT item, k, unnest(tokens_of_field) AS value
  FROM (SELECT item, unnest(tokens) AS tokens_of_field, unnest(range(1, len(tokens) + 1)) AS k FROM feature_read)
)
WHERE value <> '';

-- A model can distinguish items without features only if each item has its own token.
CREATE TABLE described AS
SELECT item FROM token_value
UNION
SELECT item FROM feature WHERE len(list_filter(dense, lambda x: x IS NOT NULL)) > 0;
SET VARIABLE undescribed = (
  SELECT coalesce(sum(rows) FILTER (d.item IS NULL), 0) / sum(rows) FROM train_item LEFT JOIN described d USING (item)
);
SET VARIABLE with_item_ids = CASE
  WHEN getvariable('hash_items') IS NOT NULL THEN false -- they are hashed below, without a vocabulary
  WHEN getvariable('is_like') THEN (SELECT count(*) > 0 FROM like_vocabulary WHERE k = len(getvariable('tokens')) + 1)
  ELSE coalesce(getvariable('item_ids')::BOOLEAN, getvariable('undescribed') > 0.33)
END;
INSERT INTO note
SELECT if(
  getvariable('with_features'),
  printf('%.0f %% of the items on the pages of train users have no features: each item gets its own token', 100 * getvariable('undescribed')),
  'there are no features: each item gets its own token'
) || ' (off: --no-item-ids)'
WHERE getvariable('with_item_ids') AND getvariable('item_ids') IS NULL AND NOT getvariable('is_like');
INSERT INTO token_value
SELECT item, len(getvariable('tokens')) + 1, item_id FROM number_of WHERE getvariable('with_item_ids');

CREATE TABLE value_count AS
SELECT k, value, count(t.item) AS items, coalesce(sum(rows), 0) AS rows
FROM token_value LEFT JOIN train_item t USING (item)
GROUP BY k, value;

-- step: Vocabulary
-- If almost every item has another text, the texts do not show which items are similar. If all items have one
-- value, the value does not distinguish items. Columns of both kinds are ignored.
CREATE TABLE text_column AS
SELECT
  k, getvariable('tokens')[k]::VARCHAR AS name, count(*) AS count, sum(items)::BIGINT AS items,
  count(*) > 50 AND sum(items) < 2 * count(*) AS is_free,
  count(*) = 1 AND sum(items) = (SELECT count(*) FROM train_item) AS is_constant
FROM value_count
WHERE rows > 0 AND k <= len(getvariable('tokens')) AND NOT getvariable('is_like')
GROUP BY k;
INSERT INTO note
SELECT printf('ignored %s: almost every value is unique (%d values for %d items)', name, count, items)
FROM text_column WHERE is_free;
INSERT INTO note
SELECT 'ignored columns with one value for all items: ' || string_agg(name, ', ' ORDER BY k)
FROM text_column WHERE is_constant HAVING count(*) > 0;
DELETE FROM value_count WHERE k IN (SELECT k FROM text_column WHERE is_free OR is_constant);

-- Values that train users were rarely shown share the last token of their field. Later logs use this trained
-- token for new values. If a column has more than 50 values, values of one or two items also share this
-- token, because an embedding for so few items would only identify the items.
CREATE TABLE judged_value AS
SELECT
  k, value, rows,
  rows < getvariable('rare_below') OR (k <= len(getvariable('tokens')) AND items < 3 AND count_if(rows > 0) OVER (PARTITION BY k) > 50) AS is_rare
FROM value_count;
-- If a field has no rare value, no item has the field's last token, and training does not change the token's
-- embedding. Snapshots then store the mean of the field's other embeddings.
CREATE TABLE other_token AS
SELECT k, if(coalesce(sum(rows) FILTER (is_rare), 0) > 0, 'trained', 'mean') AS kind
FROM judged_value
WHERE NOT getvariable('is_like')
GROUP BY k
HAVING sum(rows) > 0
UNION ALL
SELECT k, kind FROM like_other;
CREATE TABLE vocabulary AS
SELECT k, value, (row_number() OVER (ORDER BY k, value NULLS LAST) - 1)::UINTEGER AS token
FROM (
  SELECT k, value FROM judged_value WHERE NOT is_rare
  UNION ALL
  SELECT k, NULL FROM other_token
)
WHERE NOT getvariable('is_like')
UNION ALL
SELECT k, value, token FROM like_vocabulary;
CREATE TABLE token_field AS
SELECT
  NULL::INTEGER AS hashed,
  CASE WHEN k > len(getvariable('tokens')) THEN 'item' ELSE getvariable('tokens')[k]::VARCHAR END AS name,
  CASE WHEN k > len(getvariable('tokens')) THEN NULL ELSE getvariable('tokens')[k]::VARCHAR END AS "column",
  k <= len(getvariable('tokens')) AND getvariable('splits')[k] AS split,
  min(token)::INTEGER AS first, count(*)::INTEGER AS count, any_value(kind) AS other,
  CASE WHEN k > len(getvariable('tokens')) THEN 'the item itself' ELSE 'values of ' || getvariable('tokens')[k] END ||
    ', and a last token for all other values' AS meaning,
  if(count(*) <= 1000, list(value ORDER BY token) FILTER (value IS NOT NULL), NULL) AS values,
  sha256(coalesce(string_agg(length(value) || ' ' || value, chr(10) ORDER BY token), '')) AS sha256
FROM vocabulary JOIN other_token USING (k)
GROUP BY k;
CREATE TABLE item_token AS
SELECT DISTINCT item, coalesce(own.token, other.token) AS token
FROM token_value v
LEFT JOIN vocabulary own ON own.k = v.k AND own.value = v.value
LEFT JOIN (
  SELECT k, token
  FROM vocabulary JOIN other_token USING (k)
  WHERE value IS NULL AND (kind = 'trained' OR getvariable('is_like'))
) other ON other.k = v.k
WHERE coalesce(own.token, other.token) IS NOT NULL;

-- For hashed ids, 2 N tokens follow all other tokens. An item has one of the first N and one of the last N.
-- Two items often share one of these tokens, but seldom both. md5 is the same in every SQL engine.
CREATE MACRO bucket_of(id, digit) AS ('0x' || substr(md5(id), digit, 8))::UBIGINT % getvariable('hash_items')::UBIGINT;
SET VARIABLE first_bucket = (SELECT count(*) FROM vocabulary);
INSERT INTO token_field BY NAME
SELECT
  n AS hashed, 'item' AS name, false AS split, getvariable('first_bucket')::INTEGER AS first, 2 * n AS count,
  'the item itself: two hashes of its id choose one token of the first half and one of the second' AS meaning,
  sha256('md5, 2 hashes of ' || n) AS sha256
FROM (SELECT getvariable('hash_items')::INTEGER AS n) WHERE n IS NOT NULL;
INSERT INTO item_token
SELECT item, unnest([
  getvariable('first_bucket') + bucket_of(item_id, 1), getvariable('first_bucket') + getvariable('hash_items') + bucket_of(item_id, 9)
])
FROM number_of WHERE getvariable('hash_items') IS NOT NULL;

-- Per column: shares of items without a value, of numbers that are clipped, and of texts without a token.
CREATE TABLE column_share AS
SELECT
  'item' AS kind, false AS is_token, s.k, any_value(s.name) AS "column", 1 - count(dense[s.k]) / count(*) AS absent,
  coalesce(count_if(dense[s.k] NOT BETWEEN s.low AND s.high) / nullif(count(dense[s.k]), 0), 0) AS clipped, 0.0::DOUBLE AS unknown
FROM number_of LEFT JOIN feature USING (item), number_scale s
WHERE s.is_used OR s.is_partly
GROUP BY s.k
UNION ALL
SELECT
  'item', true, f.k, any_value(if(f.k > len(getvariable('tokens')), NULL, getvariable('tokens')[f.k]::VARCHAR)),
  1 - count(DISTINCT t.item) / (SELECT count(*) FROM number_of), 0,
  coalesce(count(t.item) FILTER (v.token IS NULL) / nullif(count(t.item), 0), 0)
FROM other_token f LEFT JOIN token_value t ON t.k = f.k LEFT JOIN vocabulary v ON v.k = t.k AND v.value = t.value
GROUP BY f.k;
DROP TABLE token_value;

-- Reports show the title of an item instead of the id.
CREATE TABLE item (item UINTEGER, id VARCHAR, title VARCHAR, valid_from TIMESTAMP, dense FLOAT[], tokens UINTEGER[]);

-- step: Items | for bucket in (SELECT DISTINCT item // 1000000 AS bucket FROM number_of ORDER BY bucket)
-- Numbers are clipped to the range of the values that train users were shown.
INSERT INTO item
WITH tokens_of AS (
  SELECT item, list(token ORDER BY token) AS tokens
  FROM item_token
  WHERE item // 1000000 = getvariable('bucket')
  GROUP BY item
)
SELECT
  item, item_id, coalesce(f.title, ''), valid_from,
  coalesce(flatten(list_transform(
    getvariable('scales'),
    lambda s: list_concat(
      if(s.is_used, [standardised(dense[s.k], s)], []::DOUBLE[]),
      if(s.is_partly, [(dense[s.k] IS NOT NULL)::DOUBLE], []::DOUBLE[])
    )
  )), []),
  coalesce(t.tokens, [])
FROM number_of LEFT JOIN feature f USING (item) LEFT JOIN tokens_of t USING (item)
WHERE item // 1000000 = getvariable('bucket');

-- step: Items that only the set of --encoding-from has
INSERT INTO item
SELECT item, item_id, coalesce(title, ''), valid_from, coalesce(dense, []), coalesce(tokens, [])
FROM like_item ANTI JOIN number_of USING (item);
INSERT INTO note
SELECT printf('new items, which %s lacks: %d (%.1f %% of the impressions)', getvariable('like_name'), count(DISTINCT item), 100 * count(*) / any_value(rows))
FROM shown ANTI JOIN like_item USING (item), (SELECT count(*) AS rows FROM shown)
WHERE getvariable('is_like') HAVING count(*) > 0;
