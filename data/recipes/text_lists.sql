-- A CSV file with a page each: its items as text such as "i1 i7 i3", and which of them was clicked by its place from 0, -1 for none.
--
--   deno task data log --query text_lists.sql
--
-- Change: what separates the items. Places from 1: place + 1 = clicked. By id: items[place + 1] = clicked. A list such as [i1, i7]:
-- string_split(trim(shown, '[]'), ', ').
SELECT uid AS user, ts AS time, request AS page, items[place + 1] AS item, place AS position, place = clicked AS clicked
FROM (
  SELECT uid, ts, request, clicked::INTEGER AS clicked, string_split(shown, ' ') AS items, unnest(range(len(string_split(shown, ' ')))) AS place
  FROM read_csv('index.csv', header = true, all_varchar = true)
)
