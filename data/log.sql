-- Any log of what was displayed and clicked, to rows of pages. data/README.md says what a prepared data set is.
--
-- Takes   source   a view of the log, and of the table of clicks where there is one (is_clicks): as text, as they are written (NULL: no
--                  value), user_id, item_id, page_id, time, clicked, position, propensity, event; of a list of items a page, item_list, clicked_list,
--                  position_list, propensity_list; broken, inexact: what is no row, an id that a float has lost
-- and iso_time of times.sql.
--
-- Options by getvariable(): time_unit (seconds, ...), time_format (as of strptime): how times are written (NULL: find out);
-- with_pages, with_lists, with_marks, with_positions, with_events, click_lists, clicks_with_users, clicks_with_times: what there
-- is; shown_events, click_events; click_any, click_from, click_words: what a click is; all_clicked: each row is a click;
-- propensity_of: page or item: what propensities are of.
--
-- Ends with   row_read (bucket, kind, user_id, page, item_id, time, place, clicked, click_time, propensity)   a view: an item that was shown, or a
--                                                                                     click that is told apart; click_time only orders clicks
-- which log_lists.sql, log_gap.sql, log_pages.sql, log_clicks.sql and log_sampled.sql take.

-- step: How values are read
-- What a click is: any value, a number from some value on, one of some words, or yes and no as they are usually written.
CREATE MACRO is_click(t) AS CASE
  WHEN getvariable('all_clicked') THEN true
  WHEN getvariable('click_any') THEN coalesce(trim(t), '') <> ''
  WHEN getvariable('click_from') IS NOT NULL THEN CASE
    WHEN coalesce(trim(t), '') = '' THEN false
    WHEN NOT isnan(TRY_CAST(t AS DOUBLE)) THEN TRY_CAST(t AS DOUBLE) >= getvariable('click_from')::DOUBLE
  END
  WHEN getvariable('click_words') IS NOT NULL THEN coalesce(list_contains(getvariable('click_words')::VARCHAR[], trim(t)), false)
  WHEN lower(trim(t)) IN ('1', 'true', 'yes', 't', 'y', '1.0') THEN true
  WHEN lower(trim(t)) IN ('0', 'false', 'no', 'f', 'n', '0.0') THEN false
END;

-- Of lists of items, log_lists.sql replaces these.
CREATE MACRO list_fault(kind, items, clicked, positions, propensities) AS NULL::VARCHAR;
CREATE MACRO list_key(kind, items) AS '';
CREATE MACRO is_chance(t) AS coalesce(trim(t), '') = '' OR coalesce(TRY_CAST(t AS DOUBLE) > 0 AND TRY_CAST(t AS DOUBLE) <= 1, false);

-- A number is a time by its size: seconds reach 10^11 in the year 5138, and so on.
CREATE MACRO may_be(unit) AS coalesce(getvariable('time_unit')::VARCHAR, unit) = unit;

SET VARIABLE time_kind = NULL::VARCHAR; -- these two are known when the log is read
SET VARIABLE click_time_kind = NULL::VARCHAR;
CREATE MACRO usual_kind(is_clicks) AS if(is_clicks, getvariable('click_time_kind'), getvariable('time_kind'));
-- Each SELECT names what the one around it uses: what is in a macro of a macro is read again at each place, and a day with a
-- time of day takes four regular expressions.
CREATE VIEW checked AS
SELECT
  * EXCLUDE (clean_time, number, iso, parts, parts_of_ms, below_ms),
  CASE WHEN getvariable('with_pages') THEN page_id
    ELSE time::VARCHAR || if(below_ms <> 0, '.' || lpad(below_ms::VARCHAR, 6, '0'), '') || list_key(kind, item_list)
  END AS page,
  CASE
    WHEN broken THEN 'broken'
    WHEN kind = 'other' THEN NULL
    WHEN inexact IS NOT NULL THEN 'inexact'
    WHEN coalesce(user_id, '') = '' AND (NOT is_clicks OR getvariable('clicks_with_users')) THEN 'user'
    WHEN is_list AND list_fault(kind, item_list, clicked_list, position_list, propensity_list) IS NOT NULL
      THEN list_fault(kind, item_list, clicked_list, position_list, propensity_list)
    WHEN NOT is_list AND coalesce(item_id, '') = '' THEN 'item'
    WHEN getvariable('with_pages') AND coalesce(page_id, '') = '' THEN 'page'
    WHEN time_kind IS NULL AND (NOT is_clicks OR getvariable('clicks_with_times')) THEN 'time'
    WHEN getvariable('with_marks') AND kind = 'shown' AND NOT is_list AND clicked IS NULL THEN 'clicked'
    WHEN getvariable('with_positions') AND kind = 'shown' AND NOT is_list AND NOT coalesce(isfinite(position), false) THEN 'position'
    WHEN kind = 'shown' AND NOT is_list AND NOT is_chance(propensity_text) THEN 'propensity'
    WHEN time_kind <> usual_kind(is_clicks) THEN 'kind of time'
  END AS fault
