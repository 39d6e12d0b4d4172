-- From the items of pages to the rows that prepared.sql takes.
--
-- Takes   displayed (user_id, page, time, place, item_id, clicked), history (user_id, place, item_id), number_of (item_id, item)
--
-- A page with several clicks becomes a page for each of them: all show the whole page, and the click is one of them.
-- What was clicked before the log are given pages of one item, in order, a millisecond apart, before the first page.

-- step: Clicks of pages
CREATE TABLE page_of AS
SELECT user_id, page, min(time) AS time, count(*) FILTER (clicked) AS clicks
FROM displayed
GROUP BY user_id, page;
INSERT INTO skipped
FROM (VALUES
  ('pages with several clicks, split into one page a click', (SELECT count(*) FROM page_of WHERE clicks > 1)),
  -- As PAGE_COPIES of src/data/manifest.ts.
  ('copies of pages, one for each click but the first', (SELECT sum(clicks - 1) FROM page_of WHERE clicks > 1)));
CREATE TABLE chosen AS
SELECT user_id, page, item
FROM displayed JOIN number_of USING (item_id)
WHERE clicked
UNION ALL
SELECT user_id, page, NULL FROM page_of WHERE clicks = 0;

-- step: Rows of pages
-- Pages of one user at one time go by their page id, and those of one page by the item that is clicked.
CREATE TABLE shown AS
SELECT
  user_id, p.time,
  page || chr(31) || lpad(coalesce(c.item + 1, 0)::VARCHAR, 10, '0') AS tie,
  place, n.item,
  coalesce(n.item = c.item, false) AS clicked,
  false AS given
FROM displayed
JOIN page_of p USING (user_id, page)
JOIN chosen c USING (user_id, page)
JOIN number_of n USING (item_id);
DROP TABLE displayed; DROP TABLE chosen;

INSERT INTO shown
SELECT
  user_id,
  first_time - 1 - max(place) OVER (PARTITION BY user_id) + place AS time,
  '' AS tie, 0 AS place, item, true AS clicked, true AS given
FROM history
JOIN number_of USING (item_id)
JOIN (SELECT user_id, min(time) AS first_time FROM page_of GROUP BY user_id) USING (user_id);
DROP TABLE history; DROP TABLE page_of;
