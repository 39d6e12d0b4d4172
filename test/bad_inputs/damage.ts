import fc from "fast-check";

/** CLICKGAN_FUZZ=N tries N times as many random cases, with other seeds. */
const TIMES = Number(Deno.env.get("CLICKGAN_FUZZ") ?? 1);

export const countRuns = (count: number) => ({ numRuns: count * TIMES, seed: 13 + TIMES });

/** Generates a position in a text, as a share of the text's length. */
const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });

export const nasty: fc.Arbitrary<string> = fc.constantFrom(
  ...[
    "",
    " ",
    "-1",
    "-0",
    "1e3",
    "1e400",
    "0x10",
    "NaN",
    "Infinity",
    "null",
    "true",
    "9007199254740993",
    "1.5",
  ],
  ...["\t", "\n", "\r\n", "\r", "\0", '"', "'", ",", ";", "\ufeff", "\u0663", "__proto__", "$(id)", "💥"],
);

type Edit<T> = (value: T) => T;

function edited<T>(edits: readonly fc.Arbitrary<Edit<T>>[], most: number): fc.Arbitrary<Edit<T>> {
  return fc.array(fc.oneof(...edits), { minLength: 1, maxLength: most })
    .map((list) => (value: T) => list.reduce((now, edit) => edit(now), value));
}

const at = (share: number, length: number) => Math.floor(share * length);

function withLines(change: (lines: string[], a: number, b: number) => void): fc.Arbitrary<Edit<string>> {
  return fc.tuple(place, place).map(([a, b]) => (text) => {
    const lines = text.split("\n");
    change(lines, at(a, lines.length), at(b, lines.length));
    return lines.join("\n");
  });
}

export function drawDamagedText(separator: string, most = 4): fc.Arbitrary<Edit<string>> {
  const character = fc.tuple(
    place,
    fc.integer({ min: 0, max: 3 }),
    fc.oneof(nasty, fc.string({ maxLength: 3 })),
  )
    .map(([a, taken, put]) => (text: string) => {
      const start = at(a, text.length);
      return text.slice(0, start) + put + text.slice(start + taken);
    });
  const field = fc.tuple(place, place, nasty).map(([a, b, put]) => (text: string) => {
    const lines = text.split("\n");
    const line = at(a, lines.length);
    const fields = (lines[line] ?? "").split(separator);
    fields[at(b, fields.length)] = put;
    lines[line] = fields.join(separator);
    return lines.join("\n");
  });
  return edited([
    character,
    field,
    place.map((a) => (text: string) => text.slice(0, at(a, text.length))),
    withLines((lines, a) => void lines.splice(a, 1)),
    withLines((lines, a, b) => void lines.splice(b, 0, lines[a] ?? "")),
    withLines((lines, a, b) => void ([lines[a], lines[b]] = [lines[b] ?? "", lines[a] ?? ""])),
  ], most);
}

export const damagedJson: fc.Arbitrary<Edit<string>> = edited([
  fc.tuple(fc.nat(), fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("replace", "remove", "add"), nasty).map(
    ([place, value, what, name]) => (text: string) => {
      const json: unknown = JSON.parse(text);
      const places = [...placesIn(json)];
      const chosen = places[place % Math.max(1, places.length)];
      if (!chosen) return JSON.stringify(value);
      const [object, key] = chosen;
      if (what === "add") object[name] = value;
      else if (what === "remove") delete object[key];
      else object[key] = value;
      return JSON.stringify(json);
    },
  ),
], 3);

function* placesIn(value: unknown): Generator<[Record<string, unknown>, string]> {
  if (typeof value !== "object" || value === null) return;
  const object = value as Record<string, unknown>;
  for (const key of Object.keys(object)) {
    yield [object, key];
    yield* placesIn(object[key]);
  }
}
