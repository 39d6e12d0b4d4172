-- Impressions in the layout of MIND (behaviors.tsv, news.tsv), to the items of pages. data/README.md says what a prepared
-- data set is.
--
-- Takes   behavior_source   a view of the lines: file, line, and their fields as a list of text:
--                           impression id, user, time (11/11/2019 9:05:58 AM), history (N1 N2), impressions (N3-0 N4-1)
--
-- Ends with   displayed (bucket, user_id, page, time, place, item_id, clicked, click_time, propensity)   each item of a page once
--             history (user_id, place, item_id)                                      what was clicked before the user's first impression
-- which item_features.sql and page_rows.sql take.

-- step: How values are read
CREATE MACRO behavior_time(t) AS epoch_ms(try_strptime(t, '%m/%d/%Y %I:%M:%S %p'));
CREATE VIEW checked AS
SELECT
  file, row, line, fields[1] AS impression, fields[2] AS user_id, fields[3] AS time_text, behavior_time(fields[3]) AS time,
  trim(fields[4]) AS history, trim(fields[5]) AS impressions,
  list_filter(string_split(trim(fields[5]), ' '), lambda token: NOT regexp_full_match(token, '(\S+-[01])?'))[1] AS unmarked,
  CASE
    WHEN len(fields) <> 5 THEN 'fields'
    WHEN impression = '' THEN 'impression'
    WHEN user_id = '' THEN 'user'
    WHEN behavior_time(time_text) IS NULL THEN 'time'
    WHEN NOT regexp_full_match(trim(fields[5]), '\S+-[01]( +\S+-[01])*') THEN 'impressions'
  END AS fault
FROM behavior_source;

-- step: Reading behaviors
CREATE TABLE behavior_read AS
SELECT impression, user_id, time, history, impressions, fault
FROM checked;

-- step: What users clicked before
-- Each impression comes with the history of its user; that of the first one is taken.
CREATE TABLE first_history AS
SELECT user_id, arg_min(history, (time, impression, history)) AS history
FROM behavior_read
WHERE fault IS NULL
GROUP BY user_id;
INSERT INTO skipped
SELECT 'impressions with another history than the user''s first one',
  (SELECT count(*) FROM behavior_read b JOIN first_history f USING (user_id) WHERE fault IS NULL AND b.history <> f.history);
CREATE TABLE history AS
SELECT user_id, unnest(clicked) AS item_id, unnest(range(len(clicked))) AS place
FROM (SELECT user_id, regexp_split_to_array(history, ' +') AS clicked FROM first_history WHERE history <> '');
DROP TABLE first_history;

-- step: Items of pages
-- The ids of impressions count from 1 in each file, so a page is told by its time as well.
CREATE TABLE displayed AS
WITH token AS (
  SELECT user_id, impression || chr(31) || time AS page, time, unnest(tokens) AS token, unnest(range(len(tokens))) AS place
  FROM (SELECT user_id, impression, time, regexp_split_to_array(impressions, ' +') AS tokens FROM behavior_read WHERE fault IS NULL)
)
SELECT
  bucket_of_user(user_id) AS bucket, user_id, page, token[:-3] AS item_id, min(time) AS time, min(place) AS place, bool_or(token[-1] = '1') AS clicked,
  NULL::DOUBLE AS click_time, NULL::DOUBLE AS propensity -- MIND does not say when, nor by which chance
FROM token
GROUP BY ALL;
SET VARIABLE rows_of_log = (SELECT count(*) FROM displayed);
INSERT INTO skipped
SELECT 'rows of an item that is on its page already',
  (SELECT coalesce(sum(len(regexp_split_to_array(impressions, ' +'))), 0)::BIGINT FROM behavior_read WHERE fault IS NULL)
    - (SELECT count(*) FROM displayed);
DROP TABLE behavior_read;
