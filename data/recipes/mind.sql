-- Reads behaviors.tsv of MIND (https://msnews.github.io): impression id, user, time (11/11/2019 9:05:58 AM),
-- history (N1 N2), impressions (N3-0 N4-1). The history in a user's first row becomes context events: clicks
-- that a model reads as history, but does not predict.
--
--   deno task -q data log --query mind.sql --features mind_news.sql --out runs/data/mind
--
-- Change: the path. To read train and dev: read_csv(['train/behaviors.tsv', 'dev/behaviors.tsv'], ...).
WITH behavior AS (
  SELECT impression, user, try_strptime(time, '%m/%d/%Y %I:%M:%S %p') AS time, trim(history) AS history, trim(shown) AS shown
  FROM read_csv(
    'behaviors.tsv', header = false, delim = '\t', quote = '', escape = '', nullstr = '\N', auto_detect = false,
    columns = {'impression': 'VARCHAR', 'user': 'VARCHAR', 'time': 'VARCHAR', 'history': 'VARCHAR', 'shown': 'VARCHAR'}
  )
),
displayed AS (
  SELECT user, time, impression, unnest(regexp_split_to_array(shown, ' +')) AS token, generate_subscripts(regexp_split_to_array(shown, ' +'), 1) AS position
  FROM behavior
),
first AS (
  SELECT user, min(time) AS time, arg_min(history, (time, impression, history)) AS history
  FROM behavior
  WHERE time IS NOT NULL
  GROUP BY user
)
SELECT
  user, token[:-3] AS item, time, CASE WHEN token[-2:] IN ('-0', '-1') THEN token[-1:] END AS clicked,
  impression || chr(31) || epoch_ms(time) AS page, position, false AS context
FROM displayed
UNION ALL
SELECT
  user, unnest(regexp_split_to_array(history, ' +')), time, '1', NULL,
  generate_subscripts(regexp_split_to_array(history, ' +'), 1), true
FROM first
WHERE history <> ''
