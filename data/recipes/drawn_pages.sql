-- Randomised pages: each with its propensity, and the candidate items that it was drawn from.
--
--   deno task -q data log --query drawn_pages.sql
--
-- Change: the names. Where each item has a probability of its own, given those before it: --propensity-of item. What policy evaluate
-- does with these is in src/policy/README.md.
SELECT uid AS user, sku AS item, ts AS time, clicked, request AS page, position, chance AS propensity, pool AS candidates
FROM (
  SELECT uid, ts, request, chance, pool, unnest(shown) AS sku, unnest(range(len(shown))) AS position, unnest(shown) IS NOT DISTINCT FROM hit AS clicked
  FROM read_json('drawn.jsonl', format = 'newline_delimited', sample_size = -1)
)
