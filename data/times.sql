-- Parses dates and times of logs and items.
--
-- Creates macros that return the time in a text without surrounding spaces, or NULL for any other text:
--     iso_time(t) for ISO 8601 or 01-Jan-1995; local_time(t, day_first) for dates such as 31.12.2025

-- step: How times are read
-- Examples: 2019-11-11, 2019-11-11 09:05, 2019-11-11 09:05:58 UTC, 2019-11-11T09:05:58.123+0200 (up to 18 h)
CREATE MACRO with_seconds(t) AS regexp_replace(t, '^(.{10}[T ]\d\d:\d\d)($|[^:\d])', '\1:00\2');
CREATE MACRO iso_time(t) AS CASE
  WHEN regexp_full_match(t, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?Z| UTC| ?[+-]((0\d|1[0-7])(:?[0-5]\d)?|18(:?00)?))?)?') THEN TRY_CAST(
    regexp_replace(regexp_replace(with_seconds(replace(t, ',', '.')), ' (Z|[+-])', '\1'), '([T ][0-9:.]+[+-]\d\d)(\d\d)$', '\1:\2')
    AS TIMESTAMPTZ
  )
  -- Examples: 01-Jan-1995, 1 Jan 1995
  WHEN regexp_full_match(t, '\d\d?[- ][A-Za-z]{3}[- ]\d{4}') THEN try_strptime(replace(t, ' ', '-'), '%d-%b-%Y')::TIMESTAMPTZ
END;
-- Examples: 31.12.2025, 31/12/2025 7:05, 12-31-2025 07:05:58 PM. All rows determine if the day is first.
CREATE MACRO is_local_date(t) AS regexp_full_match(t, '\d\d?[./-]\d\d?[./-]\d{4}([T ]\d\d?:\d\d(:\d\d([.,]\d+)?)?( ?[AaPp][Mm])?)?');
CREATE MACRO plain_local(t) AS
  regexp_replace(regexp_replace(replace(replace(upper(t), 'T', ' '), ',', '.'), '^(\d+)[./-](\d+)[./-]', '\1/\2/'), ' ?([AP]M)$', ' \1');
CREATE MACRO local_time(t, day_first) AS CASE WHEN is_local_date(t) THEN (CASE WHEN day_first
  THEN try_strptime(plain_local(t), ['%d/%m/%Y', '%d/%m/%Y %H:%M', '%d/%m/%Y %H:%M:%S', '%d/%m/%Y %H:%M:%S.%n', '%d/%m/%Y %I:%M %p', '%d/%m/%Y %I:%M:%S %p'])
  ELSE try_strptime(plain_local(t), ['%m/%d/%Y', '%m/%d/%Y %H:%M', '%m/%d/%Y %H:%M:%S', '%m/%d/%Y %H:%M:%S.%n', '%m/%d/%Y %I:%M %p', '%m/%d/%Y %I:%M:%S %p'])
END)::TIMESTAMPTZ END;
-- Converts an item's time (a text as above, or seconds or ms since 1970) to ms since 1970.
CREATE MACRO item_ms(t) AS coalesce(
  TRY_CAST(t AS DOUBLE) * if(abs(TRY_CAST(t AS DOUBLE)) < 1e11, 1000, 1),
  epoch_ms(iso_time(trim(t)))
);
