-- From the items of pages to their numbers and features, and to the rows of pages that prepared.sql takes.
--
-- Takes   displayed (user_id, page, time, place, item_id, clicked, click_time, propensity), history (user_id, place, item_id)
--         feature_source       a view of the features: item_id, dense (list of numbers), tokens (for each field a list of text);
--                              empty where there are none
--         like_item            item and item_id of a set whose numbers are kept; empty where there is none
--
-- Ends with number_of (item, item_id, valid_from), feature_read (item, dense, tokens).
--
-- The clicks of a page are told in the order of their times. Where the log has none, they are in an order that is drawn: that of
-- the places would make the places look as if they mattered, that of the items the items.
-- What were clicked before the log are given pages of one item, in order, a millisecond apart, before the first page.

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

-- step: Rows of pages
-- Pages of one user at one time go by their page id.
CREATE TABLE page_of AS
SELECT user_id, page, min(time) AS time, count(*) FILTER (clicked) AS clicks
FROM displayed
GROUP BY user_id, page;
INSERT INTO note
SELECT 'pages with several clicks: ' || count(*) || ', each click a choice among what was not clicked yet'
FROM page_of WHERE clicks > 1 HAVING count(*) > 0;
CREATE TABLE shown AS
SELECT
  user_id, p.time, page AS tie, place, item,
  CASE WHEN d.clicked THEN {
    moment: coalesce(click_time, 'inf'::DOUBLE),
    draw: if(clicks > 1, md5(concat_ws(chr(31), user_id, p.time, item_id)), '')
  } END AS clicked,
  propensity, false AS given
FROM displayed d
JOIN page_of p USING (user_id, page)
JOIN number_of USING (item_id);
DROP TABLE displayed;

INSERT INTO shown BY NAME
SELECT
  user_id,
  first_time - 1 - max(place) OVER (PARTITION BY user_id) + place AS time,
  '' AS tie, 0 AS place, item, {moment: 'inf'::DOUBLE, draw: ''} AS clicked, true AS given
FROM history
JOIN number_of USING (item_id)
JOIN (SELECT user_id, min(time) AS first_time FROM page_of GROUP BY user_id) USING (user_id);
DROP TABLE history; DROP TABLE page_of;
