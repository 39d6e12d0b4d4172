import assert from "node:assert/strict";
import { createClickganPeer } from "../../bench/peers/clickgan.ts";
import { makeJob, type PeerJob, writeJob } from "../../bench/peers/job.ts";
import { createJaxPeer } from "../../bench/peers/jax_js.ts";
import {
  COMPARED_STEPS,
  findDisagreement,
  listProblems,
  listSummaryCells,
  listTableCells,
  measure,
  type PeerResult,
  summarizePeers,
  TOLERANCE,
} from "../../bench/peers/measure.ts";
import type { Peer } from "../../bench/peers/peer.ts";
import { findTorches, type PeerEntry, roster, type Torch, withTorches } from "../../bench/peers/roster.ts";
import { StudyPage } from "../../bench/study.ts";
import { createTensorflowPeer } from "../../bench/peers/tensorflow_js.ts";
import { createWorkloadLog } from "../../src/profile/workloads.ts";
import { readSafetensors } from "../../src/run/snapshot_file.ts";
import { createSmallLog } from "../../src/selftest/small_logs.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

/** Job with one-hot items, pages of different lengths, and missing clicks. */
const ragged = makeJob(
  createSmallLog(41, { users: 40, items: 23, width: 0, maxEvents: 6, maxPage: 7 }),
  "lstm",
  9,
  false,
);

async function computeLosses(peer: Peer): Promise<number[]> {
  const losses: number[] = [];
  for (let step = 0; step < COMPARED_STEPS; step++) losses.push(await peer.run(1));
  return losses;
}

const gpuTest = { sanitizeOps: false, sanitizeResources: false };
Deno.test({
  name: "TensorFlow.js and jax-js reproduce clickgan's steps",
  ...gpuTest,
  async fn() {
    const expected = await computeLosses(await createClickganPeer(ragged, "dense"));
    assert.ok(
      Math.abs((expected[4] ?? 0) - (expected[0] ?? 0)) > 10 * TOLERANCE,
      "the steps must change the loss",
    );
    const peers = {
      tensorflow: () => createTensorflowPeer(ragged, "wasm"),
      jax: () => createJaxPeer(ragged, "wasm"),
    };
    for (const [peer, start] of Object.entries(peers)) {
      assert.equal(findDisagreement(expected, await computeLosses(await start())), undefined, peer);
    }
  },
});

Deno.test("another learning rate, other batches or missing steps count as a disagreement", async () => {
  const even = createWorkloadLog({ name: "tiny", users: 7, events: 4, page: 3, items: 19, width: 6 });
  const job = makeJob(even, "lstm", 7, true);
  const losses = async (job: PeerJob) => await computeLosses(await createTensorflowPeer(job, "wasm"));
  const expected = await losses(job);
  const slower = { ...job, learningRate: job.learningRate / 2 };
  assert.ok(findDisagreement(expected, await losses(slower)), "another rate");
  const batches = { ...job, batches: job.batches.toReversed() };
  assert.ok(findDisagreement(expected, await losses(batches)), "other batches");
  assert.equal(findDisagreement(expected, expected), undefined);
  assert.match(findDisagreement(expected, expected.slice(1)) ?? "", /^9 losses, expected 10$/);
  assert.match(findDisagreement(expected, expected.with(3, NaN)) ?? "", /^the loss of step 4 is NaN/);
});

Deno.test("PyTorch gets settings, weights, features and batches of a job", () =>
  withEmptyFolder(async (folder) => {
    const dense = createWorkloadLog({ name: "tiny", users: 7, events: 4, page: 3, items: 19, width: 6 });
    for (const job of [ragged, makeJob(dense, "pair", 7, true)]) {
      const file = `${folder}/${job.model}.safetensors`;
      await writeJob(file, job);
      const { tensors, metadata } = await readSafetensors(file);
      const { model, items, users, learningRate, generatorLearningRate, utilityPenalty } = job;
      const settings = { model, items, users, learningRate, generatorLearningRate, utilityPenalty };
      assert.deepEqual(JSON.parse(metadata.settings ?? ""), settings);
      assert.deepEqual(tensors.get("features")?.data, job.features);
      for (const [name, tensor] of job.weights) assert.deepEqual(tensors.get(`weights/${name}`), tensor);
      for (const [k, { users: _, ...arrays }] of job.batches.entries()) {
        for (const [name, data] of Object.entries(arrays)) {
          assert.deepEqual(tensors.get(`batch${k}/${name}`)?.data, data);
        }
      }
    }
  }));

function measureAll(entries: readonly PeerEntry[], rounds: number, seconds: number) {
  const command = (_: PeerEntry, { args }: PeerEntry["variants"][number]) => ({
    ...{ program: Deno.execPath(), args: ["eval", ...args], environment: {} },
  });
  return measure(entries, { rounds, seconds, signal: new AbortController().signal, say: () => {}, command });
}

function fakePeer(key: string, losses: readonly number[], more = ""): PeerEntry {
  const script = `
    const say = (m) => console.log("@peer " + JSON.stringify(m));
    const losses = ${JSON.stringify(losses)};
    ${more}
    say({ ready: "" });
    let n = 0;
    for await (const _ of Deno.stdin.readable) say({ ms: 1, loss: losses[Math.min(n++, losses.length - 1)] });`;
  const variants = [{ settings: "", args: [script] }];
  return { key, name: key, program: "deno", variants, models: ["lstm"] };
}

