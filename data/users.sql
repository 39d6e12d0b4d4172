-- Users and their parts. Run before what is known of the items is looked at: statistics of features are those of the train part.
--
-- Takes   shown (bucket, user_id, time in ms, context, ...)   as data/prepared.sql has it
--
-- Options by getvariable(): split (hash | time); train_share, validation_share.
--
-- Ends with users (bucket, user, id, split).

-- step: Users and their parts
CREATE TABLE person AS
SELECT bucket, user_id, max(time) FILTER (NOT context) AS last_time
FROM shown
GROUP BY bucket, user_id
HAVING last_time IS NOT NULL;

-- By hash, a user stays in her part when the log grows: md5 is the same in every engine.
-- By time, no train user has a page after the first page of a cut: users go by their last page.
CREATE TABLE users AS
WITH cut AS (
  SELECT
    quantile_disc(last_time, getvariable('train_share')) AS train_end,
    quantile_disc(last_time, least(1, getvariable('train_share') + getvariable('validation_share'))) AS validation_end
  FROM person
),
placed AS (
  SELECT
    bucket, user_id,
    CASE getvariable('split')
      WHEN 'time' THEN CASE WHEN last_time <= train_end THEN 0 WHEN last_time <= validation_end THEN 1 ELSE 2 END
      ELSE CASE
        WHEN ('0x' || substr(md5(user_id), 1, 8))::UBIGINT / 4294967296 < getvariable('train_share') THEN 0
        WHEN ('0x' || substr(md5(user_id), 1, 8))::UBIGINT / 4294967296
          < getvariable('train_share') + getvariable('validation_share') THEN 1
        ELSE 2 END
    END AS part
  FROM person, cut
)
SELECT
  bucket,
  (row_number() OVER (ORDER BY user_id) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][part + 1] AS split
FROM placed;
