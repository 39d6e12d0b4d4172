-- Reads a log of displayed and clicked items into rows of pages. data/README.md defines a prepared data set.
--
-- Reads    source   a view with a row per displayed item. Values are text, as in the log (NULL: no value):
--                   user_id, item_id, page_id, time, clicked, position, propensity. Other columns: part
--                   distinguishes pages with equal times and no ids; context is true for a click before the
--                   log begins; candidates are the ids of the items from which a page was drawn; click_time;
--                   inexact is an id that a float may have changed; row_values has a text per context column.
--          iso_time, local_time of macros.sql
-- Options by getvariable(): with_pages, with_positions, with_candidates (true if the log has these columns);
-- all_clicked (true if each row is a click); day_first (true if the day precedes the month in dates such as
-- 31.12.2025; NULL without such dates).
--
-- Creates, for log_pages.sql and log_sampled.sql:
--     row_read (bucket, user_id, page, item_id, time, position, clicked, click_time, propensity, row_values)
--                                                  a view with a row per displayed item
--     history (user_id, position, item_id)         clicks before the log begins
--     page_candidates (user_id, page, candidates)  items from which pages were drawn, if known

-- step: How values are read
CREATE MACRO is_click(t) AS CASE
  WHEN getvariable('all_clicked') THEN true
  WHEN lower(trim(t)) IN ('1', 'true', 'yes', 't', 'y', '1.0') THEN true
  WHEN lower(trim(t)) IN ('0', 'false', 'no', 'f', 'n', '0.0') THEN false
END;
CREATE MACRO is_chance(t) AS coalesce(trim(t), '') = '' OR coalesce(TRY_CAST(t AS DOUBLE) > 0 AND TRY_CAST(t AS DOUBLE) <= 1, false);

SET VARIABLE time_kind = NULL::VARCHAR; -- set after the log was read
-- Nested SELECTs name the intermediate values. (A macro would compute a value again at each use.)
CREATE VIEW checked AS
SELECT
  * EXCLUDE (clean_time, number, iso, parts, parts_of_ms, below_ms),
  CASE WHEN getvariable('with_pages') THEN page_id
    ELSE time::VARCHAR || if(below_ms <> 0, '.' || lpad(below_ms::VARCHAR, 6, '0'), '') || coalesce(chr(31) || part, '')
  END AS page,
  CASE
    WHEN inexact IS NOT NULL THEN 'inexact'
    WHEN coalesce(user_id, '') = '' THEN 'user'
    WHEN coalesce(item_id, '') = '' THEN 'item'
    WHEN getvariable('with_pages') AND coalesce(page_id, '') = '' AND NOT context THEN 'page'
    WHEN time_kind IS NULL THEN 'time'
    WHEN clicked IS NULL AND NOT context THEN 'clicked'
    WHEN getvariable('with_positions') AND NOT coalesce(isfinite(position), false) THEN 'position'
    WHEN NOT is_chance(propensity_text) THEN 'propensity'
    WHEN len(candidates) > 0 AND NOT list_contains(candidates, item_id) THEN 'candidates'
    WHEN time_kind <> getvariable('time_kind') THEN 'kind of time'
  END AS fault
FROM (
  -- Digits below milliseconds distinguish pages of a user within one millisecond.
  SELECT
    *,
    if(iso IS NULL, parts // parts_of_ms, epoch_ms(iso)) AS time,
    if(iso IS NULL, parts % parts_of_ms, epoch_us(iso) % 1000) AS below_ms
  FROM (
    -- Up to the year 2255, microseconds are below 2^53, so a DOUBLE is exact.
    SELECT
      *,
      CASE time_kind
        WHEN 'seconds since 1970' THEN round(number * 1000000)::BIGINT
        WHEN 'milliseconds since 1970' THEN round(number * 1000)::BIGINT
        WHEN 'microseconds since 1970' THEN TRY_CAST(clean_time AS BIGINT)
        WHEN 'nanoseconds since 1970' THEN TRY_CAST(clean_time AS BIGINT)
      END AS parts,
      if(time_kind = 'nanoseconds since 1970', 1000000, 1000) AS parts_of_ms
    FROM (
      SELECT
        *,
        CASE -- the size of a number determines its unit: for example, seconds reach 10^11 only in the year 5138
          WHEN abs(number) < 1e11 THEN 'seconds since 1970'
          WHEN abs(number) < 1e14 THEN 'milliseconds since 1970'
          WHEN abs(number) < 1e17 THEN 'microseconds since 1970'
          WHEN abs(number) < 9e18 THEN 'nanoseconds since 1970'
          WHEN iso IS NOT NULL AND is_local_date(clean_time) THEN if(
            getvariable('day_first'), 'dates, the day before the month (31.12.2025)', 'dates, the month before the day (12/31/2025)'
          )
          WHEN iso IS NOT NULL THEN 'dates and times (ISO 8601; UTC where they have no time zone)'
        END AS time_kind
      FROM (
        SELECT *, CASE WHEN number IS NULL THEN coalesce(iso_time(clean_time), local_time(clean_time, getvariable('day_first'))) END AS iso
        FROM (
          SELECT
            * EXCLUDE (time, clicked, position, propensity),
            time AS time_text, clicked AS clicked_text, position AS position_text,
            propensity AS propensity_text, TRY_CAST(propensity AS DOUBLE) AS propensity,
            trim(time) AS clean_time,
            CASE WHEN regexp_full_match(trim(time), '-?\d+(\.\d*)?([eE][+-]?\d+)?') THEN TRY_CAST(time AS DOUBLE) END AS number,
            is_click(clicked) AS clicked,
            TRY_CAST(position AS DOUBLE) AS position
          FROM source
        )
      )
    )
  )
);

-- step: Reading the log
-- The column candidates is left out if the log lacks it, to save space and time.
CREATE TABLE log_read AS
SELECT COLUMNS(lambda c: getvariable('with_candidates') OR c <> 'candidates')
FROM (
  SELECT
    bucket_of_user(user_id) AS bucket, user_id, item_id, page, time_kind, time, coalesce(position, 0) AS position, clicked, click_time, propensity,
    context, fault, candidates, row_values
  FROM checked
);
SET VARIABLE rows_of_log = (SELECT count(*) FROM log_read);

-- All times must have the format of most times. Rows with another format are invalid.
SET VARIABLE time_kind = (
  SELECT time_kind FROM log_read WHERE fault IS NULL GROUP BY time_kind ORDER BY count(*) DESC, time_kind LIMIT 1
);
INSERT INTO note
SELECT 'times are read as ' || getvariable('time_kind') WHERE getvariable('time_kind') IS NOT NULL;
UPDATE log_read SET fault = 'kind of time'
WHERE fault IS NULL AND time_kind <> getvariable('time_kind');

CREATE VIEW row_read AS
SELECT bucket, user_id, page, item_id, time, position, clicked, click_time, propensity, row_values
FROM log_read
WHERE fault IS NULL AND NOT context;

CREATE TABLE history AS
SELECT user_id, row_number() OVER (PARTITION BY user_id ORDER BY time, position, item_id) - 1 AS position, item_id
FROM log_read
WHERE fault IS NULL AND context;

CREATE TABLE page_candidates (user_id VARCHAR, page VARCHAR, candidates VARCHAR[]);

-- step: Candidates of pages | for one in (SELECT 1 WHERE getvariable('with_candidates'))
INSERT INTO page_candidates
SELECT user_id, page, list_sort(list_distinct(min(candidates)))
FROM log_read
WHERE fault IS NULL AND NOT context AND len(candidates) > 0
GROUP BY user_id, page;
