/** What was measured on one adapter: by `deno task bench` and saved by the lab's page, in one layout, so that they compare. */

import type { AdapterDescription } from "../../gpu/device.ts";
import type { Cost } from "../../gpu/program.ts";
import type { Count } from "../../gpu/reading/access_counts.ts";
import type { AdapterFigure } from "./ceilings.ts";
import type { Timing } from "./timing.ts";
import type { StepResult } from "./step_profile.ts";

export interface KernelResult extends Cost, Timing {
  /** Where it was found first: "W1 LSTM: utility/layer2 forward". Results are compared by it. */
  readonly id: string;
  readonly kernel: string;
  readonly workload: string;
  readonly invocations: readonly [number, number];
  /** Dispatches of the workload's models that this one stands for. */
  readonly dispatches: number;
  /** Milliseconds of making the pipeline and, with timestamps, of its first dispatch. */
  readonly compileMs: number;
}

export interface GrowthPoint {
  readonly axis: string;
  readonly value: number;
  /** What the time is reckoned by: rows of the batch for axes that add rows, else the value. */
  readonly x: number;
  /** Microseconds a step; absent where it was refused. */
  readonly time?: Timing;
  /** Of all buffers, the log's among them. */
  readonly gpuBytes?: number;
  /** The adapter's limit that refuses it, and by what. */
  readonly refusal?: { readonly limit: string; readonly message: string };
}

/** A step of a ladder, timed; what the size cannot be done by, or what is wrong, has no times, but a reason. */
export interface LadderStepFigure {
  /** From 1. */
  readonly number: number;
  readonly kernel: string;
  readonly idea: string;
  /** Number of the step that its gain is on. */
  readonly changes: number;
  /** Microseconds. */
  readonly time?: Timing;
  /** How often faster than the naive step, and than the one that it changes: medians over the rounds. */
  readonly gainOnFirst?: number;
  readonly gain?: number;
  readonly compileMs?: number;
  /** At how many sizes it was compared with the reference. */
  readonly checkedSizes?: number;
  readonly refusal?: string;
  /** Absent where the size cannot be done by it. */
  readonly counts?: LadderCounts;
}

/** What a step asks of memory, read from its text: see {@link import("../../gpu/reading/access_counts.ts").Asked}. */
export interface LadderCounts {
  /** Reads of storage that an invocation does. */
  readonly reads?: Count;
  /** Sectors of 32 bytes that a subgroup's read touches. */
  readonly sectors?: Count;
  /** Turns that an access to workgroup memory waits for its banks. */
  readonly conflicts?: Count;
}

export interface LadderFigures {
  readonly ladder: string;
  readonly size: readonly number[];
  readonly steps: readonly LadderStepFigure[];
}

/** How many kernels of the self-test were as their f64 references, and which were not. */
export interface SelftestFigures {
  readonly kind: AdapterDescription["kind"];
  readonly cases: number;
  readonly differing: readonly { readonly name: string; readonly message: string }[];
  /** Kernels that were not run, as the adapter never takes them; absent where there are none. */
  readonly leftOut?: readonly string[];
}

/** A training in the lab's page. */
export interface TrainingFigures {
  readonly iteration: number;
  /** Milliseconds from the start to the first loss, compilation included. */
  readonly msToFirstStep?: number;
  readonly stepsPerSecond?: number;
}

export interface BenchReport {
  /** Of this layout. */
  readonly format: 1;
  /** ISO 8601. */
  readonly date: string;
  /** Of clickgan. */
  readonly version: string;
  readonly adapter: AdapterDescription;
  readonly machine: {
    readonly cores: number;
    /** Whether dispatches were timed by the adapter's clock; else by the host's. */
    readonly timestamps: boolean;
    /** Whether Mesa may take compiled kernels from its cache on the disk, so that compiling looks cheap. */
    readonly shaderCache: boolean;
  };
  /** Each part is empty where it was not asked for. */
  readonly figures: readonly AdapterFigure[];
  readonly kernels: readonly KernelResult[];
  readonly steps: readonly StepResult[];
  readonly growth: readonly GrowthPoint[];
  /** Only of the lab's page. */
  readonly ladders?: readonly LadderFigures[];
  readonly selftest?: readonly SelftestFigures[];
  readonly training?: TrainingFigures;
}
