/**
 * The engine that trains, on something else than clicks: transitions that are drawn from a replay buffer, and a value of
 * four weights that one kernel fits to them.
 */

import assert from "node:assert/strict";
import { randomStream } from "../../src/data/random.ts";
import { Arena } from "../../src/gpu/arena.ts";
import type { Commands } from "../../src/gpu/commands.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { kernel } from "../../src/gpu/kernel.ts";
import type { View } from "../../src/gpu/memory.ts";
import { Program } from "../../src/gpu/program.ts";
import { Dimensions } from "../../src/gpu/sizes.ts";
import { StepHeaders } from "../../src/gpu/step.ts";
import { ParameterArena } from "../../src/tape/parameters.ts";
import { BatchTrainer, type TrainerParts } from "../../src/train/batch_trainer.ts";
import { BestKeeper } from "../../src/train/best_keeper.ts";
import { ResultRing, type Summary } from "../../src/train/results.ts";
import type { Counted, Steps } from "../../src/train/steps.ts";
import { UserError } from "../../src/user_error.ts";
import { withGpu } from "../op_check.ts";

type ReplaySizes = Readonly<Record<"transitions", number>>;
const dimensions = new Dimensions<ReplaySizes>(["transitions"], "transitions");
type Drawn = Counted & { readonly sizes: ReplaySizes; readonly iteration: number };

/** Transitions in the buffer, in a batch at most, and steps that are held at once. */
const [REPLAY, MOST, PLACES] = [200, 24, 8];
const RATE = 0.2;

/** The value of x is w . (x, 1): its squared error, and one step down its slope. */
const fitKernel = kernel(
  "fit",
  `const WORKGROUP = 1;
const TRAIN = false;
struct Step { size: vec4u, first_entry: u32, slot: u32, chunks: u32, learning_rate: f32 }
@group(0) @binding(0) var<storage, read> drawn: array<u32>;
@group(0) @binding(1) var<storage, read> replay: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> ring: array<vec4f>;
@group(0) @binding(4) var<uniform> step: Step;
@compute @workgroup_size(WORKGROUP)
fn fit() {
  let w = weights[0];
  var loss = 0.0;
  var slope = vec4f(0.0);
  for (var k = 0u; k < step.size[0]; k++) {
    let x = replay[drawn[step.first_entry + k]];
    let d = dot(w, vec4f(x.xyz, 1.0)) - x.w;
    loss += 0.5 * d * d;
    slope += d * vec4f(x.xyz, 1.0);
  }
  ring[step.slot] = vec4f(loss, 0.0, 0.0, 0.0);
  if (TRAIN) { weights[0] = w - step.learning_rate * slope / f32(step.size[0]); }
}`,
);

function fit(views: Record<"drawn" | "replay" | "weights" | "ring", View>, train: boolean) {
  return {
    kernel: fitKernel,
    label: "fit",
    constants: { TRAIN: train },
    views,
    invocations: [1] as const,
    cost: () => ({ flops: 0, bytes: 0 }),
  };
}

class ReplaySteps implements Steps<Uint32Array, Drawn> {
  readonly slices = 3;
  readonly #headers: StepHeaders<ReplaySizes>;
  readonly #drawn: View;
  #program: Program<ReplaySizes> | undefined;
  #laidOut: readonly Drawn[] = [];

  constructor(readonly gpu: Gpu, arena: Arena) {
    this.#headers = new StepHeaders(arena, dimensions, PLACES);
    this.#drawn = arena.allocate("drawn", 4 * MOST * PLACES);
  }

