-- Users and their parts. Run before what is known of the items is looked at: statistics of features are those of the train part.
--
-- Takes   shown (bucket, user_id, time in ms, context, ...)   as data/prepared.sql has it
--
-- Takes   parts   of user_macros.sql
--
-- Ends with users (bucket, user, id, split).
-- log_sampled.sql makes person and part_of earlier: it draws items from the clicks of train users.

-- step: Users and their parts
CREATE TABLE IF NOT EXISTS person AS
SELECT bucket, user_id, max(time) FILTER (NOT context) AS last_time
FROM shown
GROUP BY bucket, user_id
HAVING last_time IS NOT NULL;
CREATE TABLE IF NOT EXISTS part_of AS FROM parts('person');
CREATE TABLE users AS
SELECT
  bucket,
  (row_number() OVER (ORDER BY user_id) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][part + 1] AS split
FROM part_of;
