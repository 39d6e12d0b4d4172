-- The end of every preparation: users, items and pages as Parquet. data/README.md has the schema.
--
-- Takes   shown (user_id, time in ms, tie, place, item, clicked, given)   a row for each displayed item; a page is what is equal in
--         user_id, given, time and tie; places order its items
--         item (item, id, valid_from, dense, tokens)   items are numbered 0, 1, 2, ...
--
-- Options by getvariable(): split (hash | time); train_share, validation_share; max_events (NULL: all); out (folder).

-- step: Users and their parts
CREATE TABLE person AS
SELECT user_id, max(time) FILTER (NOT given) AS last_time
FROM shown
GROUP BY user_id
HAVING last_time IS NOT NULL;

-- By hash, a user stays in her part when the log grows: md5 is the same in every engine.
-- By time, nobody in the train part has a page after the first page of a cut: users go by their last page.
CREATE TABLE users AS
WITH cut AS (
  SELECT
    quantile_disc(last_time, getvariable('train_share')) AS train_end,
    quantile_disc(last_time, least(1, getvariable('train_share') + getvariable('validation_share'))) AS validation_end
  FROM person
),
placed AS (
  SELECT
    user_id,
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
  (row_number() OVER (ORDER BY user_id) - 1)::UINTEGER AS user,
  user_id AS id,
  ['train', 'validation', 'test'][part + 1] AS split
FROM placed;

-- step: Rows by user
CREATE TABLE row_of_user AS
SELECT user, given, time, tie, place, item, clicked, user % greatest(1, count(*) OVER () // 2000000) AS bucket
FROM shown JOIN users ON users.id = shown.user_id;
DROP TABLE shown;
CREATE TABLE page (user UINTEGER, given BOOLEAN, time BIGINT, tie VARCHAR, items UINTEGER[], clicked UINTEGER);

-- step: Pages | for bucket in (SELECT DISTINCT bucket FROM row_of_user ORDER BY bucket)
-- A list that is sorted afterwards: an aggregate with an order of its own takes kilobytes for each page.
INSERT INTO page
SELECT
  user, given, time, tie,
  list_transform(places, lambda p: p.item) AS items,
  list_position(list_transform(places, lambda p: p.clicked), true) - 1 AS clicked
FROM (
  SELECT user, given, time, tie, list_sort(list({place: place, item: item, clicked: clicked})) AS places
  FROM row_of_user
  WHERE bucket = getvariable('bucket')
  GROUP BY user, given, time, tie
);

-- step: Last events of each user | for most in (SELECT getvariable('max_events') WHERE getvariable('max_events') IS NOT NULL)
-- What was given as history came before all others, so it goes first.
CREATE TABLE last_page AS
FROM page
QUALIFY row_number() OVER (PARTITION BY user ORDER BY given, time DESC, tie DESC) <= getvariable('most');
INSERT INTO skipped
SELECT 'events before the last ' || getvariable('most')::INTEGER || ' of their user', (SELECT count(*) FROM page) - (SELECT count(*) FROM last_page);
DROP TABLE page;
ALTER TABLE last_page RENAME TO page;

-- step: Writing users, items and pages
-- Row groups are small, as training holds one at a time in memory.
DROP TABLE row_of_user;
COPY (
  SELECT user, id, split, count(*)::UINTEGER AS pages, sum(len(items))::UINTEGER AS rows
  FROM users JOIN page USING (user)
  GROUP BY user, id, split
  ORDER BY user
) TO (getvariable('out') || '/users.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
COPY (
  SELECT item, id, valid_from, dense, tokens
  FROM item
  ORDER BY item
) TO (getvariable('out') || '/items.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
COPY (
  SELECT
    user,
    (row_number() OVER (PARTITION BY user ORDER BY given DESC, time, tie) - 1)::UINTEGER AS page,
    epoch_ms(time) AS time, items, clicked, given
  FROM page
  ORDER BY user, page
) TO (getvariable('out') || '/pages.parquet') (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192);
