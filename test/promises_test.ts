/** Each promise of src/files/README.md names tests; they are there. */

import assert from "node:assert/strict";

Deno.test("every promise names a test that there is", async () => {
  const page = await Deno.readTextFile(new URL("../src/files/README.md", import.meta.url));
  const rows = page.split("\n").filter((line) => line.startsWith("| **") || line.startsWith("| The same"));
  assert.ok(rows.length >= 15, String(rows.length));
  for (const row of rows) {
    const [, , tests = ""] = row.split(" | ").length > 1 ? ["", ...row.split(" | ")] : [];
    const named = [...tests.matchAll(/`(\w+_test\.ts)`: ([^,|]+)/g)];
    assert.ok(named.length > 0, `no test is named: ${row.slice(0, 80)}`);
    for (const [, file = "", name = ""] of named) {
      const text = await Deno.readTextFile(new URL(file, import.meta.url));
      const titles = [...text.matchAll(/Deno\.test\(\s*["`]([^\n]+)|name: "([^"]+)"/g)].map(([, a, b]) =>
        a ?? b ?? ""
      );
      assert.ok(titles.some((title) => title.includes(name.trim())), `${file} has no test "${name.trim()}"`);
    }
  }
});
