/**
 * Draws the work split of a dispatch: the grid of workgroups, the invocations of one workgroup, and the array
 * elements of one invocation. The elements are found by analysis of the kernel's text.
 */

import { type Html, markup } from "../../report/html.ts";
import type { KernelSummary } from "../client/services/step_service.ts";
import { type IndexValues, traceIndexValues } from "../../kernel_analysis/index_values.ts";
import type { Invocation } from "../../kernel_analysis/values.ts";
import { formatCount, renderScrollTable } from "./text.ts";

type Grid = Pick<KernelSummary, "invocations" | "workgroup" | "grid">;

/** Largest number of cells per axis; with more cells, a gap is drawn before the last ones. */
const CELLS = { grid: 24, group: 32 };

/** Returns the indices of an axis' cells to draw. If there are too many cells, undefined stands for a gap. */
export function selectCells(count: number, most: number, chosen = 0): (number | undefined)[] {
  const upTo = (length: number) => Array.from({ length }, (_, k) => k);
  if (count <= most) return upTo(count);
  const last = [undefined, count - 2, count - 1];
  return chosen < most - 3 || chosen >= count - 2
    ? [...upTo(most - 3), ...last]
    : [...upTo(most - 5), undefined, chosen, ...last];
}

/** Counts launched invocations, and how many of them are idle because they only fill the last workgroups. */
export function countLaunched({ invocations: [x, y], workgroup, grid: [gx, gy, gz] }: Grid): {
  readonly launched: number;
  readonly idle: number;
} {
  const launched = gx * gy * gz * workgroup[0] * workgroup[1];
  return { launched, idle: launched - x * y * gz };
}

/** Describes the drawing in words for screen readers. */
function describeOwnership(grid: Grid): string {
  const { invocations: [x, y], workgroup: [wx, wy], grid: [gx, gy, gz] } = grid;
  const { launched, idle } = countLaunched(grid);
  const groups = `${formatCount(gx)}${gy > 1 ? ` x ${formatCount(gy)}` : ""}${gz > 1 ? ` x ${gz}` : ""}`;
  const own = gz > 1 ? ` for each of ${gz} batches` : "";
  const all = formatCount(launched);
  const idleText = idle === 0 ? "none is idle" : `${formatCount(idle)} are idle in partial workgroups`;
  return `${groups} workgroups of ${wx}${wy > 1 ? ` x ${wy}` : ""} invocations: ${all} in total. ` +
    `${formatCount(x)}${y > 1 ? ` x ${formatCount(y)}` : ""} have work${own}; ${idleText}.`;
}

const WIDTH = 640;
const first: Invocation = { group: [0, 0], local: [0, 0] };

/** Draws a cell per workgroup, and a cell per invocation of the chosen workgroup. Marks the chosen cells. */
export function renderOwnership(grid: Grid, { group: [gi, gj], local: [li, lj] } = first): Html {
  const { invocations: [x, y], workgroup: [wx, wy], grid: [gx, gy] } = grid;
  // A long x axis continues in the next row of workgroups.
  const folded = y === 1 && gy > 1;
  const partly = (i: number, j: number) =>
    folded ? (j * gx + i + 1) * wx > x : (i + 1) * wx > x || (j + 1) * wy > y;
  // A grid with a single column of workgroups is drawn as a row.
  const upright = gx === 1 && gy > 1;
  const [across, down, ci, cj] = upright ? [gy, gx, gj, gi] : [gx, gy, gi, gj];
  const groups = cells(selectCells(across, CELLS.grid, ci), selectCells(down, CELLS.grid / 2, cj), {
    top: 22,
    tall: 120,
    getCellClass: (i, j) =>
      `owner${i === ci && j === cj ? " one" : ""}${partly(upright ? j : i, upright ? i : j) ? " part" : ""}`,
  });
  const line = wy === 1 && wx > CELLS.group;
  const [columns, rows] = line ? [CELLS.group, Math.ceil(wx / CELLS.group)] : [wx, wy];
  const [oi, oj] = line ? [li % CELLS.group, Math.floor(li / CELLS.group)] : [li, lj];
  const group = cells(selectCells(columns, CELLS.group, oi), selectCells(rows, CELLS.group, oj), {
    top: groups.bottom + 48,
    tall: 180,
    getCellClass: (i, j) => i === oi && j === oj ? "owner one" : "owner",
  });
  const height = group.bottom + 4;
  const text = (at: number, words: string) => markup`<text x="0" y="${at}">${words}</text>`;
  return markup`<svg class="ownership" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${
    describeOwnership(grid)
  }">
${text(14, `the grid: ${formatCount(gx)} x ${formatCount(gy)} workgroups`)}${groups.html}
${text(groups.bottom + 40, `the marked workgroup: ${wx} x ${wy} invocations`)}${group.html}
</svg>`;
}

