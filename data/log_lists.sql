-- Of a log with a list of items a page: which of them was clicked, and a row for each of them.
--
-- Takes log_read and row_read of log.sql, and replaces row_read.
-- Option by getvariable(): click_form: how the clicks are written (NULL: find out).
--
-- The first step comes before the log is read, the second one after it.

-- step: How lists are read
-- The click of a list of items: its id (or several), its index from 0, its place from 1, or a yes or no for each item.
CREATE MACRO plain(x) AS regexp_replace(x, '^(\d+)\.0$', '\1'); -- whole numbers of programs that know floats only
CREATE MACRO said(c) AS list_filter(c, lambda x: lower(trim(coalesce(x, ''))) NOT IN ('', 'null', 'none', 'nan', '-1'));
CREATE MACRO wholes(c) AS list_transform(said(c), lambda x: TRY_CAST(plain(trim(x)) AS BIGINT));
-- Clicks that are no id of the page as it is written: they may be one as a whole number.
CREATE MACRO unlike(items, c) AS list_transform(list_filter(said(c), lambda x: NOT list_contains(items, x)), lambda x: plain(x));
CREATE MACRO fits(form, items, c) AS CASE form
  WHEN 'id' THEN list_has_all(list_transform(items, lambda x: plain(x)), unlike(items, c))
  WHEN 'index' THEN len(list_filter(wholes(c), lambda k: k BETWEEN 0 AND len(items) - 1)) = len(said(c))
  WHEN 'place' THEN len(list_filter(wholes(c), lambda k: k BETWEEN 1 AND len(items))) = len(said(c))
  WHEN 'marks' THEN len(c) = len(items) AND len(list_filter(c, lambda x: is_click(x) IS NOT NULL)) = len(items)
END;
CREATE MACRO marks_of(form, items, c) AS CASE form
  WHEN 'id' THEN list_transform(items, lambda x: list_contains(said(c), x) OR list_contains(unlike(items, c), plain(x)))
  WHEN 'index' THEN list_transform(range(len(items)), lambda k: list_contains(wholes(c), k))
  WHEN 'place' THEN list_transform(range(len(items)), lambda k: list_contains(wholes(c), k + 1))
  WHEN 'marks' THEN list_transform(c, lambda x: is_click(x))
END;

CREATE MACRO numbers(positions) AS list_filter(list_transform(positions, lambda x: TRY_CAST(x AS DOUBLE)), lambda x: isfinite(x));
-- One for each item, or one of the page, which all of its items have.
CREATE MACRO chances(items, propensities) AS CASE
  WHEN len(said(propensities)) = 0 THEN list_transform(items, lambda x: NULL::DOUBLE)
  WHEN getvariable('propensity_of')::VARCHAR = 'item' THEN list_transform(propensities, lambda x: TRY_CAST(x AS DOUBLE))
  ELSE list_transform(items, lambda x: TRY_CAST(propensities[1] AS DOUBLE))
END;
CREATE OR REPLACE MACRO list_fault(kind, items, clicked, positions, propensities) AS CASE
  WHEN coalesce(len(items), 0) = 0 OR list_contains(list_transform(items, lambda x: coalesce(x, '')), '') THEN 'items'
  WHEN kind = 'shown' AND getvariable('with_positions') AND len(numbers(positions)) IS DISTINCT FROM len(items) THEN 'positions'
  WHEN kind = 'shown' AND getvariable('with_marks') AND len(said(clicked)) > 0 AND NOT coalesce(fits(getvariable('click_form')::VARCHAR, items, clicked), true) THEN 'marks'
  WHEN kind = 'shown' AND len(said(propensities)) > 0 AND (
    len(propensities) <> if(getvariable('propensity_of')::VARCHAR = 'item', len(items), 1)
    OR len(list_filter(propensities, lambda x: is_chance(x) AND x IS NOT NULL)) < len(propensities)
  ) THEN 'propensities'
END;
-- Without ids, rows of a user at one time are pages of their own where they show other items.
CREATE OR REPLACE MACRO list_key(kind, items) AS CASE WHEN kind <> 'shown' THEN '' ELSE chr(31) || md5(items::VARCHAR) END;

-- step: Reading the clicks of lists
-- How the clicks of lists are written, where only one way fits. A list of 0 and 1 that is as long as the page is marks.
CREATE TABLE click_form AS
SELECT form, count(*) AS pages, count(*) FILTER (fits(form, item_list, clicked_list)) AS fitting
FROM (FROM log_read WHERE getvariable('with_marks') AND kind = 'shown' AND fault IS NULL AND len(said(clicked_list)) > 0),
  (SELECT unnest(['id', 'index', 'place', 'marks']) AS form)
GROUP BY form;
SET VARIABLE click_form = coalesce(
  getvariable('click_form')::VARCHAR,
  (SELECT if(count(*) = 1 OR bool_or(form = 'marks'), max_by(form, form = 'marks'), NULL) FROM click_form WHERE fitting >= 0.99 * pages)
);
UPDATE log_read SET fault = 'marks'
WHERE getvariable('with_marks') AND kind = 'shown' AND fault IS NULL AND len(said(clicked_list)) > 0
  AND NOT coalesce(fits(getvariable('click_form')::VARCHAR, item_list, clicked_list), true);

SET VARIABLE rows_of_log = (SELECT sum(coalesce(len(item_list), 1))::BIGINT FROM log_read);

CREATE OR REPLACE VIEW row_read AS
-- The items of a click are in a column of their own, or the list of its row.
SELECT bucket, kind, user_id, page, item_id, time, 0 AS place, false AS clicked, NULL::DOUBLE AS click_time, NULL::DOUBLE AS propensity
FROM log_read
WHERE fault IS NULL AND kind = 'click' AND NOT (getvariable('click_lists') AND NOT is_clicks)
UNION ALL
SELECT bucket, kind, user_id, page, unnest(item_list), time, 0, false, NULL, NULL
FROM log_read
WHERE fault IS NULL AND kind = 'click' AND getvariable('click_lists') AND NOT is_clicks
UNION ALL
SELECT
  bucket, kind, user_id, page, unnest(item_list), time,
  unnest(if(getvariable('with_positions'), numbers(position_list), range(len(item_list))::DOUBLE[])),
  unnest(if(
    len(said(clicked_list)) > 0 AND getvariable('with_marks'),
    marks_of(getvariable('click_form')::VARCHAR, item_list, clicked_list),
    list_transform(item_list, lambda x: false)
  )),
  NULL, unnest(chances(item_list, propensity_list))
FROM log_read
WHERE fault IS NULL AND kind = 'shown';
