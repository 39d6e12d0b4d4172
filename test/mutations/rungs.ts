/** Faults at one width of a panel kernel, which only a test of all widths can notice. */

/** @param ladder whose panel kernel has the fault. */
export function rungs(ladder: string): { tests: readonly string[]; filter: string } {
  return { tests: ["panel_rungs"], filter: `/ladder ${ladder}$/` };
}
