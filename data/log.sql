-- Reads a log of displayed and clicked items into rows of pages. data/README.md defines a prepared data set.
--
-- Takes   source   a view with a row for each displayed item, its values as text, as they are written (NULL: no value): user_id, item_id,
--                  page_id, time, clicked, position, propensity; part: distinguishes pages without id at one time; context: whether it
--                  was clicked before the log; candidates: ids that the page was drawn from; click_time; inexact: an id that a float has lost
--                  row_values: a list with a text for each context column
-- and iso_time of times.sql.
--
-- Options by getvariable(): with_pages, with_positions, with_candidates: what there is; all_clicked: each row is a click;
-- day_first: whether dates such as 31.12.2025 have the day before the month; NULL where there are none.
--
-- Ends with   row_read (bucket, user_id, page, item_id, time, position, clicked, click_time, propensity, row_values)   a view: an item that was displayed
--             history (user_id, position, item_id)                                      what was clicked before the log
--             page_candidates (user_id, page, candidates)                    of the pages that say what they were drawn from
-- which log_gap.sql, log_pages.sql and log_sampled.sql take.

-- step: How values are read
CREATE MACRO is_click(t) AS CASE
  WHEN getvariable('all_clicked') THEN true
  WHEN lower(trim(t)) IN ('1', 'true', 'yes', 't', 'y', '1.0') THEN true
  WHEN lower(trim(t)) IN ('0', 'false', 'no', 'f', 'n', '0.0') THEN false
END;
CREATE MACRO is_chance(t) AS coalesce(trim(t), '') = '' OR coalesce(TRY_CAST(t AS DOUBLE) > 0 AND TRY_CAST(t AS DOUBLE) <= 1, false);

SET VARIABLE time_kind = NULL::VARCHAR; -- known when the log is read
-- Each SELECT names what the one around it uses: what is in a macro of a macro is computed again at each use, and a day with a
-- time of day takes four regular expressions.
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
  -- Digits below milliseconds count as well: pages of one user within a millisecond are separate.
  SELECT
    *,
    if(iso IS NULL, parts // parts_of_ms, epoch_ms(iso)) AS time,
    if(iso IS NULL, parts % parts_of_ms, epoch_us(iso) % 1000) AS below_ms
  FROM (
    -- Microseconds are whole numbers below 2^53 up to the year 2255: they are exact as DOUBLE, and cut to milliseconds.
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
        CASE -- a number is a time by its size: seconds reach 10^11 in the year 5138, and so on
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
-- Columns that the log lacks would only cost space and time.
CREATE TABLE log_read AS
SELECT COLUMNS(lambda c: getvariable('with_candidates') OR c <> 'candidates')
FROM (
  SELECT
    bucket_of_user(user_id) AS bucket, user_id, item_id, page, time_kind, time, coalesce(position, 0) AS position, clicked, click_time, propensity,
    context, fault, candidates, row_values
  FROM checked
);
SET VARIABLE rows_of_log = (SELECT count(*) FROM log_read);

-- The format of most times is used; rows with other formats are invalid.
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
