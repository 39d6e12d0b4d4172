-- From the items of pages to the rows that prepared.sql takes.
--
-- Takes   displayed (user_id, page, time, place, item_id, clicked, click_time), history (user_id, place, item_id), number_of (item_id, item)
--
-- The clicks of a page are told in the order of their times. Where the log has none, they are in an order that is drawn: that of
-- the places would make the places look as if they mattered, that of the items the items.
-- What were clicked before the log are given pages of one item, in order, a millisecond apart, before the first page.

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
  false AS given
FROM displayed d
JOIN page_of p USING (user_id, page)
JOIN number_of USING (item_id);
DROP TABLE displayed;

INSERT INTO shown
SELECT
  user_id,
  first_time - 1 - max(place) OVER (PARTITION BY user_id) + place AS time,
  '' AS tie, 0 AS place, item, {moment: 'inf'::DOUBLE, draw: ''} AS clicked, true AS given
FROM history
JOIN number_of USING (item_id)
JOIN (SELECT user_id, min(time) AS first_time FROM page_of GROUP BY user_id) USING (user_id);
DROP TABLE history; DROP TABLE page_of;
