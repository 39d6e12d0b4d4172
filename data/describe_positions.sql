-- Measures position bias: compares the clicks at a position with those that the items' strengths predict.
--
-- Reads    shown (user, page, context, position, id, turn) and
--          page (user, page, size, clicked, additional_clicks, context) of describe.sql
-- Creates  position_effect (position, shown, clicks, expected, sd, users) for the first ten positions
--
-- Without an effect of the position, P(click on item i) = w_i / (w_none + sum of w over the page). w_i is the
-- strength of item i, and w_none depends on the number of items of the page. An additional click is a choice
-- among the items that are not clicked yet, without w_none. The model accounts for the other items of a page:
-- on sorted pages, the first item competes with weaker items.

-- step: Pages to compare
-- If the log is large, use a sample of its users: so many that they have one to two million rows.
SET VARIABLE every = (SELECT greatest(1, count(*) // 1000000) FROM shown);
CREATE TABLE choice AS
SELECT row_number() OVER (ORDER BY user, page, turn) AS choice, user, page, size, turn, clicked IS NULL AS no_click
FROM (SELECT *, unnest(range(1, 2 + len(additional_clicks))) AS turn FROM page)
WHERE NOT context AND size > 1 AND user % getvariable('every') = 0;
CREATE TABLE placed AS
SELECT choice, c.user, size, c.turn, id, least(position, 11) AS position, (s.turn IS NOT DISTINCT FROM c.turn)::INTEGER AS clicked
FROM shown s JOIN choice c USING (user, page)
WHERE s.turn IS NULL OR s.turn >= c.turn;
CREATE TABLE strength AS
SELECT id, count(*) AS n, sum(clicked) AS clicks, sum(clicked) / count(*) AS w FROM placed GROUP BY id;
CREATE TABLE no_click AS
SELECT size, count(*) FILTER (no_click) AS clicks, avg(no_click::INTEGER) AS w FROM choice WHERE turn = 1 GROUP BY size;
CREATE TABLE total (choice BIGINT, size INTEGER, turn BIGINT, total DOUBLE);

-- step: Strengths of items | for round in (SELECT unnest(range(15)))
-- Maximum likelihood: each update increases the likelihood of the clicks (Hunter, MM algorithms for
-- generalized Bradley-Terry models, 2004).
CREATE OR REPLACE TABLE total AS
SELECT choice, size, turn, if(turn = 1, any_value(no_click.w), 0) + sum(strength.w) AS total
FROM placed JOIN strength USING (id) JOIN no_click USING (size)
GROUP BY choice, size, turn;
CREATE OR REPLACE TABLE strength AS
SELECT id, any_value(n) AS n, any_value(clicks) AS clicks, any_value(clicks) / sum(1 / total) AS w
FROM (SELECT choice, id, s.n, s.clicks FROM placed JOIN strength s USING (id)) JOIN total USING (choice)
GROUP BY id;
CREATE OR REPLACE TABLE no_click AS
SELECT size, any_value(clicks) AS clicks, any_value(clicks) / sum(1 / total) AS w
FROM no_click JOIN (FROM total WHERE turn = 1) USING (size)
GROUP BY size;

-- step: Clicks by position
CREATE TABLE expectation AS
SELECT user, id, position, clicked, n, w / total AS p
FROM placed JOIN strength USING (id) JOIN total USING (choice)
WHERE clicks > 0 AND n > 1;
-- An item that is always at one position gives no information.
CREATE TABLE item_at AS
SELECT id, position, count(*) AS n, sum(clicked) AS clicks, sum(p) AS expected, sum(p * (1 - p)) AS weight
FROM expectation
GROUP BY id, position;
CREATE TABLE moving AS
SELECT id, sum(weight) AS weight FROM item_at GROUP BY id HAVING count(*) > 1 AND sum(weight) > 0;
-- The variance is computed over users, because the clicks of one user are not independent. A user's residual
-- is observed minus expected clicks, less the part that a change of the item's strength would explain. An
-- item's strength was fitted to the same clicks, which makes residuals small: n / (n - 1) corrects this.
CREATE TABLE residual AS
SELECT user, id, position, sum((clicked - p) * sqrt(n / (n - 1))) AS r
FROM expectation JOIN moving USING (id)
GROUP BY user, id, position;
CREATE TABLE of_user AS
SELECT user, position, sum(r) AS r
FROM (
  SELECT user, position, r FROM residual
  UNION ALL
  SELECT user, a.position, -r.r * a.weight / m.weight
  FROM (SELECT user, id, sum(r) AS r FROM residual GROUP BY user, id) r
  JOIN moving m USING (id)
  JOIN item_at a USING (id)
)
GROUP BY user, position;
CREATE TABLE position_effect AS
SELECT position, e.shown, e.clicks, e.expected, sqrt(u.variance) AS sd, u.users
FROM (
  SELECT position, sum(n) AS shown, sum(clicks) AS clicks, sum(expected) AS expected
  FROM item_at JOIN moving USING (id)
  GROUP BY position
) e
LEFT JOIN (SELECT position, sum(r * r) AS variance, count(*) FILTER (r <> 0) AS users FROM of_user GROUP BY position) u USING (position)
WHERE position <= 10
ORDER BY position;
DROP TABLE choice; DROP TABLE placed; DROP TABLE strength; DROP TABLE no_click; DROP TABLE total;
DROP TABLE expectation; DROP TABLE item_at; DROP TABLE moving; DROP TABLE residual; DROP TABLE of_user;
