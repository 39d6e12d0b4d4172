-- Users in rounds. A step that groups, sorts or joins all that was displayed goes by them (for first, last in (FROM rounds(500))), so
-- that each round fits in memory: beyond it, strings take more room on the disk than the tables themselves.
--
-- A user is in one of 1024 buckets, a round takes buckets first to last. What a round writes lies together, and a later one reads
-- little more than its own rows; the rows of the log lie anywhere, so that each round reads all of them. Whoever makes the first
-- table of rows sets rows_of_log.
--
-- Option by getvariable(): rows_at_once: rows of a round (NULL: as memory allows).

CREATE MACRO bucket_of_user(user_id) AS (hash(user_id) % 1024)::USMALLINT;
CREATE MACRO buckets_at_once(bytes_of_row) AS greatest(1, 1024 * coalesce(
  getvariable('rows_at_once')::BIGINT, parse_formatted_bytes(current_setting('memory_limit'))::BIGINT // bytes_of_row
) // greatest(1, getvariable('rows_of_log')::BIGINT));
CREATE MACRO rounds(bytes_of_row) AS TABLE
SELECT first, least(1023, first + buckets_at_once(bytes_of_row) - 1) AS last
FROM (SELECT unnest(range(0, 1024, buckets_at_once(bytes_of_row))) AS first);
-- Of the bucket's own type: what is cast is compared row by row.
CREATE MACRO in_round(bucket) AS bucket >= getvariable('first')::USMALLINT AND bucket <= getvariable('last')::USMALLINT;
