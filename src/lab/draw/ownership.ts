/** Who owns what: the grid of workgroups of a dispatch, one workgroup with its invocations, and what an invocation gets. */

import { type Html, markup } from "../../report/html.ts";
import type { KernelFacts } from "../step/facts.ts";
import type { Invocation } from "./index_values.ts";
import { whole } from "./number.ts";

type Grid = Pick<KernelFacts, "invocations" | "workgroup" | "grid">;

/** Cells of a drawing along an axis, at most; where there are more, the last ones stand behind a gap. */
const CELLS = { grid: 24, group: 32 };

/** Which cells of a long axis are drawn: all, or the first ones, a chosen one and the last. Undefined is a gap. */
export function shownCells(count: number, most: number, chosen = 0): (number | undefined)[] {
  const upTo = (length: number) => Array.from({ length }, (_, k) => k);
  if (count <= most) return upTo(count);
  const last = [undefined, count - 2, count - 1];
  return chosen < most - 3 || chosen >= count - 2
    ? [...upTo(most - 3), ...last]
    : [...upTo(most - 5), undefined, chosen, ...last];
}

/** Invocations that are launched, and those of them that find nothing to do, as the grid is rounded up to workgroups. */
export function launchedBy({ invocations: [x, y], workgroup, grid: [gx, gy, gz] }: Grid): {
  readonly launched: number;
  readonly idle: number;
} {
  const launched = gx * gy * gz * workgroup[0] * workgroup[1];
  return { launched, idle: launched - x * y * gz };
}

/** The same in words: what the drawing says to whoever does not see it. */
export function ownershipText(grid: Grid): string {
  const { invocations: [x, y], workgroup: [wx, wy], grid: [gx, gy, gz] } = grid;
  const { launched, idle } = launchedBy(grid);
  const groups = `${whole(gx)}${gy > 1 ? ` x ${whole(gy)}` : ""}${gz > 1 ? ` x ${gz}` : ""}`;
  const own = gz > 1 ? ` for each of ${gz} batches` : "";
  return `${groups} workgroups of ${wx}${wy > 1 ? ` x ${wy}` : ""} invocations: ${whole(launched)} in all. ` +
    `${whole(x)}${y > 1 ? ` x ${whole(y)}` : ""} have something to do${own}; ${
      idle === 0 ? "none is idle" : `${whole(idle)} are idle, as grids are whole workgroups`
    }.`;
}

const WIDTH = 640;

const first: Invocation = { group: [0, 0], local: [0, 0] };

/**
 * A cell for each workgroup, the last one of which may be partly idle; then one workgroup with a cell for each invocation.
 * One workgroup and one invocation of it stand out.
 */
export function ownershipDrawing(grid: Grid, { group: [gi, gj], local: [li, lj] } = first): Html {
  const { invocations: [x, y], workgroup: [wx, wy], grid: [gx, gy] } = grid;
  // A long axis that was folded goes on in the next line of workgroups.
  const folded = y === 1 && gy > 1;
  const partly = (i: number, j: number) =>
    folded ? (j * gx + i + 1) * wx > x : (i + 1) * wx > x || (j + 1) * wy > y;
  // What is one workgroup wide is drawn from left to right, too.
  const upright = gx === 1 && gy > 1;
  const [across, down, ci, cj] = upright ? [gy, gx, gj, gi] : [gx, gy, gi, gj];
  const groups = cells(shownCells(across, CELLS.grid, ci), shownCells(down, CELLS.grid / 2, cj), {
    top: 22,
    tall: 120,
    classOf: (i, j) =>
      `owner${i === ci && j === cj ? " one" : ""}${partly(upright ? j : i, upright ? i : j) ? " part" : ""}`,
  });
  const line = wy === 1 && wx > CELLS.group;
  const [columns, rows] = line ? [CELLS.group, Math.ceil(wx / CELLS.group)] : [wx, wy];
  const [oi, oj] = line ? [li % CELLS.group, Math.floor(li / CELLS.group)] : [li, lj];
  const group = cells(shownCells(columns, CELLS.group, oi), shownCells(rows, CELLS.group, oj), {
    top: groups.bottom + 48,
    tall: 180,
    classOf: (i, j) => i === oi && j === oj ? "owner one" : "owner",
  });
  const height = group.bottom + 4;
  const text = (at: number, words: string) => markup`<text x="0" y="${at}">${words}</text>`;
  return markup`<svg class="ownership" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${
    ownershipText(grid)
  }">
${text(14, `the grid: ${whole(gx)} x ${whole(gy)} workgroups`)}${groups.html}
${text(groups.bottom + 40, `the workgroup that stands out: ${wx} x ${wy} invocations`)}${group.html}
</svg>`;
}

interface Place {
  readonly top: number;
  /** The most that it may be high. */
  readonly tall: number;
  classOf(column: number, row: number): string;
}

function cells(
  columns: readonly (number | undefined)[],
  rows: readonly (number | undefined)[],
  { top, tall, classOf }: Place,
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
      return markup`<rect class="${classOf(column, row)}" x="${left.toFixed(1)}" y="${
        upper.toFixed(1)
      }" width="${(side - gap).toFixed(1)}" height="${(side - gap).toFixed(1)}" rx="${
        Math.min(2, side / 6).toFixed(1)
      }"/>`;
    })
  );
  return { html: markup`${drawn}`, bottom: top + rows.length * side };
}
