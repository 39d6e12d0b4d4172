/**
 * Checks the web server: an answer in parts, an unread answer, late requests. Also checks the lab with
 * requests that no browser sends. Runs as a separate process, because tests may not use the network.
 */

import assert from "node:assert/strict";
import { listen } from "../../src/serve/listen.ts";

/** Number of files that the lab may have open: fewer than the connections that it accepts. */
const DESCRIPTORS = 80;
const IDLE = 120;

const parts = Array.from({ length: 300 }, (_, k) => `${k},`.repeat(1000));
const gone = Promise.withResolvers<void>();
const server = listen({ port: 0, allowHost: [], connections: 4 }, async ({ path, body, isGone }) => {
  if (path === "/read") {
    return new Response(await new Response(ReadableStream.from(body)).text().catch(String));
  }
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

const connect = (to = port) => Deno.connect({ hostname: "127.0.0.1", port: to });

async function answerTo(connection: Deno.TcpConn, text: string): Promise<string> {
  await connection.write(new TextEncoder().encode(text));
  return await new Response(connection.readable).text().catch(() => "");
}

const UNFINISHED = "GET / HTTP/1.1\r\nX: ";

/** Returns which of two unfinished requests the server closes first. Headers have a shorter time limit. */
async function firstToEnd(): Promise<string> {
  const [older, newer] = [await connect(server.port), await connect(server.port)];
  const host = `Host: 127.0.0.1:${server.port}`;
  const body = answerTo(older, `POST /read HTTP/1.1\r\n${host}\r\nContent-Length: 9\r\n\r\n{`);
  const first = await Promise.race([
    body.then(() => "body"),
    answerTo(newer, UNFINISHED).then(() => "headers"),
  ]);
  if (first === "headers") older.close(); // the server has closed the other one
  return first;
}

async function requestStatus(...headers: string[]): Promise<number> {
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
    [403, own, "Host: evil.example"],
    [403, own, own],
    [403, own, "Sec-Fetch-Site: cross-site"],
    [403, own, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"],
    [200, own, "Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
    [200, own, "Sec-Fetch-Site: same-origin"],
    [200, own, "Sec-Fetch-Site: none"],
    [403, own, "Origin: http://127.0.0.1:1"],
    [400, "X: no Host"],
  ];
  for (const [status, ...headers] of asked) {
    assert.equal(await requestStatus(...headers), status, headers.join());
  }

  const first = firstToEnd();

  // Some connections are answered, some are closed at once, and some wait for a descriptor.
  const idle = await Promise.all(Array.from({ length: IDLE }, () => connect()));
  const one = idle.shift() ?? assert.fail();
  assert.match(await answerTo(one, UNFINISHED), /^HTTP\/1\.1 408 /);
  for (const connection of idle) connection.close();
  assert.equal(await first, "headers");
  server.close();
  assert.equal(await requestStatus(own), 200, "after more connections than descriptors");

  const unfinished = await connect();
  const begun = answerTo(unfinished, `POST /x HTTP/1.1\r\n${own}\r\nContent-Length: 9\r\n\r\n{`);
  const late = answerTo(await connect(), UNFINISHED);
  lab.kill("SIGINT");
  assert.equal((await lab.status).code, 0);
  await begun;
  assert.doesNotMatch(await late, / 408 /, "an endless request is closed before its time limit");
} finally {
  await output.cancel();
  try {
    lab.kill("SIGKILL");
  } catch {
    // The process has ended.
  }
}
