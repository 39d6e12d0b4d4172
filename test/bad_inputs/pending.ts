/** Cases of the corpus that do not hold yet, by theme and name, and why. They are skipped with that reason. */
export const pending: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "data log": {
    "Parquet without its first 50 bytes": "a stack trace",
    "a pattern that all files match, with the new folder among them":
      "the lock of the new folder is read as a log",
  },
  stages: {
    "seeds: a seed below 0": "found out when its turn comes",
    "seeds: a seed of 2^32": "found out when its turn comes",
    "seeds: a seed twice": "its figures are counted twice",
    "adversarial: no stage at all": "it ends with 0 and nothing is done",
  },
};
