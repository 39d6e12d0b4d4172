-- Retailrocket's events.csv: each view is a click, and stands among items that are drawn by popularity from the views of the same week.
--
--   deno task -q data log --query retailrocket_views.sql --pages sampled --out runs/data/rr-views
--
-- Change: the path. With sampled pages a model learns to tell views from popular items; what nobody passed over it cannot know.
SELECT visitorid AS user, itemid AS item, timestamp AS time
FROM read_csv('events.csv', header = true, types = {'timestamp': 'BIGINT', 'visitorid': 'BIGINT', 'itemid': 'BIGINT', 'event': 'VARCHAR'})
WHERE event = 'view'
