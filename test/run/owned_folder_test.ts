import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import {
  isTemporaryName,
  makeFolder,
  makeTemporaryName,
  openTemporary,
  writeFileAtomically,
} from "../../src/files/atomic_write.ts";
import { isUserError, withEmptyFolder } from "./folder_check.ts";
import { DENO_FLAGS } from "../../src/deno_flags.ts";
import { Lock } from "../../src/files/lock.ts";
import { expectEmpty, listContents, OwnedFolder, SIGN } from "../../src/files/owned_folder.ts";
import { explainFileError, formatPath, pathExists } from "../../src/files/local_file.ts";
import { UserError } from "../../src/user_error.ts";
import { explainFailure } from "../../src/cli/run_main.ts";
import { listFiles, splitArgs } from "../command_check.ts";
import { makeFifo } from "../bad_inputs/files.ts";
import { holdPlace } from "../../src/files/write_scope.ts";

Deno.test("atomicWriteFile writes text, bytes and pieces over a killed process's file, and leaves no other", () =>
  withEmptyFolder(async (folder) => {
    using _held = holdPlace(folder);
    const path = `${folder}/file`;
    await Deno.writeTextFile(makeTemporaryName(path), "what was to become a much longer file");
    await writeFileAtomically(path, "schön");
    assert.equal(Deno.readTextFileSync(path), "schön");
    await writeFileAtomically(path, new Uint8Array([1, 2]));
    assert.deepEqual(Deno.readFileSync(path), new Uint8Array([1, 2]));
    await writeFileAtomically(path, [
      new Uint8Array([1, 2]),
      new Uint8Array(),
      new Uint8Array(300_000).fill(3),
    ]);
    assert.equal(Deno.readFileSync(path).length, 300_002);
    assert.deepEqual(listFiles(folder), ["file"]);
  }));

Deno.test("atomicWriteFile keeps the old contents on failure, and removes its temporary file", () =>
  withEmptyFolder(async (folder) => {
    using _held = holdPlace(folder);
    const path = `${folder}/file`;
    await writeFileAtomically(path, "old");
    // Missing bytes simulate a full disk, because tests may not open /dev/full.
    const full = Object.assign(new Error("No space left on device (os error 28)"), { code: "ENOSPC" });
    const half = {
      length: 2 ** 20,
      subarray: () => {
        throw full;
      },
    } as unknown as Uint8Array;
    const pieces = [new Uint8Array(10), half];
    await assert.rejects(
      writeFileAtomically(path, pieces),
      isUserError(/file: the disk is full\. Free some space/),
    );
    assert.equal(Deno.readTextFileSync(path), "old");
    assert.deepEqual(listFiles(folder), ["file"]);
  }));

Deno.test("writing a file and creating a folder report the obstacle", () =>
  withEmptyFolder(async (folder) => {
    await makeFolder(`${folder}/a/b`);
    await makeFolder(`${folder}/a/b`);
    assert.ok(Deno.statSync(`${folder}/a/b`).isDirectory);
    Deno.writeTextFileSync(`${folder}/file`, "");
    const cases: [write: typeof makeFolder, path: string, says: RegExp][] = [
      [makeFolder, "file", /the folder .*file: a file with this name exists/],
      [makeFolder, "file/x", /a part of this path is a file/],
      [(path) => writeFileAtomically(path, "x"), "a", /cannot write .*a: the path is a folder/],
      [(path) => writeFileAtomically(path, "x"), "file/x", /file\/x: a part of this path is a file/],
      [(path) => writeFileAtomically(path, "x"), "no/x", /no\/x: no such file or folder/],
      [(path) => writeFileAtomically(path, "x"), "n".repeat(300), /the name is too long/],
    ];
    for (const [write, path, says] of cases) {
      await assert.rejects(write(`${folder}/${path}`), isUserError(says));
    }
    assert.deepEqual(listFiles(folder), ["a", "file"]);
  }));

const RUN = { what: "it", option: "--there" };