interface CellLayout {
  readonly top: number;
  readonly tall: number;
  getCellClass(column: number, row: number): string;
}

function cells(
  columns: readonly (number | undefined)[],
  rows: readonly (number | undefined)[],
  { top, tall, getCellClass }: CellLayout,
): { html: Html; bottom: number } {
  const side = Math.max(3, Math.min(22, WIDTH / columns.length, tall / rows.length));
  const gap = side > 8 ? 2 : 0.8;
  const drawn = rows.flatMap((row, j) =>
    columns.map((column, i) => {
      const [left, upper] = [i * side, top + j * side];
      if (column === undefined || row === undefined) {
        return markup`<circle class="gap" cx="${left + side / 2}" cy="${upper + side / 2}" r="${
          Math.min(1.5, side / 5)
        }"/>`;
      }
      return markup`<rect class="${getCellClass(column, row)}" x="${left.toFixed(1)}" y="${
        upper.toFixed(1)
      }" width="${(side - gap).toFixed(1)}" height="${(side - gap).toFixed(1)}" rx="${
        Math.min(2, side / 6).toFixed(1)
      }"/>`;
    })
  );
  return { html: markup`${drawn}`, bottom: top + rows.length * side };
}

/** Flat indices of a workgroup in the grid and of an invocation in this workgroup; x changes fastest. */
export interface InvocationChoice {
  readonly group: number;
  readonly invocation: number;
}

/** Returns the number of workgroups, and the number of invocations per workgroup. */
export function countChoices({ grid, workgroup }: KernelSummary): InvocationChoice {
  return { group: grid[0] * grid[1], invocation: workgroup[0] * workgroup[1] };
}

/** Chooses an invocation that has work, in the middle of the grid. */
export function chooseMiddle(code: KernelSummary): InvocationChoice {
  const group = Math.floor((countChoices(code).group - 1) / 2);
  const busy = listIndexValues(code, group).flatMap(({ idle }, k) => idle ? [] : [k]);
  return { group, invocation: busy[Math.floor(busy.length / 2)] ?? 0 };
}

function locateInvocation({ grid, workgroup }: KernelSummary, chosen: InvocationChoice): Invocation {
  const { group, invocation } = chosen;
  return {
    group: [group % grid[0], Math.floor(group / grid[0])],
    local: [invocation % workgroup[0], Math.floor(invocation / workgroup[0])],
  };
}

function listIndexValues(code: KernelSummary, group: number): IndexValues[] {
  const read = traceIndexValues(code.text, code);
  return Array.from(
    { length: countChoices(code).invocation },
    (_, invocation) => read(locateInvocation(code, { group, invocation })),
  );
}

/** Largest number of subscripts (such as `row * 4 + k` in `x[row * 4 + k]`) to show per binding. */
const SUBSCRIPTS = 3;

/** Converts a number to an integer in 0..`most`; NaN becomes 0. */
export function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(Math.trunc(value) || 0, most));
}

/** Renders a drawing and tables of an invocation. @param chosen - the invocation; clamped to the grid */
export function renderOwned(code: KernelSummary, chosen: InvocationChoice): Html {
  const most = countChoices(code);
  const group = clamp(chosen.group, most.group - 1);
  const invocation = clamp(chosen.invocation, most.invocation - 1);
  const all = listIndexValues(code, group);
  const own = all[invocation];
  return markup`${renderOwnership(code, locateInvocation(code, { group, invocation }))}
<p>${describeOwnership(code)}</p>
${own && linesTable(own, all, { group, invocation })}
${own && accessTable(code, own)}`;
}

