/** The figures of the ladders that the repository ships: what its machine measured, one adapter for all steps of a ladder. */

export interface ShippedStep {
  /** From 1. */
  readonly number: number;
  readonly kernel: string;
  readonly idea: string;
  /** Number of the step that its gain is on. */
  readonly changes: number;
  /** The median over the rounds, and the least; absent where the size cannot be done by it. */
  readonly microseconds?: number;
  readonly least?: number;
  /** How often faster than the naive step, and than the one that it changes. */
  readonly gainOnFirst?: number;
  readonly gain?: number;
}

export interface ShippedLadder {
  readonly ladder: string;
  readonly size: readonly number[];
  /** As the driver has it. */
  readonly adapter: string;
  readonly cores: number;
  readonly runtime: string;
  readonly steps: readonly ShippedStep[];
}