async function otherProcess(script: string): Promise<Disposable> {
  const imports = `
    import { OwnedFolder } from ${JSON.stringify(import.meta.resolve("../../src/files/owned_folder.ts"))};
    import { openTemporary } from ${JSON.stringify(import.meta.resolve("../../src/files/atomic_write.ts"))};`;
  const code = `${imports}\n${script}\nconsole.log("ready"); setInterval(() => {}, 1000);`;
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      ...DENO_FLAGS,
      ...splitArgs(`--no-prompt --allow-read --allow-write data:text/typescript,${encodeURIComponent(code)}`),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.match(new TextDecoder().decode((await reader.read()).value), /ready/);
  return {
    [Symbol.dispose]() {
      child.kill("SIGKILL");
    },
  };
}

async function eventually<T>(work: () => T | Promise<T>): Promise<T> {
  for (let tries = 0;; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

Deno.test("a folder has one owner, a second is refused with the owner's process, and no file remains", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/a/run`;
    {
      using _owned = await OwnedFolder.begin(path, RUN);
      assert.throws(
        () => OwnedFolder.open(path),
        isUserError(new RegExp(`run is being written by process ${Deno.pid} \\(`)),
      );
      await Deno.writeTextFile(`${path}/x`, "");
    }
    assert.deepEqual(listFiles(path), ["x"]);
    await assert.rejects(
      OwnedFolder.begin(path, RUN),
      isUserError(
        /new or empty folder for it, but .*run holds x\. Choose another --there; nothing was changed/,
      ),
    );
    using again = OwnedFolder.open(path);
    assert.equal(again.path, path);
  }));

Deno.test("a folder created for an owner is removed if it stays empty", () =>
  withEmptyFolder(async (folder) => {
    (await OwnedFolder.begin(`${folder}/new`, RUN))[Symbol.dispose]();
    Deno.mkdirSync(`${folder}/old`);
    (await OwnedFolder.begin(`${folder}/old`, RUN))[Symbol.dispose]();
    OwnedFolder.open(`${folder}/old`)[Symbol.dispose]();
    assert.deepEqual(listFiles(folder), ["old"]);
    assert.throws(() => OwnedFolder.open(`${folder}/no`), isUserError(/a folder at .*no, found none/));
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assert.rejects(
      OwnedFolder.begin(`${folder}/file`, RUN),
      isUserError(/a part of this path is a file/),
    );
  }));

Deno.test("a killed owner frees its folder, and the next one removes only its temporary files", () =>
  withEmptyFolder(async (folder) => {
    const [mine, theirs] = [`${folder}/.notes.tmp`, `${folder}/config.json.1a2b3c4d.tmp`];
    {
      using _other = await otherProcess(`
        OwnedFolder.open(${JSON.stringify(folder)});
        openTemporary(${JSON.stringify(`${folder}/config.json`)}).file.writeSync(new Uint8Array(9));`);
      assert.throws(() => OwnedFolder.open(folder), isUserError(/is being written by process \d+ \(/));
      for (const path of [mine, theirs]) Deno.writeTextFileSync(path, "the user's own");
      assert.ok(await pathExists(makeTemporaryName(`${folder}/config.json`)));
      assert.deepEqual(
        listContents(folder),
        [".notes.tmp", "config.json.1a2b3c4d.tmp"],
        "what is ours does not count",
      );
    }
    (await eventually(() => OwnedFolder.open(folder)))[Symbol.dispose]();
    assert.deepEqual(listFiles(folder), [".notes.tmp", "config.json.1a2b3c4d.tmp"]);
    for (const path of [mine, theirs]) assert.equal(Deno.readTextFileSync(path), "the user's own");
  }));

Deno.test("another process's temporary file is neither used nor removed", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/page.html`;
    {
      using _other = await otherProcess(`openTemporary(${JSON.stringify(path)});`);
      assert.equal(openTemporary(path), undefined);
      OwnedFolder.open(folder)[Symbol.dispose]();
      assert.ok(await pathExists(makeTemporaryName(path)));
    }
    await eventually(() => writeFileAtomically(path, "whole"));
    assert.deepEqual(listFiles(folder), ["page.html"]);
    assert.equal(Deno.readTextFileSync(path), "whole");
  }));

Deno.test("after concurrent writes, a file has the complete text of one writer", () =>
  withEmptyFolder(async (folder) => {
    using _held = holdPlace(folder);
    const path = `${folder}/file`;
    const texts = Array.from({ length: 20 }, (_, k) => String(k).repeat(100_000));
    await Promise.all(texts.map((text) => writeFileAtomically(path, text)));
    assert.ok(texts.includes(Deno.readTextFileSync(path)));
    assert.deepEqual(listFiles(folder), ["file"]);
  }));

Deno.test("a file is replaced only if it has the same owner or kind, and keeps its permissions", () =>
  withEmptyFolder(async (folder) => {
    const at = (name: string) => `${folder}/${name}`;
    Deno.mkdirSync(at("mine"));
    for (const name of ["mine/file", "kind", "other"]) {
      Deno.writeTextFileSync(at(name), `{\n "format": "${name}"`);
    }
    Deno.symlinkSync(at("kind"), at("link"));
    Deno.symlinkSync(at("none"), at("dangling"));
    Deno.symlinkSync(at("mine"), at("way"));
    Deno.chmodSync(at("kind"), 0o640);
    if (Deno.build.os !== "windows") await makeFifo("pipe")(folder);
    using _held = holdPlace(at("mine"));
    const write = (name: string) => writeFileAtomically(at(name), "new", '"format": "kind"');
    for (const name of ["mine/file", "way/file", "kind", "absent"]) {
      await write(name);
      assert.equal(Deno.readTextFileSync(at(name)), "new");
    }
    if (Deno.build.os !== "windows") assert.equal((Deno.statSync(at("kind")).mode ?? 0) & 0o777, 0o640);
    const before = listFiles(folder);
    for (const name of ["other", "link", "dangling", "pipe", "mine", "kind"]) {
      await assert.rejects(write(name), isUserError(new RegExp(`/${name}[ :]`)), name);
    }
    assert.deepEqual(listFiles(folder), before);
  }));

Deno.test("a foreign file with a reserved name is refused, not written through", () =>
  withEmptyFolder(async (folder) => {
    const [path, victim] = [`${folder}/file`, `${folder}/victim`];
    Deno.writeTextFileSync(victim, "precious");
    Deno.symlinkSync(victim, makeTemporaryName(path));
    const refused = isUserError(/clickgan-tmp to be free for a temporary file, found another file/);
    await assert.rejects(writeFileAtomically(path, "x"), refused);
    Deno.linkSync(victim, makeTemporaryName(`${folder}/second`));
    await assert.rejects(writeFileAtomically(`${folder}/second`, "x"), refused);
    Deno.symlinkSync(victim, `${folder}/lock`);
    assert.throws(
      () => Lock.take(`${folder}/lock`, "it"),
      isUserError(/Expected .*lock to be free for a lock, found another file/),
    );
    assert.equal(Deno.readTextFileSync(victim), "precious");
    OwnedFolder.open(folder)[Symbol.dispose]();
    assert.ok(Deno.lstatSync(makeTemporaryName(path)).isSymlink);
  }));

Deno.test("Lock.wait waits for its turn, and reports the owner once", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/lock`;
    const first = Lock.take(path, "the cache");
    const told: string[] = [];
    const second = Lock.wait(path, "the cache", (holder) => told.push(holder));
    await new Promise((done) => setTimeout(done, 300));
    first[Symbol.dispose]();
    (await second)[Symbol.dispose]();
    assert.equal(told.length, 1);
    assert.match(told[0] ?? "", /^process \d+ /);
    assert.deepEqual(listFiles(folder), []);
  }));

Deno.test("temporary names are recognised, and an empty folder may hold them", () =>
  withEmptyFolder(async (folder) => {
    assert.ok(isTemporaryName(makeTemporaryName("a/b/train.csv").split("/").at(-1) ?? ""));
    for (
      const name of ["train.csv", "train.csv.clickgan-tmp", ".clickgan-tmp", ".x.tmp", ".clickgan-tmp.x"]
    ) {
      assert.ok(!isTemporaryName(name), name);
    }
    Deno.writeTextFileSync(makeTemporaryName(`${folder}/config.json`), "half");
    expectEmpty(folder, RUN);
    (await OwnedFolder.begin(folder, RUN))[Symbol.dispose]();
    assert.deepEqual(listFiles(folder), []);
  }));

Deno.test("folders created together are marked as incomplete, removed on failure, and created again", () =>
  withEmptyFolder(async (folder) => {
    const path = `${folder}/made`;
    const purpose = { ...RUN, own: ["a.csv", "b.json"], work: /^work\./ };
    const write = (name: string, text: string) => Deno.writeTextFileSync(`${path}/${name}`, text);
    const refused = () => OwnedFolder.begin(path, purpose);
    {
      using _left = await OwnedFolder.begin(path, purpose);
      assert.deepEqual(listFiles(path).filter((name) => !name.endsWith(".lock")), [SIGN]);
      write("a.csv", "half");
      write("work.db", "half");
    }
    assert.deepEqual(listFiles(folder), [], "what is not whole goes");
    Deno.mkdirSync(path);
    for (const name of [SIGN, "a.csv", "work.db", "notes.txt"]) {
      write(name, "of a killed process, or foreign");
    }
    await assert.rejects(refused, isUserError(/holds notes\.txt/));
    assert.deepEqual(listFiles(path), [SIGN, "a.csv", "notes.txt", "work.db"]);
    Deno.removeSync(`${path}/notes.txt`);
    {
      using whole = await OwnedFolder.begin(path, purpose);
      assert.ok(!listFiles(path).includes("a.csv"));
      for (const name of ["b.json", "work.db", "notes.txt"]) write(name, "{}");
      whole.finish();
    }
    assert.deepEqual(listFiles(path), ["b.json", "notes.txt"]);
    await assert.rejects(refused, isUserError(/holds b\.json/));
    assert.deepEqual(listFiles(path), ["b.json", "notes.txt"]);
  }));

Deno.test("folders created together are replaced while any mark exists; foreign folders are not replaced", () =>
  withEmptyFolder(async (folder) => {
    const purpose = { what: "the table", option: "--out", own: ["a.csv"] };
    const paths = [`${folder}/first`, `${folder}/second`];
    const write = () => paths.forEach((path) => Deno.writeTextFileSync(`${path}/a.csv`, "whole"));
    const expectBegun = () => paths.forEach((path) => expectEmpty(path, purpose, paths));
    const { removeSync } = Deno;
    for (let at = 0, ended = false; !ended; at++) {
      assert.ok(at < 5);
      using owned = new DisposableStack();
      const folders: OwnedFolder[] = [];
      for (const path of paths) folders.push(owned.use(await OwnedFolder.begin(path, purpose, paths)));
      write();
      let removals = 0;
      Deno.removeSync = (...args) => removals++ < at ? removeSync(...args) : assert.fail("killed here");
      try {
        OwnedFolder.finishAll(folders);
        ended = true;
      } catch {
        expectBegun();
      } finally {
        Deno.removeSync = removeSync;
      }
    }
    assert.throws(expectBegun, isUserError(/first holds a\.csv/));
    Deno.writeTextFileSync(`${paths[1]}/${SIGN}`, "");
    for (const order of [paths, paths.toReversed()]) {
      assert.throws(() => expectEmpty(`${folder}/first`, purpose, order), isUserError(/first holds a\.csv/));
    }
  }));

const coded = (code: string, message = `system: ${code}`) => Object.assign(new Error(message), { code });
const notCapable = (what: string) => new Deno.errors.NotCapable(what);

Deno.test("errors of the file system have a cause and a remedy, on one line", () => {
  const cases: [error: Error, doing: string, path: string, says: RegExp][] = [
    [coded("ELOOP"), "read", "x", /^cannot read x: links lead to each other in a loop/],
    [coded("ELOOP"), "write", "x", /Remove one of these links, or choose another path/],
    [coded("EACCES"), "write", "p", /^cannot write p: permission denied\./],
    [coded("EWHATEVER"), "read", "x", /^cannot read x: system: EWHATEVER\. Check the path/],
    [coded("ENOENT"), "read", "", /^cannot read "" \(an empty path\): no such file or folder/],
    [
      coded("ENAMETOOLONG"),
      "read",
      "y".repeat(5000),
      /^cannot read y{150}\.\.\.y{75} \(5000 characters\): the name/,
    ],
    [
      notCapable("no"),
      "read",
      "/dev/stdin",
      /the path is in a system folder, which this program does not use/,
    ],
    [
      notCapable("no"),
      "write",
      "/devices/x",
      /has no permission for the path\. Start the command with deno task/,
    ],
  ];
  for (const [error, doing, path, says] of cases) {
    const explained = explainFileError(error, doing, path);
    assert.ok(explained instanceof UserError, String(explained));
    assert.match(explained.message, says);
    assert.doesNotMatch(explained.message, /\n/);
  }
  assert.equal(explainFileError("text", "read", "x"), "text");
  assert.equal(formatPath("a\nb\x1b[31m"), "a\\x0ab\\x1b[31m");
});

Deno.test("system errors become a line with path and cause; program faults do not", () =>
  withEmptyFolder(async (folder) => {
    Deno.symlinkSync(`${folder}/loop`, `${folder}/loop`);
    const long = `/${"n".repeat(5000)}`;
    const cases: [error: Error | (() => unknown), words: RegExp][] = [
      [() => Deno.statSync(`${folder}/loop`), /\/loop: .*(links|symbolic)/],
      // Without all permissions, Deno's message has no path.
      [
        coded("ENAMETOOLONG", `File name too long (os error 36): readfile '${long}'`),
        /^cannot read \/n+\.\.\..*: the name is too long\. \w/,
      ],
      [() => Deno.readTextFile(""), /(empty|"")/],
      [() => Deno.stat("a\0b"), /does not accept this name/],
      [() => readFileSync(`${folder}/none`), /\/none: no such file or folder/],
      [() => Deno.mkdir(`${folder}/a/b`), /^cannot make the folder .*\/a\/b: /],
      [() => new Uint8Array(2 ** 45), /Expected enough memory/],
      [
        () => new Deno.Command("clickgan-none").output(),
        /Expected the command clickgan-none, found none\. Install it/,
      ],
      [coded("EIO"), /the disk reports an error/],
      [coded("EWHATEVER", "the moon is full"), /the moon is full\. \w/],
      [new SuppressedError(coded("EIO"), coded("ENOSPC")), /the disk is full/],
      [new Error("outer", { cause: coded("ENOSPC") }), /the disk is full/],
      [notCapable('Requires read access to "/x", run again'), /cannot use \/x: /],
    ];
    for (const [made, words] of cases) {
      const error = made instanceof Error ? made : await thrownBy(made);
      const found = explainFailure(error) ?? assert.fail(`${error}: taken for a fault`);
      assert.match(found.message, words);
      assert.ok(found.message.length < 1000, found.message);
    }
    const faults = [
      new TypeError("x is not a function"),
      new RangeError("Invalid typed array length: -1"),
      "text",
    ];
    for (const fault of [...faults, undefined]) assert.equal(explainFailure(fault), undefined);
  }));

async function thrownBy(action: () => unknown): Promise<unknown> {
  try {
    await action();
  } catch (error) {
    return error;
  }
  return assert.fail("expected an error");
}
