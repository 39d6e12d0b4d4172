/** What a command fetches on a fresh machine: the packages that it uses, and nothing by `deno task` itself. */

import { describeProcess, readTask } from "../../src/cli/launch.ts";
import assert from "node:assert/strict";
import * as v from "../../src/schema.ts";
import { CHILD_ENVIRONMENT } from "../../src/cli/setup.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { withEmptyFolder } from "../run/folder_check.ts";

const root = new URL("../../", import.meta.url);
/** Where nobody answers: what needs the network fails at once. */
const NOWHERE = "http://127.0.0.1:9";
const NO_NETWORK = {
  HTTPS_PROXY: NOWHERE,
  HTTP_PROXY: NOWHERE,
  NO_PROXY: "",
  ...CHILD_ENVIRONMENT,
  NO_COLOR: "1",
};

/** A dependency of types alone has no code, and is not fetched. */
const dependencySchema = v.object({ code: v.optional(v.object({ specifier: v.optional(v.string(), "") })) });
const graphSchema = v.object({
  modules: v.array(v.object({
    ...{ specifier: v.string(), error: v.optional(v.string()) },
    dependencies: v.optional(v.array(dependencySchema), []),
  })),
});
const lockSchema = v.object({
  specifiers: v.record(v.string(), v.string()),
  npm: v.record(
    v.string(),
    v.object({
      dependencies: v.optional(v.array(v.string()), []),
      optionalDependencies: v.optional(v.array(v.string()), []),
      os: v.optional(v.array(v.string())),
    }),
  ),
});
const configSchema = v.object({
  nodeModulesDir: v.string(),
  unstable: v.array(v.string()),
  tasks: v.record(v.string(), v.object({ command: v.optional(v.string()) })),
});

async function readJson<T>(name: string, schema: v.GenericSchema<unknown, T>): Promise<T> {
  return v.parse(schema, JSON.parse(await Deno.readTextFile(new URL(name, root))));
}

/** Names of the packages of modules and of all that they depend on; those of other systems are left out. */
async function packagesOf(...modules: string[]): Promise<string[]> {
  const lock = await readJson("deno.lock", lockSchema);
  const keys = Object.keys(lock.npm);
  /** The lock file leaves the version out where there is but one. */
  const keyOf = (name: string) => keys.find((key) => key === name || nameOf(key) === name);
  const found = new Set<string>();
  const add = (key: string) => {
    const entry = lock.npm[key] ?? assert.fail(`${key} is not in deno.lock`);
    if (found.has(key) || (entry.os && !entry.os.includes(Deno.build.os))) return;
    found.add(key);
    for (const name of [...entry.dependencies, ...entry.optionalDependencies]) {
      add(keyOf(name) ?? assert.fail(`${name}, which ${key} needs, is not in deno.lock`));
    }
  };
  for (const module of modules) {
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", ...DENO_FLAGS, module],
      cwd: root,
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const graph = v.parse(graphSchema, JSON.parse(new TextDecoder().decode(stdout)));
    for (const { specifier, error, dependencies } of graph.modules) {
      assert.equal(error, undefined, specifier);
      for (const { code } of dependencies) {
        const [, spec] = /^npm:\/?((?:@[^/]+\/)?[^/]+)/.exec(code?.specifier ?? "") ?? [];
        if (spec !== undefined) add(spec);
      }
    }
  }
  return [...new Set([...found].map(nameOf))];
}

/** @param key such as @a/b@1.0.0_c@2.0.0 */
function nameOf(key: string): string {
  return key.slice(0, key.indexOf("@", 1));
}

const HEAVY =
  /^(@duckdb\/|@tensorflow\/|@jax-js\/|@esbuild\/|onnxruntime-)|^(esbuild|playwright-core|chart\.js|fast-check)$/;
const heavy = (packages: readonly string[]) => packages.filter((name) => HEAVY.test(name));

Deno.test("training, evaluation, reports and experiments use small packages, and few", async () => {
  const commands = [
    ...[
      "train",
      "evaluate",
      "predict",
      "recommend",
      "serve",
      "export",
      "report",
      "reproduce",
      "tune",
    ] as const,
    ...["selftest", "simulate", "policy"] as const,
  ];
  for (const name of commands) {
    const packages = await packagesOf(readTask(name).module);
    assert.deepEqual(heavy(packages), [], name);
    assert.ok(packages.includes("valibot"));
    assert.ok(packages.length <= 20, `${name}: ${packages.length} packages`);
  }
});

Deno.test("the launcher and the set-up use no package: they start at once", async () => {
  assert.deepEqual(await packagesOf("src/cli/launch.ts", "src/cli/setup.ts"), []);
});

Deno.test("of what is large, the data commands use the engine alone", async () => {
  const found = heavy(await packagesOf("src/commands/data/data.ts"));
  assert.ok(found.length > 0);
  for (const name of found) assert.match(name, /^@duckdb\//);
});

Deno.test("deno task fetches nothing, and its commands their own packages", async () => {
  const { nodeModulesDir, unstable, tasks } = await readJson("deno.json", configSchema);
  assert.equal(nodeModulesDir, "manual");
  // Without it Deno fetches the whole lock file for any module.
  assert.ok(unstable.includes("npm-lazy-caching"));
  for (const [name, { command = "" }] of Object.entries(tasks)) {
    if (!/\bdeno (run|test|check|cache)\b/.test(command)) continue;
    for (const flag of DENO_FLAGS) assert.ok(command.includes(` ${flag} `) || command.endsWith(flag), name);
  }
  await withEmptyFolder(async (DENO_DIR) => {
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--eval", "echo done"],
      cwd: root,
      env: { ...NO_NETWORK, DENO_DIR },
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.ok(success, said);
    assert.doesNotMatch(said, /Download|Warning/);
  });
});

Deno.test("packages that cannot be fetched end a command with Deno's message and a failure", () =>
  withEmptyFolder(async (DENO_DIR) => {
    const { args, env } = describeProcess("train", ["--help"]);
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { ...env, ...NO_NETWORK, DENO_DIR },
    }).output();
    assert.ok(!success);
    assert.match(new TextDecoder().decode(stderr), /error: .*npm package/);
  }));
