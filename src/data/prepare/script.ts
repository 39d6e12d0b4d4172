/**
 * SQL scripts in steps. A script of `data/` is plain SQL; comment lines cut it into steps that have a title:
 *
 *     -- step: Sessions of each visitor
 *     -- step: Pages of a week | for week in (SELECT DISTINCT week FROM viewed ORDER BY week)
 *
 * The second form is run once for each value of the query, with the variable of that name set to it: work that would
 * not fit in memory at once. Values are numbers. Options come as variables: getvariable('gap_ms').
 */

export interface Step {
  readonly title: string;
  readonly sql: string;
  readonly repeat?: { readonly name: string; readonly query: string };
}

const HEAD = /^-- step: ([^|\n]+?)(?:\s*\|\s*for (\w+) in \((.*)\))?\s*$/;

/** @throws Error for statements before the first step. */
export function stepsOf(script: string): Step[] {
  const steps: { title: string; lines: string[]; repeat?: Step["repeat"] }[] = [];
  for (const line of script.split("\n")) {
    const head = HEAD.exec(line);
    if (head) {
      const [, title = "", name, query] = head;
      steps.push({ title, lines: [], ...(name && query ? { repeat: { name, query } } : {}) });
    } else if (steps.length > 0) steps.at(-1)?.lines.push(line);
    else if (line.trim() !== "" && !line.startsWith("--")) {
      throw new Error(`expected a "-- step: title" before the first statement, found: ${line}`);
    }
  }
  return steps.map(({ lines, ...step }) => ({ ...step, sql: lines.join("\n").trim() }));
}
