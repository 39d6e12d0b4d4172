/** The figures of `bench simulate` as tables. */

import { short } from "../../src/number_text.ts";
import { type Ceilings, standing } from "../../src/selftest/profile/roofline.ts";
import type { PeerNote, Played, SimulateGrowth, SimulateResult } from "./measure.ts";
import type { PageWork } from "./pages.ts";
import type { Kind } from "./runners.ts";
import { type Cells, cellsOf, type Column, percent } from "../output.ts";

/** What is timed, in words. */
export const kindTitles: Readonly<Record<Kind, string>> = {
  random: "Random slates",
  cdqn: "Acting by CDQN",
  greedy: "Greedy slates, by the utilities of all items",
  learn: "Learning by CDQN, users explore",
};
const count = (value: number) => value.toLocaleString("en-US");

/** Pages of a user a second. */
function userSteps({ users, timing }: Played): number {
  return 1e6 * users / timing.median;
}

/** How often faster clickgan is than a peer; undefined for one that was not timed. */
export function timesOf({ played }: SimulateResult, name: string): number | undefined {
  const [own, other] = ["clickgan", name].map((name) => played.find((one) => one.name === name));
  return own && other ? userSteps(own) / userSteps(other) : undefined;
}

/** A row a size: pages of a user a second, and the peers' beside it. */
export function kindCells(
  kind: Kind,
  results: readonly SimulateResult[],
  ceilings: Ceilings | undefined,
): Cells {
  const own = results.filter((result) => result.kind === kind);
  const names = new Set(own.flatMap(({ played }) => played.map(({ name }) => name)));
  const peers = [...names].filter((name) => name !== "clickgan");
  const playedBy = (name: string, { played }: SimulateResult) => played.find((one) => one.name === name);
  const microseconds = (result: SimulateResult) => playedBy("clickgan", result)?.timing.median ?? NaN;
  const steps = (name: string): Column<SimulateResult>[1] => (result) => {
    const played = playedBy(name, result);
    return played ? count(Number(userSteps(played).toPrecision(3))) : "-";
  };
  const ofCeiling = ({ flops }: Ceilings): Column<SimulateResult> => [
    "of the multiply-add ceiling",
    (result) => percent(result.flops / microseconds(result) / 1000 / flops),
  ];
  return cellsOf(own, [
    ["items", ({ items }) => count(items)],
    ["slate", ({ slate }) => String(slate)],
    ["users", ({ users }) => count(users)],
    ["ms a page", (result) => short(microseconds(result) / 1000)],
    ["user-steps/s", steps("clickgan")],
    ...(ceilings ? [ofCeiling(ceilings)] : []),
    ...peers.flatMap((name): Column<SimulateResult>[] => [
      [`${name}, user-steps/s`, steps(name)],
      ["times", (result) => {
        const times = timesOf(result, name);
        return times === undefined ? "-" : `${short(times)}x`;
      }],
    ]),
  ]);
}

/** A row for each who learned: as many pages, what they came to, and how long that takes. */
export function returnCells({ returns, played }: SimulateResult): Cells {
  const rows = returns.map((one) => ({ ...one, own: played.find(({ name }) => name === one.name) }));
  return cellsOf(rows, [
    ["who", ({ name }) => name],
    ["user-steps learned from", ({ pages, own }) => own ? count(pages * own.users) : "-"],
    ["seconds, by the table above", ({ pages, own }) => own ? short(pages * own.timing.median / 1e6) : "-"],
    ["clicks of a new user on 20 pages", ({ clicks }) => clicks.toFixed(2)],
  ]);
}

/** The share of a page from which on a dispatch has a row of its own. */
const OWN_ROW = 0.01;

/** A row a dispatch of a page; those that take little of it share the last. */
export function workCells({ work }: SimulateResult, ceilings: Ceilings | undefined): Cells {
  const timeOf = (some: readonly PageWork[]) => some.reduce((sum, { timing }) => sum + timing.median, 0);
  const all = timeOf(work);
  const { large = [], others = [] } = Object.groupBy(
    work,
    ({ timing }) => timing.median < OWN_ROW * all ? "others" : "large",
  );
  const roofline = (ceilings: Ceilings): Column<PageWork> => [
    "roofline",
    (one) => percent(standing(one, one.timing.median, ceilings).share),
  ];
  const { head, rows } = cellsOf(large, [
    ["dispatch", ({ label }) => label],
    ["kernel", ({ kernel }) => kernel],
    ["ms", ({ timing }) => short(timing.median / 1000)],
    ["of the page", ({ timing }) => percent(timing.median / all)],
    ["GFLOP/s", ({ flops, timing }) => short(flops / timing.median / 1000)],
    ...(ceilings ? [roofline(ceilings)] : []),
  ]);
  if (others.length === 0) return { head, rows };
  const rest = timeOf(others);
  const last = [`${others.length} others`, "", short(rest / 1000), percent(rest / all)];
  return { head, rows: [...rows, head.map((_, k) => last[k] ?? "")] };
}

/** A row an axis. */
export function growthCells(growth: readonly SimulateGrowth[]): Cells {
  return cellsOf(growth, [
    ["grows", ({ axis }) => axis],
    ["from, to", ({ points }) => points.map(({ x }) => count(x)).join(", ")],
    ["ms a page", ({ points }) => points.map((point) => short(point.microseconds / 1000)).join(", ")],
    ["us for one more", ({ line }) => short(line.slope)],
    ["us besides", ({ line }) => short(line.constant)],
    ["a point is off the line by at most", ({ line }) => percent(line.error)],
  ]);
}

/** What peers say of themselves: those that take part by how near they come at all sizes, the others one by one. */
export function noteLines(notes: readonly PeerNote[]): string[] {
  const near = Map.groupBy(
    notes.filter(({ agreement }) => agreement),
    ({ peer, note }) => `${peer} (${note})`,
  );
  return [
    ...Array.from(near, ([who, own]) => `${who}: ${nearText(own)}`),
    ...notes.filter(({ agreement }) => !agreement).map(({ peer, items, slate, note, wrong }) =>
      `${peer}, ${count(items)} items, slates of ${slate}: ${wrong ? "not timed, " : ""}${note}`
    ),
  ];
}

function nearText(notes: readonly PeerNote[]): string {
  const most = (of: (note: PeerNote) => number | undefined) =>
    Math.max(...notes.flatMap((note) => of(note) ?? []));
  const slates = most(({ agreement }) => agreement?.slates);
  const loss = most(({ lossOff }) => lossOff);
  return `P(any click) within ${most(({ agreement }) => agreement?.probability).toPrecision(2)}, ` +
    `${slates === 0 ? "no slate differs" : `at most ${percent(slates)} of the slates differ`}` +
    (loss >= 0 ? `, the loss of a lesson within ${loss.toExponential(1)}` : "");
}
