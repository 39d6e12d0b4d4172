-- Reads news.tsv of MIND: item ids, and categories and subcategories, which become tokens. If you read both
-- train and dev, DISTINCT keeps an item of both once.
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
