/** Failures of the system become a line that says what happened and what to do; faults of the program stay faults. */

import assert from "node:assert/strict";
import { explainFileError, shownPath } from "../../src/files/local_file.ts";
import { UserError } from "../../src/user_error.ts";
import { readFileSync } from "node:fs";
import { explainFailure } from "../../src/cli/fail.ts";
import { withEmptyFolder } from "./folder_check.ts";

const coded = (code: string, message = `system: ${code}`) => Object.assign(new Error(message), { code });
const cases: [error: Error, doing: string, path: string, says: RegExp][] = [
  [coded("ELOOP"), "read", "x", /^cannot read x: links lead to each other in a loop\. Name the file itself/],
  [coded("ELOOP"), "write", "x", /Remove the loop, or choose another path/],
  [coded("EACCES"), "write", "p", /^cannot write p: permission denied\./],
  [coded("EWHATEVER"), "read", "x", /^cannot read x: system: EWHATEVER\. Check the path/],
  [coded("ENOENT"), "read", "", /^cannot read "" \(an empty path\): no such file or folder/],
  [
    coded("ENAMETOOLONG"),
    "read",
    "y".repeat(5000),
    /^cannot read y{150}\.\.\.y{75} \(5000 characters\): the name is too long/,
  ],
  [
    new Deno.errors.NotCapable("no"),
    "read",
    "/dev/stdin",
    /one of the system's own places, which are closed to this program/,
  ],
  [
    new Deno.errors.NotCapable("no"),
    "write",
    "/devices/x",
    /started without permission for it\. Start it through its task/,
  ],
];

Deno.test("errors of the file system have a cause and a remedy, on one line", () => {
  for (const [error, doing, path, says] of cases) {
    const explained = explainFileError(error, doing, path);
    assert.ok(explained instanceof UserError, String(explained));
    assert.match(explained.message, says);
    assert.doesNotMatch(explained.message, /\n/);
  }
  const other = new Error("no code");
  assert.equal(explainFileError(other, "read", "x"), other);
  assert.equal(explainFileError("text", "read", "x"), "text");
  assert.equal(shownPath("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
});

async function thrownBy(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  return assert.fail("expected an error");
}

Deno.test("what the system says becomes a line with the path, the cause and the remedy", () =>
  withEmptyFolder(async (folder) => {
    Deno.symlinkSync(`${folder}/loop`, `${folder}/loop`);
    const long = `/${"n".repeat(5000)}`;
    const cases: [what: string, error: unknown, words: RegExp][] = [
      [
        "a loop of links",
        await thrownBy(() => Deno.statSync(`${folder}/loop`)),
        /\/loop: .*(links|symbolic)/,
      ],
      [
        "a long name",
        // With less than all permissions Deno leaves the path out.
        coded("ENAMETOOLONG", `File name too long (os error 36): readfile '${long}'`),
        /^cannot read \/n+\.\.\..*: the name is too long\. \w/,
      ],
      ["an empty path", await thrownBy(() => Deno.readTextFile("")), /(empty|"")/],
      ["NUL in a name", await thrownBy(() => Deno.stat("a\0b")), /does not take this name/],
      [
        "an error of Node's",
        await thrownBy(() => readFileSync(`${folder}/none`)),
        /\/none: no such file or folder/,
      ],
      [
        "a folder that cannot be made",
        await thrownBy(() => Deno.mkdir(`${folder}/a/b`)),
        /^cannot make the folder .*\/a\/b: /,
      ],
      [
        "no memory",
        await thrownBy(() => new Uint8Array(2 ** 45)),
        /there is not enough memory .*Use a smaller input/,
      ],
      [
        "a command that is not there",
        await thrownBy(() => new Deno.Command("clickgan-none").output()),
        /expected the command clickgan-none, found none\. Install it/,
      ],
      ["a full device", coded("ENOSPC"), /the disk is full\. Free some space/],
      ["a broken disk", coded("EIO"), /the disk reports a fault/],
      ["what is not known", coded("EWHATEVER", "the moon is full"), /the moon is full\. \w/],
      ["what came first", new SuppressedError(coded("EIO"), coded("ENOSPC")), /the disk is full/],
      ["a cause", new Error("outer", { cause: coded("ENOSPC") }), /the disk is full/],
      [
        "no permission",
        new Deno.errors.NotCapable('Requires read access to "/x", run again'),
        /cannot use \/x: /,
      ],
    ];
    for (const [what, error, words] of cases) {
      const found = explainFailure(error) ?? assert.fail(`${what}: taken for a fault`);
      assert.match(found.message, words, what);
      assert.ok(found.message.length < 1000, what);
    }
  }));

Deno.test("a fault of the program is no failure of the system", () => {
  for (
    const error of [
      new Error("parameter x: expected 3"),
      new TypeError("undefined is not a function"),
      new RangeError("Invalid typed array length: -1"),
      new RangeError("a tensor cannot be named x"),
      "text",
      undefined,
    ]
  ) assert.equal(explainFailure(error), undefined);
});