FROM (
  -- What milliseconds leave out counts as well: pages of one user within a millisecond are pages of their own.
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
        CASE
          WHEN may_be('seconds') AND abs(number) < 1e11 THEN 'seconds since 1970'
          WHEN may_be('milliseconds') AND abs(number) < 1e14 THEN 'milliseconds since 1970'
          WHEN may_be('microseconds') AND abs(number) < 1e17 THEN 'microseconds since 1970'
          WHEN may_be('nanoseconds') AND abs(number) < 9e18 THEN 'nanoseconds since 1970'
          WHEN iso IS NULL OR getvariable('time_unit') IS NOT NULL THEN NULL
          WHEN getvariable('time_format') IS NOT NULL THEN 'dates and times of the format ' || getvariable('time_format')::VARCHAR
          ELSE 'dates and times (ISO 8601; UTC where they have no time zone)'
        END AS time_kind
      FROM (
        SELECT
          *,
          CASE
            WHEN getvariable('time_format') IS NOT NULL THEN try_strptime(clean_time, getvariable('time_format')::VARCHAR)::TIMESTAMPTZ
            WHEN number IS NULL THEN iso_time(clean_time)
          END AS iso
        FROM (
          SELECT
            * EXCLUDE (time, clicked, position, propensity)
            -- A text that is an id of the page is that one, and no list of others.
            REPLACE (if(list_contains(item_list, clicked), [clicked], clicked_list) AS clicked_list),
            time AS time_text, clicked AS clicked_text, position AS position_text,
            propensity AS propensity_text, TRY_CAST(propensity AS DOUBLE) AS propensity,
            getvariable('with_lists') AND (kind = 'shown' OR (NOT is_clicks AND getvariable('click_lists'))) AS is_list,
            CASE
              WHEN getvariable('time_format') IS NULL AND regexp_full_match(clean_time, '-?\d+(\.\d*)?([eE][+-]?\d+)?')
                THEN TRY_CAST(clean_time AS DOUBLE)
            END AS number,
            is_click(clicked) AS clicked,
            TRY_CAST(position AS DOUBLE) AS position
          FROM (
            SELECT
              *, trim(time) AS clean_time,
              CASE
                WHEN is_clicks THEN 'click'
                WHEN NOT getvariable('with_events') THEN 'shown'
                WHEN list_contains(getvariable('shown_events')::VARCHAR[], trim(event)) THEN 'shown'
                WHEN list_contains(getvariable('click_events')::VARCHAR[], trim(event)) THEN 'click'
                ELSE 'other'
              END AS kind
            FROM source
          )
        )
      )
    )
  )
);

-- step: Reading the log
-- Lists that nobody asked for would take longer to write than all the rest.
CREATE TABLE log_read AS
SELECT COLUMNS(lambda c: getvariable('with_lists') OR NOT ends_with(c, '_list'))
FROM (
  SELECT
    bucket_of_user(user_id) AS bucket, kind, is_clicks, event, user_id, item_id, page, time_kind, time, clicked, position, fault,
    -- Where any value is a click, it may be the time of it.
    CASE WHEN getvariable('click_any') AND clicked
      THEN coalesce(TRY_CAST(clicked_text AS DOUBLE), epoch_us(iso_time(trim(clicked_text)))::DOUBLE) END AS click_time,
    propensity, item_list, clicked_list, position_list, propensity_list -- NULL where a row is an item
  FROM checked
);
SET VARIABLE rows_of_log = (SELECT count(*) FROM log_read);

-- Times are of the kind that most are of; others are bad rows.
CREATE MACRO most_kind(of_clicks) AS (
  SELECT time_kind FROM log_read WHERE fault IS NULL AND kind <> 'other' AND is_clicks = of_clicks AND time_kind IS NOT NULL
  GROUP BY time_kind ORDER BY count(*) DESC, time_kind LIMIT 1
);
SET VARIABLE time_kind = most_kind(false);
SET VARIABLE click_time_kind = most_kind(true);
INSERT INTO note
SELECT 'times are read as ' || getvariable('time_kind') WHERE getvariable('time_kind') IS NOT NULL;
INSERT INTO note
SELECT 'times of the clicks are read as ' || getvariable('click_time_kind') WHERE getvariable('click_time_kind') <> getvariable('time_kind');
UPDATE log_read SET fault = 'kind of time'
WHERE fault IS NULL AND kind <> 'other' AND time_kind <> usual_kind(is_clicks);

INSERT INTO skipped
SELECT 'rows of other events: ' || string_agg(event, ', ' ORDER BY event), sum(n)::BIGINT
FROM (SELECT coalesce(event, 'none') AS event, count(*) AS n FROM log_read WHERE kind = 'other' AND fault IS NULL GROUP BY event)
HAVING count(*) > 0;

CREATE VIEW row_read AS
SELECT
  bucket, kind, user_id, page, item_id, time, coalesce(position, 0) AS place, coalesce(clicked, false) AS clicked, click_time, propensity
FROM log_read
WHERE fault IS NULL AND kind <> 'other';
