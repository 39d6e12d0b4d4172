-- Items: their numbers, and what is known of them.
--
-- Takes   displayed, history   for item_id
--         feature_source       a view of the features: item_id, dense (list of numbers), tokens (for each field a list of text);
--                              empty where there are none
--
-- Options by getvariable(): with_features; dense, tokens (names); item_ids.
--
-- Ends with number_of (item_id, item), and item, dense_feature, token_field as prepared.sql takes them.

-- step: Numbers of items
CREATE TABLE number_of AS
SELECT item_id, (row_number() OVER (ORDER BY item_id) - 1)::UINTEGER AS item
FROM (SELECT item_id FROM displayed UNION SELECT item_id FROM history);

-- step: Reading item features
CREATE TABLE feature_read AS
SELECT DISTINCT item, dense, tokens
FROM feature_source JOIN number_of USING (item_id);

-- step: Numbers of features
INSERT INTO skipped
SELECT 'items on pages that have no row of features', (SELECT count(*) FROM number_of ANTI JOIN feature_read USING (item))
WHERE getvariable('with_features');

-- Where a number is not known of some item, a second one says of which it is.
CREATE TABLE number_field AS
WITH field AS (
  SELECT unnest(getvariable('dense')::VARCHAR[]) AS name, unnest(range(1, len(getvariable('dense')) + 1)) AS k
),
known AS (
  SELECT k, count(x) AS items
  FROM (SELECT unnest(dense) AS x, unnest(range(1, len(dense) + 1)) AS k FROM feature_read)
  GROUP BY k
)
SELECT k, name, coalesce(items, 0) < (SELECT count(*) FROM number_of) AS partly
FROM field LEFT JOIN known USING (k);
SET VARIABLE partly = (SELECT coalesce(list(partly ORDER BY k), []) FROM number_field);
CREATE TABLE dense_feature AS
SELECT (row_number() OVER (ORDER BY k, indicator) - 1)::INTEGER AS place, name, meaning
FROM (
  SELECT k, 0 AS indicator, name, name || ' of the features' || if(partly, ', 0 where it is not known', '') AS meaning
  FROM number_field
  UNION ALL
  SELECT k, 1, name || '_known', '1 if ' || name || ' is known'
  FROM number_field WHERE partly
);

CREATE TABLE token_value AS
SELECT DISTINCT item, k, value
FROM (
  SELECT item, k, unnest(tokens_of_field) AS value
  FROM (SELECT item, unnest(tokens) AS tokens_of_field, unnest(range(1, len(tokens) + 1)) AS k FROM feature_read)
)
WHERE value <> '';
CREATE TABLE vocabulary AS
SELECT k, value, (row_number() OVER (ORDER BY k, value) - 1)::UINTEGER AS token
FROM (SELECT DISTINCT k, value FROM token_value);
CREATE TABLE token_field AS
SELECT (getvariable('tokens')::VARCHAR[])[k] AS name, min(token)::INTEGER AS first, count(*)::INTEGER AS count,
  'values of ' || name || ' in the order of the text' AS meaning
FROM vocabulary
GROUP BY k
UNION ALL
SELECT 'item', (SELECT count(*) FROM vocabulary), (SELECT count(*) FROM number_of), 'the item itself'
WHERE getvariable('item_ids');

CREATE TABLE item (item UINTEGER, id VARCHAR, valid_from TIMESTAMP, dense FLOAT[], tokens UINTEGER[]);

-- step: Items | for bucket in (SELECT DISTINCT item // 1000000 AS bucket FROM number_of ORDER BY bucket)
INSERT INTO item
WITH tokens_of AS (
  SELECT item, list(token ORDER BY token) AS tokens
  FROM token_value JOIN vocabulary USING (k, value)
  WHERE item // 1000000 = getvariable('bucket')
  GROUP BY item
)
SELECT
  item, item_id, NULL,
  flatten(list_transform(
    getvariable('partly')::BOOLEAN[],
    lambda partly, k: if(partly, [coalesce(dense[k], 0), (dense[k] IS NOT NULL)::DOUBLE], [dense[k]])
  )),
  list_concat(
    coalesce(t.tokens, []), if(getvariable('item_ids'), [(SELECT count(*) FROM vocabulary) + item], [])
  )
FROM number_of LEFT JOIN feature_read f USING (item) LEFT JOIN tokens_of t USING (item)
WHERE item // 1000000 = getvariable('bucket');
