-- The part of each user: train, validation or test.
--
-- Takes   a table person (bucket, user_id, last_time in ms)
--
-- Options by getvariable(): split (hash | time); train_share, validation_share.
--
-- Ends with   parts('person')   bucket, user_id, part (0, 1, 2)

-- By hash, a user stays in her part when the log grows: md5 is the same in every engine.
-- By time, no train user has a page after the first page of a cut: users go by their last page.
CREATE MACRO share_of(user_id) AS ('0x' || substr(md5(user_id), 1, 8))::UBIGINT / 4294967296;
CREATE MACRO parts(people) AS TABLE
WITH cut AS (
  SELECT
    quantile_disc(last_time, getvariable('train_share')) AS train_end,
    quantile_disc(last_time, least(1, getvariable('train_share') + getvariable('validation_share'))) AS validation_end
  FROM query_table(people)
)
SELECT
  bucket, user_id,
  CASE getvariable('split')
    WHEN 'time' THEN CASE WHEN last_time <= train_end THEN 0 WHEN last_time <= validation_end THEN 1 ELSE 2 END
    ELSE CASE
      WHEN share_of(user_id) < getvariable('train_share') THEN 0
      WHEN share_of(user_id) < getvariable('train_share') + getvariable('validation_share') THEN 1
      ELSE 2 END
  END AS part
FROM query_table(people), cut;
