/** Every text of the kernels that choose slates, compiled: for test/drivers/shader_texts_test.ts. */

import { Arena } from "../../src/gpu/arena.ts";
import type { Gpu } from "../../src/gpu/device.ts";
import { type DispatchSpec, Program } from "../../src/gpu/program.ts";
import { StepHeaders } from "../../src/gpu/step.ts";
import { chooseByPosition } from "../../src/policy/network/choose_slates.ts";
import { qLoss, type QLossBatch } from "../../src/policy/learning/q_loss.ts";
import { QNetwork, type QShape } from "../../src/policy/network/q_network.ts";
import { slatePick, slateScore } from "../../src/policy/network/slate_score.ts";
import { type SlateRows, stateInput, tapeOf } from "../../src/policy/network/slate_rows.ts";
import { bestSlate, slateWorth } from "../../src/policy/network/slate_ratio.ts";
import { slateValue } from "../../src/policy/network/slate_value.ts";
import { testDimensions, type TestSizes } from "../../src/selftest/slates/slate_bench.ts";

/** Hidden units: all that the score kernels' sums are written out for. */
const units = Array.from({ length: 16 }, (_, k) => 4 * (k + 1));

export async function compileSlateKernels(gpu: Gpu): Promise<void> {
  const arena = new Arena(gpu, "slates");
  const capacity = { users: 64, rows: 64, slots: 64, items: 70 };
  const rows: SlateRows<TestSizes> = {
    arena,
    dimensions: testDimensions,
    rows: "rows",
    items: "items",
    capacity,
  };
  const headers = new StepHeaders(arena, testDimensions, 1);
  const view = (name: string) => arena.allocate(name, 4096);
  const textured = gpu.shapes.kind === "cpu" ? arena.allocateTexture("base", 4096, 4096) : view("base");
  const [table, weights, place, best, masked] = ["table", "weights", "place", "best", "masked"].map(view);
  if (!table || !weights || !place || !best || !masked) throw new Error("expected buffers");
  const read = { table, weights, place };
  const specs = units.flatMap((units): DispatchSpec<TestSizes>[] => {
    const score = { label: "score", items: 70, units, views: { base: textured, ...read } };
    return [
      slateScore(rows, { ...score, to: { best, masked } }),
      slateScore(rows, { ...score, to: { scores: view("scores") } }),
      slatePick(rows, {
        ...{ label: "pick", units, panels: 3, later4: 2 },
        views: {
          ...{ ...read, best, masked, bases: view("bases"), slates: view("slates"), q: view("q") },
          current: textured,
        },
      }),
    ];
  });
  const choice = { label: "ratio", slate: 3, eta: 0.5 };
  for (const worthOf of ["utility" as const, { scores: best, stride: 96, values: place, valueStride: 4 }]) {
    const views = { utilities: table, worthOf, slates: view("slates"), worth: view("worth") };
    specs.push(bestSlate(rows, { ...choice, ...views, masked: { view: masked, stride: 64 } }));
  }
  specs.push(
    slateWorth(rows, { ...choice, utilities: table, values: best, stride: 4, worth: view("worth") }),
  );
  await Program.record(gpu, "slates", headers.buffer, specs);
  arena.destroy();
  const all: QShape[] = [
    ...[1, 3].flatMap((slate) => (["cascade", "shared", "item"] as const).map((kind) => ({ kind, slate }))),
    { kind: "item" as const, slate: 2, zero: true },
  ].map((shape) => ({ ...shape, units: 8, trunk: 8, inputs: 6, itemColumns: 5 }));
  for (const shape of all) await compileNetwork(gpu, shape);
}

/** All that a network acts and learns by. */
async function compileNetwork(gpu: Gpu, shape: QShape): Promise<void> {
  const arena = new Arena(gpu, "network");
  const capacity = { users: 64, rows: 64, slots: 64, items: 70 };
  const rows: SlateRows<TestSizes> = {
    arena,
    dimensions: testDimensions,
    rows: "rows",
    items: "items",
    capacity,
  };
  const headers = new StepHeaders(arena, testDimensions, 1);
  const network = new QNetwork(gpu, shape, 70, 1);
  const view = (name: string) => arena.allocate(name, 16384);
  const plain = { groups: 1, stride: 8, trainable: false };
  const state = { ...plain, name: "state", rows: "rows", columns: 5, view: view("state") };
  const itemVectors = { ...plain, name: "item vectors", rows: 70, columns: 5, view: view("item vectors") };
  const { input, dispatch } = stateInput(rows, state, 20);
  const slates = view("slates");
  const specs = [dispatch, ...network.makeTables(rows, "online", itemVectors)];
  if (shape.kind !== "item") {
    for (const given of [false, true]) {
      const masked = { view: view("masked"), stride: 64 };
      specs.push(
        ...chooseByPosition(network, rows, { copy: "older", input, slates, masked, given }).dispatches,
      );
    }
  }
  const tape = tapeOf<TestSizes, QLossBatch>(rows, network.parameters);
  const own = network.state(tape, "online", input);
  const q = slateValue(tape, rows, network, { copy: "online", state: own, slates, itemVectors });
  const counts = shape.kind !== "item" ? "each" : shape.zero ? "outcome" : "sum";
  qLoss(tape, rows, { q, counts, wanted: view("wanted"), outcome: view("outcome"), ring: undefined });
  tape.place();
  specs.push(...tape.forward(), ...tape.backward());
  await Program.record(gpu, "network", headers.buffer, specs);
  arena.destroy();
  network.destroy();
}
