-- Users and their parts. Run before what is known of the items is looked at: statistics of features are those of the train part.
--
-- Takes   shown (bucket, user_id, time in ms, context, ...)   as data/prepared.sql has it
--         hash_part, time_part   of user_macros.sql
--
-- Ends with users (bucket, user, id, split, time_part): a user with pages in several parts has a row for each of them.

-- step: Users and their parts
CREATE TABLE users AS
SELECT
  bucket,
  (row_number() OVER (ORDER BY user_id, time_part) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][if(getvariable('split') = 'time', time_part, hash_part(user_id)) + 1] AS split,
  time_part
FROM (SELECT DISTINCT bucket, user_id, time_part(time) AS time_part FROM shown WHERE NOT context);