Deno.test("a wrong loss or a failure appears in the table and does not end the comparison", async () => {
  const right = Array.from({ length: COMPARED_STEPS }, (_, k) => 2 - 0.01 * k);
  const entries = [
    fakePeer("clickgan", right),
    fakePeer("torch", right.with(6, 2)),
    fakePeer("jax-wasm", right, `say({ failed: "does not fit", cannot: true }); Deno.exit(1);`),
    fakePeer("tfjs-wasm", right),
  ];
  const results = await measureAll(entries, 2, 1);
  const measurements = summarizePeers(results);
  assert.deepEqual(measurements.map(({ peer, wrong }) => [peer, wrong]), [
    ["clickgan", false],
    ["torch", true],
    ["jax-wasm", false],
    ["tfjs-wasm", false],
  ]);
  const cells = listTableCells(measurements).rows;
  assert.equal(cells[1]?.[1], "WRONG");
  assert.equal(cells[2]?.[1], "-");
  assert.equal(cells[3]?.[2], "1.00");
  assert.equal(measurements[3]?.samples, 4);
  const [wrong, failure] = listProblems(measurements);
  assert.match(wrong ?? "", /^torch: the loss of step 7 is 2\.000000, clickgan's is 1\.940000/);
  assert.equal(failure, "jax-wasm: does not fit");
  assert.deepEqual(
    listSummaryCells([{ workload: "W1", measurements }, { workload: "W2", measurements: [] }]),
    {
      head: ["", "W1", "W2"],
      rows: [["torch", "WRONG", "-"], ["jax-wasm", "-", "-"], ["tfjs-wasm", "1.00", "-"]],
    },
  );
});

Deno.test("a page keeps results of other processors", () =>
  withEmptyFolder(async (folder) => {
    const file = `${folder}/page.md`;
    const table = "| a |\n| --- |";
    const text = (intel: string, more = "") =>
      `Above\n\n<!-- x -->\n\n**Intel**, ${intel}:\n\n${table}\n\n${more}<!-- end of x -->\n`;
    await Deno.writeTextFile(file, text("old"));
    const page = await StudyPage.open(file, "x");
    for (const machine of ["AMD, 2 cores:", "Intel, new:"]) await page.writeOfCpu("x", machine, table);
    assert.equal(await Deno.readTextFile(file), text("new", `**AMD**, 2 cores:\n\n${table}\n\n`));
  }));

Deno.test("each PyTorch is found once and has a unique name", () =>
  withEmptyFolder(async (folder) => {
    const python = async (name: string, file: string, version: string, blas: string) => {
      const said = JSON.stringify({ file, version, blas, made: `made of ${blas}`, card: false });
      await Deno.writeTextFile(`${folder}/${name}`, `#!/bin/sh\necho '${said}'\n`, { mode: 0o755 });
      return `${folder}/${name}`;
    };
    const wheel = await python("a", "/a/torch", "2.13.0", "MKL");
    const again = await python("b", "/a/torch", "2.13.0", "MKL");
    const other = await python("c", "/c/torch", "2.6.0", "OpenBLAS");
    const twin = await python("d", "/d/torch", "2.13.0", "MKL");
    const found = await findTorches([wheel, again, other, twin]);
    assert.deepEqual(found.map(({ python, name }) => [python, name]), [
      [wheel, "PyTorch 2.13.0 MKL"],
      [other, "PyTorch 2.6.0 OpenBLAS"],
      [twin, "PyTorch 2.13.0 MKL no. 2"],
    ]);
    await assert.rejects(findTorches([wheel, `${folder}/none`]), /got .*none, where "import torch" fails/);
  }));

Deno.test("each PyTorch is timed in turn, and has a row in table and summary", () => {
  const torch = (name: string, card: boolean): Torch => ({ python: `/${name}`, name, made: name, card });
  const torches = [torch("PyTorch A", false), torch("PyTorch B", true)];
  const asked = roster.filter(({ key }) => ["clickgan", "torch", "torch-cuda"].includes(key));
  const names = (cards: boolean, own = torches) => withTorches(asked, own, cards).map(({ name }) => name);
  const best = ["PyTorch A, best", "PyTorch B, best"];
  assert.deepEqual(names(true), ["clickgan", ...best, "PyTorch A CUDA", "PyTorch B CUDA"]);
  assert.deepEqual(names(false), ["clickgan", ...best, "PyTorch B CUDA"]);
  assert.deepEqual(names(false, []), ["clickgan", "PyTorch, best"]);
  const entries = withTorches(asked, torches, false).slice(0, 3);
  assert.deepEqual(entries.map(({ python }) => python), [undefined, "/PyTorch A", "/PyTorch B"]);
  const results = entries.flatMap((entry, k): PeerResult[] =>
    entry.variants.map((variant) => ({ entry, variant, turns: [[k + 1]], stepsPerBlock: 1, losses: [] }))
  );
  const measurements = summarizePeers(results);
  assert.deepEqual(measurements.map(({ peer, ratio }) => [peer, ratio]), [["clickgan", 1], [best[0], 2], [
    best[1],
    3,
  ]]);
  assert.deepEqual(listSummaryCells([{ workload: "W0", measurements }]).rows, [[best[0], "2.00"], [
    best[1],
    "3.00",
  ]]);
});
