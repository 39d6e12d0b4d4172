/** Studies of the bench: what they say of plain data, and one small run each. */

import assert from "node:assert/strict";
import { kinds } from "../../bench/logs/make.ts";
import { rowCells, usersFor } from "../../bench/simulate.ts";
import { drawnPages } from "../../bench/simulate/job.ts";
import { disagreement } from "../../bench/simulate/peer.ts";
import { withEmptyFolder } from "../run/folder_check.ts";
import { runBench } from "./run_bench.ts";

Deno.test("bench simulate: user-steps are users over the time of a page, and the ratio is clickgan's over the peer's", () => {
  const played = (own: number, other: number) => new Map([["clickgan", own], ["PyTorch", other]]);
  const { head, rows } = rowCells([
    { kind: "learn", items: 500, users: 128, played: played(1, 4) },
    { kind: "random", items: 5000, users: 1000, played: played(2, 1) },
  ]);
  assert.deepEqual(head.slice(-2), ["PyTorch, user-steps/s", "times"]);
  assert.deepEqual(rows.map((row) => row.slice(1)), [
    ["5,000", "1,000", "2", "500,000", "1,000,000", "0.5x"],
    ["500", "128", "1", "128,000", "32,000", "4x"],
  ]);
});

Deno.test("bench simulate: a peer that computes something else is found", () => {
  const right = { probability: 1e-7, slates: 0, loss: 1e-5, q: 1e-5 };
  assert.equal(disagreement(right), undefined);
  assert.equal(disagreement({ probability: 1e-7, slates: 0 }), undefined, "no lesson of many items");
  const wrong = { probability: 1e-3, slates: 0.02, loss: 3e-4, q: null };
  for (const [name, value] of Object.entries(wrong)) {
    assert.match(disagreement({ ...right, [name]: value }) ?? "", new RegExp(`^${name} is off by `));
  }
});

Deno.test("bench simulate: a lesson is of the first episode's pages and of the one page of the second, equally often", () => {
  const [rows, users, pages] = [2560, 4, 3];
  const drawn = drawnPages(rows, { users, pages }, 1);
  assert.equal(drawn.length, 3 * rows);
  const counts = new Map<string, number>();
  for (let row = 0; row < rows; row++) {
    const page = drawn.subarray(3 * row, 3 * row + 3).join();
    counts.set(page, (counts.get(page) ?? 0) + 1);
  }
  const all = [0, 1, 2, 3].flatMap((user) => [...[0, 1, 2].map((page) => [0, page, user]), [1, 0, user]]);
  assert.deepEqual([...counts.keys()].sort(), all.map((page) => page.join()).sort());
  // 160 of each are expected, with a standard deviation of 12.
  for (const [page, count] of counts) assert.ok(Math.abs(count - 160) < 48, `${count} of ${page}`);
});

Deno.test("bench simulate: fewer users of more items", () => {
  assert.deepEqual([500, 5000, 2 ** 22].map((items) => usersFor(4096, items, "cdqn")), [4096, 1024, 1]);
  assert.equal(usersFor(64, 5000, "greedy"), 64);
  assert.equal(usersFor(4096, 5000, "random"), 4096);
});

Deno.test("bench simulate: the command measures all kinds, and writes its table", () =>
  withEmptyFolder(async (folder) => {
    const page = `${folder}/page.md`;
    await Deno.writeTextFile(
      page,
      "before\n<!-- bench simulate -->\n<!-- end of bench simulate -->\nafter\n",
    );
    const size = ["--items", "64", "--users", "64", "--seconds", "0.01", "--no-peers"];
    const { code, stderr } = await runBench(["simulate", ...size, "--readme", page]);
    assert.equal(code, 0, stderr);
    const text = await Deno.readTextFile(page);
    assert.match(text, /^before\n<!-- bench simulate -->\n\n[^]*after\n$/);
    const rows = text.split("\n").filter((line) => /^\| \w+ /.test(line)).map((line) =>
      line.split(/ *\| */).slice(1, -1)
    );
    assert.deepEqual(rows.map(([kind, items, users]) => [kind, items, users]), [
      ["random slates", "64", "64"],
      ["greedy slates", "64", "64"],
      ["acting by CDQN", "64", "64"],
      ["learning by CDQN", "64", "128"],
    ]);
    assert.ok(rows.every(([, , , ms]) => Number(ms) > 0), text);
  }));

Deno.test("bench logs: a made-up log is prepared whole, and nobody predicts it better than who knows its truth", () =>
  withEmptyFolder(async (folder) => {
    // One with all that is planted, and one with several clicks of a page.
    const only = /^(all|several)$/;
    const args = ["logs", "made", "--users", "100", "--only", only.source];
    const { code, stderr } = await runBench(args, { cwd: folder });
    assert.equal(code, 0, stderr);
    const json = async (path: string) => JSON.parse(await Deno.readTextFile(`${folder}/made/${path}`));
    for (const { name, goesOn, columns } of kinds.filter(({ name }) => only.test(name))) {
      const { counts, test: { truth, history, noClick } } = await json(`${name}.json`);
      const { counts: prepared, features, places } = await json(`${name}/manifest.json`);
      const { train, validation, test } = prepared.users;
      assert.deepEqual([train + validation + test, prepared.clicks], [100, counts.clicks], name);
      if (goesOn === 0) assert.equal(prepared.pages, counts.pages, name);
      else assert.ok(truth.drawnLaterLoss > 0 && truth.drawnAnyPrec1 >= truth.drawnPrec1, name);
      assert.equal(places, "shown");
      const fields = [...features.dense, ...features.tokens].map((field: { name: string }) => field.name);
      for (const column of columns) assert.ok(fields.includes(column), `${name}: ${fields}`);
      // By Gibbs' inequality, and as no ranking has more of the chance at its top than that of the chances.
      assert.ok(truth.loss <= history.loss + 1e-9 && truth.prec1 >= history.prec1 - 1e-9, name);
      assert.ok(noClick > 0.05 && noClick < 0.6, `${name}: ${noClick}`);
    }
  }));
