-- The news.tsv of MIND: item id, and category and subcategory, which become tokens. DISTINCT keeps an item of
-- both parts of MIND once.
--
--   deno task -q data log --query mind.sql --features mind_news.sql --out runs/data/mind
--
-- Change: the path of the file.
SELECT DISTINCT item, category, subcategory
FROM read_csv(
  'news.tsv', header = false, delim = '\t', quote = '', escape = '', auto_detect = false,
  columns = {
    'item': 'VARCHAR', 'category': 'VARCHAR', 'subcategory': 'VARCHAR', 'title': 'VARCHAR', 'abstract': 'VARCHAR', 'url': 'VARCHAR',
    'title_entities': 'VARCHAR', 'abstract_entities': 'VARCHAR'
  }
)
