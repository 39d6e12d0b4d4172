-- Users in rounds. A step that groups, sorts or joins all displayed items runs once per round, for some of
-- the users, so that a round fits in memory. (Spilled strings take more disk space than tables.)
--
-- Each user is in one of 1024 buckets. A round has consecutive buckets, the same in all steps. So a round of
-- a later step reads only rows that the same round wrote. But each round reads the whole log, whose rows are
-- in any order. The script that creates the first table of rows sets rows_of_log.
--
-- Option by getvariable(): rows_at_once: rows per round. NULL: as many as fit in memory, at 400 bytes per
-- row. With 125 bytes per row, growing lists run out of memory, because DuckDB cannot spill them to disk.

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