  async record(views: Record<"replay" | "weights" | "ring", View>): Promise<void> {
    const specs = [fit({ drawn: this.#drawn, ...views }, true)];
    this.#program = await Program.record(this.gpu, "replay step", this.#headers.buffer, specs);
  }

  draw(t: number): Uint32Array {
    return randomStream(3, "replay", t).sampleWithoutReplacement(REPLAY, MOST - t % 7);
  }

  put(after: number, most: number, own?: Uint32Array): Drawn[] {
    const batches = Array.from({ length: Math.min(most, 5) }, (_, k) => ({
      iteration: after + 1 + k,
      drawn: Uint32Array.from(own ?? this.draw(after + 1 + k)),
    }));
    for (const { drawn } of batches) {
      if (drawn.some((transition) => transition >= REPLAY)) throw new UserError("no such transition");
    }
    return batches.map(({ iteration, drawn }) => {
      const place = iteration % PLACES;
      const batch = { sizes: { transitions: drawn.length }, counted: drawn.length, iteration };
      this.gpu.queue.writeBuffer(this.#drawn.buffer, 4 * MOST * place, drawn);
      const purpose = { slot: place, learningRate: RATE, iteration };
      this.#headers.put(place, { ...batch, first: MOST * place }, purpose);
      this.#headers.upload(place, 1);
      return batch;
    });
  }

  encodeLayout(_: Commands, batches: readonly Drawn[], place: number): void {
    assert.ok(batches.length > 0 && batches.length <= this.slices && place + batches.length <= PLACES);
    this.#laidOut = batches;
  }

  encode(commands: Commands, batch: Drawn, place: number, slice: number): void {
    assert.equal(this.#laidOut[slice], batch, "it was not laid out there");
    assert.equal(place, batch.iteration % PLACES);
    this.#program?.encode(commands, batch.sizes, this.#headers.offset(place));
  }
}

interface Fit {
  readonly loss: number;
}
const summary: Summary<Fit> = {
  vectors: 1,
  bestBy: 0,
  means: (sums, counted) => ({ loss: (sums[0] ?? NaN) / counted }),
  loss: ({ loss }) => loss,
};

class ReplayTrainer extends BatchTrainer<Uint32Array, Fit> {
  constructor(parts: TrainerParts<Uint32Array, Fit>) {
    super(parts);
  }
}

/** Three features, and what they are worth, with some noise. */
function replayBuffer(): Float32Array<ArrayBuffer> {
  const random = randomStream(3, "buffer");
  const rows = Array.from({ length: REPLAY }, () => {
    const [a, b, c] = [random.normal(), random.normal(), random.normal()];
    return [a, b, c, 2 * a - b + 0.5 * c + 3 + 0.1 * random.normal()];
  });
  return new Float32Array(rows.flat());
}

async function replayTrainer(gpu: Gpu): Promise<ReplayTrainer> {
  const stack = new DisposableStack();
  const arena = stack.use(new Arena(gpu, "replay"));
  const parameters = stack.use(new ParameterArena(gpu, [{ name: "value", rows: 1, columns: 4 }]));
  parameters.write(new Map([["value", new Float32Array(4)]]));
  const networks = [{ prefix: "", parameters, adam: undefined }];
  const ring = new ResultRing(arena, PLACES, summary.vectors, 1);
  const shards = { firstSlot: ring.firstShard, shards: 1 };
  const { buffer, offset } = parameters.weights;
  const views = {
    replay: arena.upload("buffer", replayBuffer()),
    weights: { buffer, offset, size: 16 },
    ring: ring.view,
  };
  const steps = new ReplaySteps(gpu, arena);
  await steps.record(views);
  // All transitions say which weights are the best.
  const headers = new StepHeaders(arena, dimensions, 1);
  const sizes = { transitions: REPLAY };
  const purpose = { slot: ring.firstShard, learningRate: 0, iteration: 0 };
  headers.put(0, { sizes, counted: REPLAY, first: 0 }, purpose);
  headers.upload(0, 1);
  const drawn = arena.upload("all", Uint32Array.from({ length: REPLAY }, (_, k) => k));
  const all = await Program.record(gpu, "validation", headers.buffer, [fit({ drawn, ...views }, false)]);
  const evaluation = {
    encode: (commands: Commands) => all.encode(commands, sizes, headers.offset(0)),
  };
  const keeper = stack.use(await BestKeeper.create(networks, gpu, ring, shards, summary));
  return new ReplayTrainer({
    ...{ gpu, steps, ring, summary, networks, stack, validation: { counted: REPLAY, evaluation, keeper } },
    schedule: { validateEvery: 8, earlyStopping: null, patience: 1 },
    rates: "rate",
  });
}

const END = 48;

Deno.test("other training: the engine draws, trains, validates and keeps the best of a replay buffer", () =>
  withGpu(undefined, async (gpu) => {
    const losses: number[] = [];
    const validated: [number, number][] = [];
    using whole = await replayTrainer(gpu);
    await whole.run(END, {
      onStep: ({ iteration, loss }) => losses[iteration - 1] = loss,
      onValidation: ({ iteration, loss }) => validated.push([iteration, loss]),
    });
    assert.equal(losses.length, END);
    assert.deepEqual(validated.map(([iteration]) => iteration), [0, 8, 16, 24, 32, 40, 48]);
    const [first = NaN, last = NaN] = [validated[0]?.[1], validated.at(-1)?.[1]];
    assert.ok(last < first / 100, `${first} became ${last}`);
    const value = (await whole.weights()).get("value") ?? assert.fail();
    [2, -1, 0.5, 3].forEach((w, k) => assert.ok(Math.abs((value[k] ?? NaN) - w) < 0.1, value.join()));

    using stepped = await replayTrainer(gpu);
    for (const loss of losses) assert.equal((await stepped.step()).loss, loss);
    assert.deepEqual(await stepped.weights(), await whole.weights());

    const [best] = [...validated].sort(([, a], [, b]) => a - b);
    assert.equal(whole.best.loss.iteration, best?.[0]);
    using upTo = await replayTrainer(gpu);
    await upTo.run(best?.[0] ?? NaN);
    assert.deepEqual(await whole.snapshot("loss"), await upTo.weights());

    using part = await replayTrainer(gpu);
    await part.run(19);
    using resumed = await replayTrainer(gpu);
    resumed.restore(await part.state());
    await resumed.run(END);
    assert.deepEqual(await resumed.state(), await whole.state());
  }));

Deno.test("other training: what makes no batch is refused, and moves nothing", () =>
  withGpu(undefined, async (gpu) => {
    using trainer = await replayTrainer(gpu);
    await assert.rejects(trainer.step(Uint32Array.of(3, REPLAY)), /no such transition/);
    assert.deepEqual([trainer.iteration, ...((await trainer.weights()).get("value") ?? [])], [0, 0, 0, 0, 0]);
    assert.equal((await trainer.step(Uint32Array.of(3))).iteration, 1);
  }));
