-- Builds pages for --page-gap: consecutive rows of a user that are less than page_gap_ms apart form a page.
--
-- Replaces the pages in row_read of log.sql. Option by getvariable(): page_gap_ms.

-- step: Rows without a pause between them | for round in (FROM rounds())
CREATE TABLE IF NOT EXISTS row_of_gap AS FROM row_read WHERE false;
INSERT INTO row_of_gap BY NAME
SELECT * EXCLUDE (begins), sum(begins) OVER (PARTITION BY user_id ORDER BY time, item_id ROWS UNBOUNDED PRECEDING)::VARCHAR AS page
FROM (
  SELECT * EXCLUDE (page), (time - lag(time) OVER (PARTITION BY user_id ORDER BY time, item_id) < getvariable('page_gap_ms') IS NOT TRUE)::INTEGER AS begins
  FROM row_read
  WHERE in_round(bucket)
);

-- step: Pages of rows without a pause
CREATE OR REPLACE VIEW row_read AS FROM row_of_gap;
