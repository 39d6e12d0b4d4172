/**
 * What one invocation of a dispatch owns, and its workgroup: the places that the kernel computes from their numbers, and where
 * it reads and writes. All of it is taken from the kernel's own text: see index_values.ts.
 */

import { type Html, markup } from "../../report/html.ts";
import type { KernelFacts } from "../step/facts.ts";
import { type IndexValues, indexValues, type Invocation } from "./index_values.ts";
import { whole } from "./number.ts";
import { ownershipDrawing, ownershipText } from "./ownership.ts";

/** An invocation by its numbers: of its workgroup in the grid, and its own in the workgroup, x first. */
export interface Chosen {
  readonly group: number;
  readonly invocation: number;
}

/** How many there are to choose from. */
export function choices({ grid, workgroup }: KernelFacts): Chosen {
  return { group: grid[0] * grid[1], invocation: workgroup[0] * workgroup[1] };
}

/** One from the middle that has something to do: at the edges much is 0. */
export function middle(code: KernelFacts): Chosen {
  const group = Math.floor((choices(code).group - 1) / 2);
  const busy = valuesOf(code, group).flatMap(({ idle }, k) => idle ? [] : [k]);
  return { group, invocation: busy[Math.floor(busy.length / 2)] ?? 0 };
}

/** Where an invocation stands. */
function placeOf({ grid, workgroup }: KernelFacts, { group, invocation }: Chosen): Invocation {
  return {
    group: [group % grid[0], Math.floor(group / grid[0])],
    local: [invocation % workgroup[0], Math.floor(invocation / workgroup[0])],
  };
}

/** Of all invocations of a workgroup. */
function valuesOf(code: KernelFacts, group: number): IndexValues[] {
  const read = indexValues(code.text, code);
  return Array.from(
    { length: choices(code).invocation },
    (_, invocation) => read(placeOf(code, { group, invocation })),
  );
}

/** Subscripts that are shown of a binding, at most. */
const SUBSCRIPTS = 3;

/** @param chosen is moved into the grid where it lies outside. */
export function owned(code: KernelFacts, chosen: Chosen): Html {
  const most = choices(code);
  const within = (value: number, count: number) => Math.max(0, Math.min(Math.trunc(value) || 0, count - 1));
  const group = within(chosen.group, most.group);
  const invocation = within(chosen.invocation, most.invocation);
  const all = valuesOf(code, group);
  const own = all[invocation];
  return markup`${ownershipDrawing(code, placeOf(code, { group, invocation }))}
<p>${ownershipText(code)}</p>
${own ? linesTable(own, all, { group, invocation }) : markup``}
${own ? accessTable(code, own) : markup``}`;
}

function linesTable(own: IndexValues, all: readonly IndexValues[], { group, invocation }: Chosen): Html {
  const idle = all.filter((one) => one.idle).length;
  const ends = own.idle
    ? markup`<p>Invocation ${whole(invocation)} of workgroup ${
      whole(group)
    } has nothing to do: it ends before it writes anything, as ${
      idle === all.length ? "all" : whole(idle)
    } of its workgroup.</p>`
    : markup``;
  if (own.lines.length === 0) {
    return markup`${ends}<p>The kernel computes nothing from its number before it reads data.</p>`;
  }
  const busy = all.filter((one) => !one.idle);
  const rows = own.lines.map(({ name, from, value }) => {
    const values = busy.flatMap(({ lines }) => lines.find((line) => line.name === name)?.value ?? []);
    return markup`<tr><th scope="row"><code>${name} = ${from}</code></th><td>${whole(value)}</td><td>${
      valuesText(values)
    }</td></tr>`;
  });
  return markup`${ends}<div class="scroll" tabindex="0" role="region" aria-label="What an invocation computes from its number">
<table class="figures owned-lines"><thead><tr><th scope="col">from its number the kernel computes</th><th scope="col">invocation ${
    whole(invocation)
  }</th><th scope="col">workgroup ${whole(group)}</th></tr></thead><tbody>${rows}</tbody></table></div>`;
}

/** "768 to 1,023", "0 to 60 by 4", "3": the values that a workgroup has of a name. */
export function valuesText(values: readonly number[]): string {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const [low, next] = sorted;
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return "-";
  if (next === undefined) return whole(low);
  const step = next - low;
  const even = sorted.every((value, k) => value === low + k * step);
  const range = `${whole(low)} to ${whole(high)}`;
  if (!even) return `${sorted.length} of ${range}`;
  return step === 1 ? range : `${range} by ${whole(step)}`;
}

/** Where the kernel's body reads and writes, as it stands there, and which element that is where it follows from lines above. */
function accessTable({ text, bindings }: KernelFacts, own: IndexValues): Html {
  const rows = bindings.flatMap(({ name, access }) =>
    subscriptsOf(text, name).slice(0, SUBSCRIPTS).map((subscript) => {
      const value = own.valueOf(subscript);
      return markup`<tr><th scope="row"><code>${name}[${subscript}]</code></th><td class="text">${access}</td><td>${
        value === undefined ? "by more than its number" : whole(value)
      }</td></tr>`;
    })
  );
  const left = bindings.flatMap(({ name }) => {
    const more = subscriptsOf(text, name).length - SUBSCRIPTS;
    return more > 0 ? [`${more} more of ${name}`] : [];
  });
  const elsewhere = bindings.filter(({ name }) =>
    !/^steps?$/.test(name) && subscriptsOf(text, name).length === 0
  );
  const rest = markup`${left.length === 0 ? markup`` : markup`<p>Left out: ${left.join(", ")}.</p>`}${
    elsewhere.length === 0
      ? markup``
      : markup`<p>In functions that its body calls, if at all: ${
        elsewhere.map(({ name }) => name).join(", ")
      }.</p>`
  }`;
  if (rows.length === 0) return rest;
  return markup`<div class="scroll" tabindex="0" role="region" aria-label="Where an invocation reads and writes">
<table class="figures owned-lines"><thead><tr><th scope="col">in its body</th><th scope="col" class="text">the kernel</th><th scope="col">element of this invocation</th></tr></thead><tbody>${rows}</tbody></table></div>${rest}`;
}

/** What stands between the brackets behind a binding's name in the body of the entry point, each once. */
export function subscriptsOf(text: string, binding: string): string[] {
  const plain = text.replace(/\/\/.*/g, "");
  const body = plain.slice(plain.indexOf("{", plain.indexOf("fn ", plain.indexOf("@compute"))));
  const found = new Set<string>();
  for (
    const { index, 0: head } of body.matchAll(
      new RegExp(`(?<![.\\w])(${binding}\\[|(?:load|store)_${binding}\\()`, "g"),
    )
  ) {
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
