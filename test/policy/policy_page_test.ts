/** The page about policies: what stands on it, and that every figure has its environment beside it. In a browser: report_test.ts. */

import assert from "node:assert/strict";
import { bySlates, policiesOf, taskNames } from "../../src/policy/comparison/comparison.ts";
import type { ChartDefinition } from "../../src/report/chart.ts";
import { pageShell } from "../../src/report/page_shell.ts";
import { policyPageOf } from "../../src/report/policy_page.ts";
import { madeComparison } from "../made_comparison.ts";

const ENVIRONMENTS = ["model A", "model B", "restless shop"];
const parts = { style: "", script: "" };
const [three, five] = [madeComparison(3), madeComparison(5)];

/** The charts of a page, each of which has a figure of its own. */
function chartsIn(page: string): ChartDefinition[] {
  const json = page.match(/<script type="application\/json" id="chart-data">(.*?)<\/script>/)?.[1] ?? "";
  const charts: ChartDefinition[] = JSON.parse(json);
  assert.equal(new Set(charts.map(({ id }) => id)).size, charts.length);
  for (const { id } of charts) assert.ok(page.includes(`<figure id="${id}">`), id);
  return charts;
}

Deno.test("the page about policies: verdicts, tables and charts of every environment, by slate", () => {
  const points = [5, 7, 6].map((value, k) => ({ userSteps: 100 * k, return: value, standardError: 0.5 }));
  const curves = [{ name: "slateq, seed 1", points }];
  const facts = [["users", "60"]] as const;
  const head = { title: "Policies <compared>", facts, notes: ["Read this."], curves };
  const page = pageShell(policyPageOf(head, [three, five]), parts);
  const charts = chartsIn(page);
  for (const { id, title, note } of charts) {
    assert.match(id, /^[a-z0-9-]+$/);
    assert.ok(ENVIRONMENTS.some((name) => `${title} ${note}`.includes(name)), title);
  }
  const count = (kind: string, start: string) =>
    charts.filter((chart) => chart.config.type === kind && chart.id.startsWith(start)).length;
  assert.equal(count("bar", "return-3"), 3);
  const lines = ["pages-3", "calibration-3", "users-3"].map((start) => count("line", start));
  assert.deepEqual(lines, [3, 2, 2]); // users: both learned policies, in the truth
  assert.equal(count("scatter", "consistency-3"), 1);
  const learning = charts.find(({ id }) => id === "learning");
  const [curve, marks] =
    learning?.config.data.datasets.filter(({ fill, isDecoration, showLine }) =>
      !isDecoration || showLine === false && fill === false
    ) ?? [];
  assert.deepEqual(curve?.data.map(({ y, sd }) => [y, sd]), [[5, 0.98], [7, 0.98], [6, 0.98]]);
  assert.deepEqual(marks?.data, [{ x: 100, y: 7 }]);
  assert.match(page, /<h1>Policies &lt;compared&gt;<\/h1>/);
  assert.equal(page.match(/On the truth \(restless shop\) (cdqn|slateq) is better than greedy/g)?.length, 4);
  assert.match(page, /<th scope="row">slateq \(3 trainings\)<\/th><td>\d\.\d\d ± 0\.\d\d/);
  assert.match(page, /<th scope="row">cdqn less greedy<\/th><td>\+\d\.\d\d<br><small>/);
  assert.match(page, /may not reveal a policy that exploits the first/);
  // The published table: both sizes in one.
  const table = page.match(/aria-label="Policies by the size of the slate">(.*?)<\/table>/s)?.[1] ?? "";
  const heads = ["policy", ...[3, 5].flatMap((k) => [`reward a page, k = ${k}`, `click rate, k = ${k}`])];
  assert.deepEqual([...table.matchAll(/<th scope="col">(.*?)<\/th>/g)].map(([, name]) => name), heads);
  assert.equal(
    table.match(/<th scope="row">slateq<\/th>(<td>0\.\d{3} ± 0\.\d{3}<\/td>){4}<\/tr>/g)?.length,
    3,
  );
  const single = pageShell(policyPageOf(head, [three]), parts);
  assert.doesNotMatch(single, /Policies by the size of the slate/);
});

Deno.test("slates of one size, other tasks: no id stands twice on the page, and headings tell them apart", () => {
  const head = { title: "Policies", facts: [], notes: [] };
  const page = pageShell(
    policyPageOf(head, [three, { ...three, leave: 0.1 }, { ...three, pages: 9 }]),
    parts,
  );
  const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
  assert.equal(new Set(ids).size, ids.length);
  chartsIn(page);
  assert.deepEqual(
    [...page.matchAll(/<h2[^>]*>Verdict of (.*?)<\/h2>/g)].map(([, name]) => name),
    [
      "slates of 3, 6 pages, no leaving by chance",
      "slates of 3, 6 pages, leaving with probability 0.1",
      "slates of 3, 9 pages, no leaving by chance",
    ],
  );
  assert.deepEqual(taskNames([three, five]), ["slates of 3", "slates of 5"]);
  assert.deepEqual(taskNames([three]), [""]);
  const [clicks, utility] = taskNames([three, { ...three, reward: "utility" }]);
  assert.match(clicks ?? "", /click/);
  assert.match(utility ?? "", /utility/);
});

Deno.test("slates of several sizes: each has its own cells, and other tasks are not set beside each other", () => {
  const groups = bySlates([three, five]) ?? assert.fail();
  assert.deepEqual(groups.map(({ environment }) => environment.name), ENVIRONMENTS);
  for (const { rows } of groups) {
    for (const { cells } of rows) {
      [three, five].forEach((comparison, k) => {
        assert.ok(cells[k]?.length && cells[k].every((cell) => comparison.cells.includes(cell)));
      });
    }
  }
  const inOrder = policiesOf(three).map(({ name }) => name);
  for (const { rows } of groups) {
    const names = rows.map(({ policy }) => policy);
    assert.ok(names.includes("greedy") && names.includes("cdqn"));
    assert.deepEqual(names, inOrder.filter((name) => names.includes(name)));
  }
  assert.equal(bySlates([three]), undefined);
  assert.equal(bySlates([three, three]), undefined);
  assert.equal(bySlates([three, { ...five, pages: 9 }]), undefined);
  assert.equal(bySlates([three, { ...five, reward: "utility" }]), undefined);
  assert.equal(bySlates([three, { ...five, leave: 0.1 }]), undefined);
});
