/** Several ranks of a training: what can be known of them without mpirun, which `test/external` starts. */

import assert from "node:assert/strict";
import { defaultModel } from "../../src/model/config.ts";
import { expectAgreement, expectAsMany, expectTrainable } from "../../src/commands/train/train_ranks.ts";
import { MpiRanks, rankPlace, textsOf, trainCommand } from "../../src/run/ranks/mpi.ts";
import { sourceOf } from "../../src/data/log_source.ts";
import { smallLog } from "../../src/selftest/small_logs.ts";
import { defaultAdversarial, defaultTraining } from "../../src/train/config.ts";
import { ranksInMemory } from "../ranks_in_memory.ts";
import { userError } from "./folder_check.ts";

Deno.test("ranks are known by Open MPI's environment and by Slurm's", () => {
  const of = (variables: Record<string, string>) => rankPlace((name) => variables[name]);
  assert.deepEqual(of({ OMPI_COMM_WORLD_RANK: "1", OMPI_COMM_WORLD_SIZE: "4" }), { rank: 1, size: 4 });
  assert.deepEqual(of({ PMIX_RANK: "0", SLURM_NTASKS: "2" }), { rank: 0, size: 2 });
  assert.equal(of({ SLURM_NTASKS: "2" }), undefined);
  assert.equal(of({ PMIX_RANK: "0", SLURM_NTASKS: "1" }), undefined);
  const junk: Record<string, string>[] = [
    { PMIX_RANK: "x", SLURM_NTASKS: "2" },
    { OMPI_COMM_WORLD_RANK: "2", OMPI_COMM_WORLD_SIZE: "2" },
    { OMPI_COMM_WORLD_RANK: "0", OMPI_COMM_WORLD_SIZE: "-1" },
    { OMPI_COMM_WORLD_RANK: "0" },
  ];
  for (const variables of junk) {
    assert.throws(() => of(variables), userError(/to be a rank below/));
  }
  assert.match(trainCommand({ size: 3 }), /^mpirun -n 3 deno task train$/);
});

Deno.test("without MPI's library ranks are told what to install", async () => {
  await assert.rejects(
    MpiRanks.join({ rank: 0, size: 2 }, "libnone.so.40"),
    userError(/libnone\.so\.40[^]*apt-get install openmpi-bin/),
  );
});

Deno.test("ranks that differ are told in what, and of whom", async () => {
  const [first, second] = ranksInMemory(2);
  if (!first || !second) return assert.fail();
  for (const texts of await Promise.all([textsOf(first, "a"), textsOf(second, "größer")])) {
    assert.deepEqual(texts, ["a", "größer"]);
  }
  const own = { clickgan: "1", data: { sha256: "aa" } };
  const agree = (theirs: object) => {
    const both = [
      expectAgreement(first, "left", own),
      expectAgreement(second, "right", { ...own, ...theirs }),
    ];
    return Promise.allSettled(both);
  };
  for (const { status } of await agree({})) assert.equal(status, "fulfilled");
  for (const theirs of [{ data: { sha256: "bb" } }, { clickgan: "2" }, { more: 1 }]) {
    for (const result of await agree(theirs)) {
      assert.ok(result.status === "rejected");
      assert.match(result.reason.message, /on rank 0 \(left\).* on rank 1 \(right\)/);
    }
  }
});

Deno.test("what ranks cannot train is refused before they begin", () => {
  const source = sourceOf(smallLog(31, { users: 90, items: 30, width: 0 }));
  const training = { ...defaultTraining, batchSize: 12 };
  const config = { model: defaultModel, training, pretrain: true, adversarial: null };
  const check = (size: number, syncEvery: number, more: object = {}) =>
    expectTrainable({ size, syncEvery }, { ...config, ...more }, source);
  check(2, 1);
  check(12, 10);
  const adversarial = { ...defaultAdversarial, batchSize: 1 };
  const refused: [() => void, RegExp][] = [
    [() => check(13, 1), /users in a batch \(--batch-size\)/],
    [() => check(2, 4), /--validate-every of a multiple of --sync-every 4.*--validate-every 12/],
    [() => check(2, 1, { model: { ...defaultModel, batchNorm: true } }), /--batch-norm/],
    [() => check(2, 1, { adversarial }), /--adversarial-batch-size/],
    [() => expectAsMany({ size: 2, syncEvery: 1 }, undefined, "run"), /mpirun -n 2 deno task train --resume/],
    [() => expectAsMany(undefined, { size: 2 }, "run"), /began, 1, got 2/],
  ];
  for (const [attempt, message] of refused) assert.throws(attempt, userError(message));
  expectAsMany({ size: 2, syncEvery: 1 }, { size: 2 }, "run");
});
