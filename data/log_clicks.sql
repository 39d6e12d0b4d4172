-- Clicks that are told apart from what was displayed: in a table of their own, or as rows of another event.
--
-- Takes row_read of log.sql, and displayed of log_pages.sql, whose clicked and click_time it sets.
-- Options by getvariable(): with_pages, clicks_with_users; click_within_ms.
--
-- Ends with   click_match (clicks, found)   how many there are, and of how many the item was displayed

-- step: Clicks that stand apart
CREATE TABLE click_read AS
SELECT row_number() OVER () AS click, bucket, user_id, page, item_id, time FROM row_read WHERE kind = 'click';
CREATE TABLE click_of (click BIGINT, bucket USMALLINT, user_id VARCHAR, page VARCHAR, item_id VARCHAR, time BIGINT);

-- step: Which displayed items were clicked | for round in (FROM rounds())
-- By the id of the page; where there is none, a click is of the latest page of the user that shows the item, not long before.
INSERT INTO click_of
SELECT click, d.bucket, d.user_id, d.page, d.item_id, c.time
FROM (FROM click_read WHERE getvariable('with_pages')) c
JOIN (FROM displayed WHERE in_round(bucket)) d ON c.page = d.page AND c.item_id = d.item_id AND (c.user_id = d.user_id OR NOT getvariable('clicks_with_users'))
UNION ALL
SELECT click, d.bucket, d.user_id, d.page, d.item_id, c.time
FROM (FROM click_read WHERE NOT getvariable('with_pages') AND in_round(bucket)) c
ASOF JOIN (FROM displayed WHERE in_round(bucket)) d ON c.user_id = d.user_id AND c.item_id = d.item_id AND c.time >= d.time
WHERE c.time - d.time <= getvariable('click_within_ms');
UPDATE displayed SET clicked = true, click_time = c.time
FROM (SELECT user_id, page, item_id, min(time) AS time FROM click_of WHERE in_round(bucket) GROUP BY ALL) c
WHERE in_round(displayed.bucket) AND displayed.user_id = c.user_id AND displayed.page = c.page AND displayed.item_id = c.item_id;

-- step: Clicks that belong to no page
CREATE TABLE click_match AS
SELECT (SELECT count(*) FROM click_read) AS clicks, (SELECT count(DISTINCT click) FROM click_of) AS found;
INSERT INTO skipped
SELECT 'clicks of an item that was on no page ' || if(getvariable('with_pages'), 'of that id', 'shortly before'), clicks - found
FROM click_match;
DROP TABLE click_read; DROP TABLE click_of;
