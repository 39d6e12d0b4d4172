/** An answer in parts, and one that nobody waits for; then starts the lab and asks it what a browser would not; a process of its own, as the tests may not use the network. */

import assert from "node:assert/strict";
import { listen } from "../../src/serve/listen.ts";

/** Of the lab: fewer than it allows connections. */
const DESCRIPTORS = 80;
const IDLE = 120;

const parts = Array.from({ length: 300 }, (_, k) => `${k},`.repeat(1000));
const gone = Promise.withResolvers<void>();
const server = listen({ port: 0, allowHost: [], connections: 4 }, async ({ path, isGone }) => {
  if (path === "/parts") {
    const body = ReadableStream.from(parts).pipeThrough(new TextEncoderStream());
    return new Response(body, { headers: { "transfer-encoding": "chunked" } });
  }
  while (!isGone?.()) await new Promise((resolve) => setTimeout(resolve, 20));
  gone.resolve();
  return new Response();
});
const url = `http://127.0.0.1:${server.port}`;
assert.equal(await (await fetch(`${url}/parts`)).text(), parts.join(""));
await assert.rejects(fetch(`${url}/late`, { signal: AbortSignal.timeout(100) }));
await gone.promise;
server.close();

const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../../deno.json", import.meta.url)));
const command = `${tasks.lab.command} --no-open --port 0 --allow-host shop.example`;
const lab = new Deno.Command("sh", {
  args: [
    "-c",
    `ulimit -n ${DESCRIPTORS}; export DENO_NO_UPDATE_CHECK=1; exec ${command.replace(/^\S+=1 /, "")}`,
  ],
  cwd: new URL("../..", import.meta.url),
  stdout: "piped",
}).spawn();
const output = lab.stdout.pipeThrough(new TextDecoderStream()).getReader();
const port = Number(/127\.0\.0\.1:(\d+)/.exec((await output.read()).value ?? "")?.[1]);

const connect = () => Deno.connect({ hostname: "127.0.0.1", port });

/** What comes until the other side closes. */
async function answerTo(connection: Deno.TcpConn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text().catch(() => "");
}

async function statusOf(...headers: string[]): Promise<number> {
  const lines = ["GET / HTTP/1.1", ...headers, "Connection: close", "", ""];
  return Number((await answerTo(await connect(), lines.join("\r\n"))).split(" ")[1]);
}

try {
  const own = `Host: 127.0.0.1:${port}`;
  const asked: [number, ...string[]][] = [
    [200, own],
    [200, "Host: LocalHost"],
    [200, "Host: shop.example:443", "Origin: https://shop.example"],
    [200, own, `Origin: http://127.0.0.1:${port}`],
    [403, `Host: evil.example:${port}`],
    [403, "Host: 127.0.0.1.evil.example"],
    [403, "Host: a b"],
    [403, own, "Origin: http://evil.example"],
    [403, own, "Origin: null"],
    [403, own, "Origin: http://127.0.0.1:1"],
    [400, "X: no Host"],
  ];
  for (const [status, ...headers] of asked) assert.equal(await statusOf(...headers), status, headers.join());

  // Some are answered, some closed at once, and some wait for a descriptor.
  const idle = await Promise.all(Array.from({ length: IDLE }, connect));
  const first = idle.shift() ?? assert.fail();
  assert.match(await answerTo(first, "GET / HTTP/1.1\r\nX: "), /^HTTP\/1\.1 408 /);
  for (const connection of idle) connection.close();
  assert.equal(await statusOf(own), 200, "after more connections than descriptors");

  const unfinished = await connect();
  const begun = answerTo(unfinished, `POST /x HTTP/1.1\r\n${own}\r\nContent-Length: 9\r\n\r\n{`);
  lab.kill("SIGINT");
  assert.equal((await lab.status).code, 0);
  await begun;
} finally {
  await output.cancel();
  try {
    lab.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}
