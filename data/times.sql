-- How dates and times are read, of logs and of items.
--
-- Ends with   iso_time(t)   a macro: the time that a text is, without spaces around; NULL for another text

-- step: How times are read
-- Time zones reach from -18:00 to +18:00. 2019-11-11, 2019-11-11 09:05, 2019-11-11T09:05:58.123+0200, 2019-11-11 09:05:58 UTC
CREATE MACRO with_seconds(t) AS regexp_replace(t, '^(.{10}[T ]\d\d:\d\d)($|[^:\d])', '\1:00\2');
CREATE MACRO iso_time(t) AS CASE
  WHEN regexp_full_match(t, '\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d([.,]\d+)?)?( ?Z| UTC| ?[+-]((0\d|1[0-7])(:?[0-5]\d)?|18(:?00)?))?)?') THEN TRY_CAST(
    regexp_replace(regexp_replace(with_seconds(replace(t, ',', '.')), ' (Z|[+-])', '\1'), '([T ][0-9:.]+[+-]\d\d)(\d\d)$', '\1:\2')
    AS TIMESTAMPTZ
  )
  -- 01-Jan-1995, 1 Jan 1995
  WHEN regexp_full_match(t, '\d\d?[- ][A-Za-z]{3}[- ]\d{4}') THEN try_strptime(replace(t, ' ', '-'), '%d-%b-%Y')::TIMESTAMPTZ
END;
-- The same of an item, in ms; also of seconds or milliseconds since 1970.
CREATE MACRO item_ms(t) AS coalesce(
  TRY_CAST(t AS DOUBLE) * if(abs(TRY_CAST(t AS DOUBLE)) < 1e11, 1000, 1),
  epoch_ms(iso_time(trim(t)))
);
