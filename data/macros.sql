-- Macros of all scripts: rounds of users, parts of the data, and times.
--
-- Users in rounds. A step that groups, sorts or joins all displayed items runs once per round, for some of
-- the users, so that a round fits in memory.
--
-- Each user is in one of 1024 buckets. A round has consecutive buckets, the same in all steps. So a round of
-- a later step reads only rows that the same round wrote. The step that reads the log reads all of it in each
-- round, because its rows are in any order. The variable rows_of_log is the number of the rows.
--
-- Option by getvariable(): rows_at_once (rows per round). NULL: as many as fit in memory if a row takes 400
-- bytes. With a limit of 125 bytes per row, growing lists ran out of memory, as DuckDB cannot spill them.

CREATE MACRO bucket_of_user(user_id) AS (hash(user_id) % 1024)::USMALLINT;
CREATE MACRO buckets_at_once() AS greatest(1, 1024 * coalesce(
  getvariable('rows_at_once')::BIGINT, parse_formatted_bytes(current_setting('memory_limit'))::BIGINT // 400
) // greatest(1, getvariable('rows_of_log')::BIGINT));
CREATE MACRO rounds() AS TABLE SELECT unnest(range(0, 1024, buckets_at_once())) AS round;
-- The limits are cast to the bucket's type: if the bucket were cast, DuckDB would compare each row.
CREATE MACRO in_round(bucket) AS
  bucket >= getvariable('round')::USMALLINT AND bucket <= least(1023, getvariable('round') + buckets_at_once() - 1)::USMALLINT;

-- Parts: 0 train, 1 validation, 2 test.
--
-- In a split by hash, each user is in one part with all pages. md5 is the same in every engine, so a user
-- keeps the part when the log grows. In a split by time, each page is in one part. A person with pages in
-- several parts is a user of each part. Pages of earlier parts are this user's history, and are not predicted
-- (prepared.sql: earlier).
--
-- Options by getvariable(): split (hash | time); train_share, validation_share; validation_start, test_start
-- (ms), which page_rows.sql sets.
CREATE MACRO share_of(user_id) AS ('0x' || substr(md5(user_id), 1, 8))::UBIGINT / 4294967296;
CREATE MACRO hash_part(user_id) AS CASE
  WHEN share_of(user_id) < getvariable('train_share') THEN 0
  WHEN share_of(user_id) < getvariable('train_share') + getvariable('validation_share') THEN 1
  ELSE 2
END;
-- In a split by hash, all pages have part 0.
CREATE MACRO time_part(ms) AS CASE
  WHEN ms >= getvariable('test_start')::BIGINT THEN 2
  WHEN ms >= getvariable('validation_start')::BIGINT THEN 1
  ELSE 0
END;

-- Macros that convert a text without surrounding spaces to a time, and return NULL if the text is not a time:
--     iso_time(t) for ISO 8601 or 01-Jan-1995; local_time(t, day_first) for dates such as 31.12.2025
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