function linesTable(own: IndexValues, all: readonly IndexValues[], chosen: InvocationChoice): Html {
  const [group, invocation] = [formatCount(chosen.group), formatCount(chosen.invocation)];
  const idle = all.filter((one) => one.idle).length;
  const ends = own.idle &&
    markup`<p>Invocation ${invocation} of workgroup ${group} has no work: it returns before it writes.
In this workgroup, ${
      idle === all.length ? "no invocation has" : `${formatCount(idle)} invocations have no`
    } work.</p>`;
  if (own.lines.length === 0) {
    return markup`${ends}<p>The kernel computes no value from the invocation's index alone.</p>`;
  }
  const busy = all.filter((one) => !one.idle);
  const rows = own.lines.map(({ name, from, value }) => {
    const values = busy.flatMap(({ lines }) => lines.find((line) => line.name === name)?.value ?? []);
    return [markup`<code>${name} = ${from}</code>`, formatCount(value), formatValues(values)] as const;
  });
  const head = ["value computed from the index", `invocation ${invocation}`, `workgroup ${group}`];
  return markup`${ends}${renderScrollTable("Values of an invocation", "numeric owned-lines", head, rows)}`;
}

/** Formats the distinct values, for example "768 to 1,023", "0 to 60 by 4" (every fourth) or "3". */
export function formatValues(values: readonly number[]): string {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const [low, next] = sorted;
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return "-";
  if (next === undefined) return formatCount(low);
  const step = next - low;
  const even = sorted.every((value, k) => value === low + k * step);
  const range = `${formatCount(low)} to ${formatCount(high)}`;
  if (!even) return `${sorted.length} of ${range}`;
  return step === 1 ? range : `${range} by ${formatCount(step)}`;
}

/** Renders a table with the kernel's array accesses, and their indices for the invocation if known. */
function accessTable({ text, bindings }: KernelSummary, own: IndexValues): Html {
  const loop = listLoopVariables(text);
  const getReason = (subscript: string) =>
    mentions(subscript, loop) ? "depends on a loop variable" : "depends on data";
  const rows = bindings.flatMap(({ name, access }) =>
    findSubscripts(text, name).slice(0, SUBSCRIPTS).map((subscript) => {
      const value = own.getValue(subscript);
      return markup`<tr><th scope="row"><code>${name}[${subscript}]</code></th><td class="text">${access}</td><td>${
        value === undefined ? getReason(subscript) : formatCount(value)
      }</td></tr>`;
    })
  );
  const omitted = bindings.flatMap(({ name }) => {
    const more = findSubscripts(text, name).length - SUBSCRIPTS;
    return more > 0 ? [`${more} of ${name}`] : [];
  });
  const elsewhere = bindings.filter(({ name }) =>
    !/^steps?$/.test(name) && findSubscripts(text, name).length === 0
  );
  const names = elsewhere.map(({ name }) => name).join(", ");
  const head = ["in the kernel's body", ["access"], "element of this invocation"] as const;
  return markup`${
    rows.length > 0 &&
    renderScrollTable("Reads and writes of an invocation", "numeric owned-lines", head, rows)
  }${omitted.length > 0 && markup`<p>Further accesses are not shown: ${omitted.join(", ")}.</p>`}${
    names !== "" &&
    markup`<p>Not used in the body, but perhaps in functions that the body calls: ${names}.</p>`
  }`;
}

/** Returns the names of a kernel's loop variables, and of all values that depend on loop variables. */
function listLoopVariables(text: string): string[] {
  const names: string[] = [];
  const declaration = /\b(for \(var|var|let) (\w+)[^=;]*=([^;]+);/g;
  for (const [, kind, name = "", value = ""] of text.replace(/\/\/.*/g, "").matchAll(declaration)) {
    if (kind === "for (var" || mentions(value, names)) names.push(name);
  }
  return names;
}

function mentions(expression: string, names: readonly string[]): boolean {
  return names.some((name) => new RegExp(`\\b${name}\\b`).test(expression));
}

/** Returns the distinct subscripts with which the entry point's body indexes a binding. */
export function findSubscripts(text: string, binding: string): string[] {
  const plain = text.replace(/\/\/.*/g, "");
  const body = plain.slice(plain.indexOf("{", plain.indexOf("fn ", plain.indexOf("@compute"))));
  const found = new Set<string>();
  const access = new RegExp(`(?<![.\\w])(${binding}\\[|(?:load|store)_${binding}\\()`, "g");
  for (const { index, 0: head } of body.matchAll(access)) {
    const from = index + head.length;
    let depth = 1;
    let end = from;
    for (; end < body.length; end++) {
      const sign = body[end] ?? "";
      if ("([".includes(sign)) depth++;
      if (")]".includes(sign) && --depth === 0) break;
      if (sign === "," && depth === 1) break;
    }
    found.add(body.slice(from, end).trim());
  }
  return [...found];
}
