-- Rows of pages, to the items of pages.
--
-- Takes   row_read   of log.sql
--
-- Ends with   displayed (user_id, page, time, place, item_id, clicked, click_time, propensity)   each item of a page once; what is not known: NULL
--             history (user_id, place, item_id)                                      what was clicked before the log: nothing
-- which item_features.sql and page_rows.sql take.

-- step: Items of pages
-- A page is what a user has under one page id; where there are none, at one time.
CREATE TABLE displayed AS
SELECT user_id, page, item_id, min(time) AS time, min(place) AS place, bool_or(clicked) AS clicked,
  min(click_time) AS click_time, min(propensity) AS propensity
FROM row_read
WHERE kind = 'shown'
GROUP BY ALL;
INSERT INTO skipped
SELECT 'rows of an item that is on its page already',
  (SELECT count(*) FROM row_read WHERE kind = 'shown') - (SELECT count(*) FROM displayed);
CREATE TABLE history (user_id VARCHAR, place BIGINT, item_id VARCHAR);
