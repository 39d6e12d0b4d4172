-- Items: their numbers, and what is read of them.
--
-- Takes   displayed, history   for item_id
--         feature_source       a view of the features: item_id, dense (list of numbers), tokens (for each field a list of text);
--                              empty where there are none
--         like_item            item and item_id of a set whose numbers are kept; empty where there is none
--
-- Ends with number_of (item, item_id, valid_from), feature_read (item, dense, tokens).

-- step: Numbers of items
CREATE TABLE number_of AS
SELECT
  (row_number() OVER (ORDER BY item, item_id) - 1)::UINTEGER AS item, item_id, NULL::TIMESTAMP AS valid_from
FROM (SELECT item_id FROM displayed UNION SELECT item_id FROM history UNION SELECT item_id FROM like_item)
LEFT JOIN like_item USING (item_id);

-- step: Reading item features
CREATE TABLE feature_read AS
SELECT DISTINCT item, dense, tokens
FROM feature_source JOIN number_of USING (item_id);
INSERT INTO skipped
SELECT 'items on pages that have no row of features', (SELECT count(*) FROM number_of ANTI JOIN feature_read USING (item))
WHERE getvariable('with_features');
