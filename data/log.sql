-- Any log with a row for each displayed item, to the items of its pages. data/README.md says what a prepared data set is.
--
-- Takes   source   a view of the log: user_id, item_id, time, clicked, page_id, position as text, as they are written (NULL: no value);
--                  broken, inexact: what is no row, an id that a float has lost
--
-- Options by getvariable(): with_pages, with_positions: whether page_id and position are there.
--
-- Ends with   displayed (user_id, page, time, place, item_id, clicked)   each item of a page once
--             history (user_id, place, item_id)                          what was clicked before the log: nothing
-- which item_features.sql and split_clicks.sql take.

-- step: How values are read
-- Time zones reach from -18:00 to +18:00. 2019-11-11, 2019-11-11 09:05, 2019-11-11T09:05:58.123+0200, 2019-11-11 09:05:58 UTC
CREATE MACRO with_seconds(t) AS regexp_replace(t, '^(.{10}[T ]\d\d:\d\d)($|[^:\d])', '\1:00\2');
CREATE MACRO iso_time(t) AS CASE
  WHEN regexp_full_match(t, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?Z| UTC| ?[+-]((0\d|1[0-7])(:?[0-5]\d)?|18(:?00)?))?)?') THEN TRY_CAST(
    regexp_replace(regexp_replace(with_seconds(replace(t, ',', '.')), ' (Z|[+-])', '\1'), '([T ][0-9:.]+[+-]\d\d)(\d\d)$', '\1:\2')
    AS TIMESTAMPTZ
  )
END;
-- A number is a time by its size: seconds reach 10^11 in the year 5138, and so on.
CREATE MACRO time_kind(t) AS CASE
  WHEN regexp_full_match(t, '-?\d+(\.\d*)?([eE][+-]?\d+)?') THEN CASE
    WHEN abs(TRY_CAST(t AS DOUBLE)) < 1e11 THEN 'seconds since 1970'
    WHEN abs(TRY_CAST(t AS DOUBLE)) < 1e14 THEN 'milliseconds since 1970'
    WHEN abs(TRY_CAST(t AS DOUBLE)) < 1e17 THEN 'microseconds since 1970'
    WHEN abs(TRY_CAST(t AS DOUBLE)) < 9e18 THEN 'nanoseconds since 1970'
  END
  WHEN iso_time(t) IS NOT NULL THEN 'dates and times (ISO 8601; UTC where they have no time zone)'
END;
-- Microseconds are whole numbers below 2^53 up to the year 2255: they are exact as DOUBLE, and cut to milliseconds.
CREATE MACRO time_ms(t, kind) AS CASE kind
  WHEN 'seconds since 1970' THEN round(TRY_CAST(t AS DOUBLE) * 1000000)::BIGINT // 1000
  WHEN 'milliseconds since 1970' THEN round(TRY_CAST(t AS DOUBLE) * 1000)::BIGINT // 1000
  WHEN 'microseconds since 1970' THEN TRY_CAST(t AS BIGINT) // 1000
  WHEN 'nanoseconds since 1970' THEN TRY_CAST(t AS BIGINT) // 1000000
  ELSE epoch_ms(iso_time(t))
END;

-- What such a time leaves out: pages of one user within a millisecond are pages of their own. ISO 8601 has it behind place 23.
CREATE MACRO below_ms(t, kind) AS CASE kind
  WHEN 'seconds since 1970' THEN round(TRY_CAST(t AS DOUBLE) * 1000000)::BIGINT % 1000
  WHEN 'milliseconds since 1970' THEN round(TRY_CAST(t AS DOUBLE) * 1000)::BIGINT % 1000
  WHEN 'microseconds since 1970' THEN TRY_CAST(t AS BIGINT) % 1000
  WHEN 'nanoseconds since 1970' THEN TRY_CAST(t AS BIGINT) % 1000000
  ELSE CASE WHEN substr(t, 24, 1) BETWEEN '0' AND '9' THEN epoch_us(iso_time(t)) % 1000 ELSE 0 END
END;
CREATE MACRO page_time(t, kind) AS
  time_ms(t, kind)::VARCHAR || CASE WHEN below_ms(t, kind) <> 0 THEN '.' || lpad(below_ms(t, kind)::VARCHAR, 6, '0') ELSE '' END;

SET VARIABLE time_kind = NULL::VARCHAR; -- is known when the log is read
CREATE VIEW checked AS
SELECT
  * EXCLUDE (time, clicked, position, clean),
  time AS time_text, clicked AS clicked_text, position AS position_text,
  time_ms(clean.time, time_kind) AS time,
  CASE WHEN getvariable('with_pages') THEN page_id ELSE page_time(clean.time, time_kind) END AS page,
  clean.clicked IN ('1', 'true') AS clicked,
  clean.position AS position,
  CASE
    WHEN broken THEN 'broken'
    WHEN inexact IS NOT NULL THEN 'inexact'
    WHEN coalesce(user_id, '') = '' THEN 'user'
    WHEN coalesce(item_id, '') = '' THEN 'item'
    WHEN getvariable('with_pages') AND coalesce(page_id, '') = '' THEN 'page'
    WHEN time_kind IS NULL THEN 'time'
    WHEN coalesce(clean.clicked, '') NOT IN ('0', '1', 'true', 'false') THEN 'clicked'
    WHEN getvariable('with_positions') AND NOT coalesce(isfinite(clean.position), false) THEN 'position'
    WHEN time_kind <> getvariable('time_kind') THEN 'kind of time'
  END AS fault
FROM (
  SELECT *, time_kind(clean.time) AS time_kind
  FROM (
    SELECT *, {time: trim(time), clicked: lower(trim(clicked)), position: TRY_CAST(position AS DOUBLE)} AS clean
    FROM source
  )
);

-- step: Reading the log
CREATE TABLE log_read AS
SELECT user_id, item_id, page, time_kind, time, clicked, position, fault
FROM checked;

-- Times are of the kind that most are of; others are bad rows.
SET VARIABLE time_kind = (
  SELECT time_kind FROM log_read WHERE fault IS NULL GROUP BY time_kind ORDER BY count(*) DESC, time_kind LIMIT 1
);
INSERT INTO note
SELECT 'times are read as ' || getvariable('time_kind') WHERE getvariable('time_kind') IS NOT NULL;
UPDATE log_read SET fault = 'kind of time' WHERE fault IS NULL AND time_kind <> getvariable('time_kind');

-- step: Items of pages
-- A page is what a user has under one page id; where there are none, at one time.
CREATE TABLE displayed AS
SELECT
  user_id,
  page,
  item_id,
  min(time) AS time,
  min(coalesce(position, 0)) AS place,
  bool_or(clicked) AS clicked
FROM log_read
WHERE fault IS NULL
GROUP BY ALL;
INSERT INTO skipped
SELECT 'rows of an item that is on its page already',
  (SELECT count(*) FROM log_read WHERE fault IS NULL) - (SELECT count(*) FROM displayed);
DROP TABLE log_read;
CREATE TABLE history (user_id VARCHAR, place BIGINT, item_id VARCHAR);
