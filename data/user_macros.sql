-- Users in rounds. A step that groups, sorts or joins all that was displayed goes by them (for round in (FROM rounds())), so that
-- each round fits in memory: beyond it, strings take more room on the disk than the tables themselves.
--
-- A user is in one of 1024 buckets, a round takes some buckets next to each other. What a round writes lies together, and the same
-- round of a later step reads that alone: all steps have the same rounds. The rows of the log lie anywhere, and each round reads all
-- of them. The script that makes the first table of rows sets rows_of_log.
--
-- Option by getvariable(): rows_at_once: rows of a round (NULL: as memory allows, at 400 bytes a row; lists that grow cannot go to
-- the disk, and run out of memory at 125).

CREATE MACRO bucket_of_user(user_id) AS (hash(user_id) % 1024)::USMALLINT;
CREATE MACRO buckets_at_once() AS greatest(1, 1024 * coalesce(
  getvariable('rows_at_once')::BIGINT, parse_formatted_bytes(current_setting('memory_limit'))::BIGINT // 400
) // greatest(1, getvariable('rows_of_log')::BIGINT));
CREATE MACRO rounds() AS TABLE SELECT unnest(range(0, 1024, buckets_at_once())) AS round;
-- Of the bucket's own type: what is cast is compared row by row.
CREATE MACRO in_round(bucket) AS
  bucket >= getvariable('round')::USMALLINT AND bucket <= least(1023, getvariable('round') + buckets_at_once() - 1)::USMALLINT;

-- Parts: 0 train, 1 validation, 2 test.
--
-- By hash, each user with all pages is in one part: md5 is the same in every engine, so users keep their parts when the log grows.
-- By time, each page is in one part. A user with pages in several parts is a user of each of them. The pages of earlier parts are
-- then the user's history, which is not scored (earlier in prepared.sql).
--
-- Options by getvariable(): split (hash | time); train_share, validation_share; validation_start, test_start in ms, of page_rows.sql.
CREATE MACRO share_of(user_id) AS ('0x' || substr(md5(user_id), 1, 8))::UBIGINT / 4294967296;
CREATE MACRO hash_part(user_id) AS CASE
  WHEN share_of(user_id) < getvariable('train_share') THEN 0
  WHEN share_of(user_id) < getvariable('train_share') + getvariable('validation_share') THEN 1
  ELSE 2
END;
-- 0 in a split by hash.
CREATE MACRO time_part(ms) AS CASE
  WHEN ms >= getvariable('test_start')::BIGINT THEN 2
  WHEN ms >= getvariable('validation_start')::BIGINT THEN 1
  ELSE 0
END;
