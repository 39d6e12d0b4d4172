/** Hints that are pasted into a shell give the path, and run nothing. */

import fc from "fast-check";
import assert from "node:assert/strict";
import { quoted, shellWord } from "../../src/cli/arguments.ts";

/** What a shell makes of lines such as `printf '%s\0' word`, all in one process. */
async function words(lines: readonly string[], shell = "sh"): Promise<string[]> {
  const { stdout, success } = await new Deno.Command(shell, {
    args: ["-c", lines.join("\n")],
    stderr: "null",
  })
    .output();
  assert.ok(success);
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

Deno.test({
  name: "a shell gives the text of a word back, whatever is in it",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    const nasty = fc.constantFrom(
      "'",
      '"',
      "$(touch x)",
      "`id`",
      "\\",
      "\n",
      "-",
      "~",
      "*",
      "!",
      " ",
      ";",
      "&",
    );
    // Any character, by its number: fast-check's own unit for that takes 1.4 s to set up.
    const isCharacter = (code: number) => code < 0xd800 || code > 0xdfff;
    const unit = fc.integer({ min: 0, max: 0x10ffff }).filter(isCharacter).map((code) =>
      String.fromCodePoint(code)
    );
    const piece = fc.oneof(fc.string({ unit, minLength: 1, maxLength: 5 }), nasty);
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join("").replaceAll("\0", ""));
    const texts = [
      ...[
        "",
        "'",
        "''",
        "a'b",
        "-",
        "--resume",
        "-rf /",
        "~",
        "$(id)",
        "`id`",
        "a\nb",
        "a\\",
        "rr[1]",
        "a b",
      ],
      ...fc.sample(text, { numRuns: 400, seed: 14 }),
    ];
    for (const shell of ["sh", "bash"]) {
      assert.deepEqual(await words(texts.map((text) => `printf '%s\\0' ${shellWord(text)}`), shell), texts);
    }
    const paths = texts.map((text) => (text.startsWith("-") ? `./${text}` : text));
    assert.deepEqual(await words(texts.map((text) => `printf '%s\\0' ${quoted(text)}`)), paths);
  },
});

Deno.test("a plain path stays as it is, for people to read", () => {
  for (const path of ["runs/yelp-20260101", "/a/b.c", "../x", "a@b:c"]) assert.equal(quoted(path), path);
  assert.equal(quoted("-x"), "./-x");
  assert.equal(quoted("it's"), `'it'\\''s'`);
});
