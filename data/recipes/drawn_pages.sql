-- Reads randomised pages. Each has a propensity, and the candidate items from which the page was drawn.
--
--   deno task -q data log --query drawn_pages.sql
--
-- Change: the names. If your log has a probability per item (given the items before it on the page), use
-- --propensity-of item. src/policy/README.md describes how policy evaluate uses propensities.
SELECT uid AS user, sku AS item, ts AS time, clicked, request AS page, position, chance AS propensity, pool AS candidates
FROM (
  SELECT uid, ts, request, chance, pool, unnest(shown) AS sku, unnest(range(len(shown))) AS position, unnest(shown) IS NOT DISTINCT FROM hit AS clicked
  FROM read_json('drawn.jsonl', format = 'newline_delimited', sample_size = -1)
)
