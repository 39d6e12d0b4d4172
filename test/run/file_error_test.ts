/** What the system says of files, in the user's words. */

import assert from "node:assert/strict";
import { explainFileError, shownPath } from "../../src/run/files/file_error.ts";
import { UserError } from "../../src/user_error.ts";

const coded = (code: string) => Object.assign(new Error(`system: ${code}`), { code });
const cases: [error: Error, doing: string, path: string, says: RegExp][] = [
  [coded("ELOOP"), "read", "x", /^cannot read x: links lead to each other in a loop\. Name the file itself/],
  [coded("ELOOP"), "write", "x", /Remove the loop, or choose another path/],
  [coded("ENXIO"), "read", "x", /nothing is there to read or write/],
  [coded("EBUSY"), "write", "x", /another program holds it\. Wait/],
  [coded("EMFILE"), "read", "x", /too many files are open\. Close other programs, or raise the limit/],
  [coded("ENFILE"), "read", "x", /too many files are open on this machine/],
  [coded("ENOMEM"), "read", "x", /no memory left/],
  [coded("ENOTEMPTY"), "write", "x", /the folder is not empty/],
  [coded("ESTALE"), "read", "x", /the network drive has lost it/],
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
  assert.equal(shownPath("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
});
