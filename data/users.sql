-- Assigns users to train, validation and test, before the items are encoded by statistics of the train part.
--
-- Reads    shown (bucket, user_id, time in ms, context, ...)   see data/prepared.sql
--          hash_part, time_part                                macros of user_macros.sql
-- Creates  users (bucket, user, id, split, time_part)          a row per part in which a person has pages

-- step: Users and their parts
CREATE TABLE users AS
SELECT
  bucket,
  (row_number() OVER (ORDER BY user_id, time_part) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][if(getvariable('split') = 'time', time_part, hash_part(user_id)) + 1] AS split,
  time_part
FROM (SELECT DISTINCT bucket, user_id, time_part(time) AS time_part FROM shown WHERE NOT context);
