-- Reads JSON lines with a session per line. A session has a list of pages, and a page has a list of items:
-- "pages": [{"at": 1600000000, "items": ["i1", "i7"], "clicked": "i7"}].
--
--   deno task -q data log --query sessions.sql
--
-- Change: the path of the file, and the names. If lists are nested deeper, add another SELECT with unnest.
SELECT uid AS user, page.at AS time, page.items[position] AS item, page.items[position] IS NOT DISTINCT FROM page.clicked AS clicked, position
FROM (
  SELECT uid, page, unnest(range(1, len(page.items) + 1)) AS position
  FROM (SELECT uid, unnest(pages) AS page FROM read_json('sessions.jsonl', format = 'newline_delimited', sample_size = -1))
)
