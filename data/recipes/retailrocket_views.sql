-- Reads Retailrocket's events.csv. Each view counts as a click. The other items of a click's page are sampled
-- by popularity from the views of the week before.
--
--   deno task -q data log --query retailrocket_views.sql --pages sampled --out runs/data/rr-views
--
-- Change: the path. From sampled pages, a model learns to distinguish viewed items from popular items. But it
-- cannot learn which displayed items users ignored.
SELECT visitorid AS user, itemid AS item, timestamp AS time
FROM read_csv('events.csv', header = true, types = {'timestamp': 'BIGINT', 'visitorid': 'BIGINT', 'itemid': 'BIGINT', 'event': 'VARCHAR'})
WHERE event = 'view'
