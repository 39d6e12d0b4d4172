/** HTTP server for clients on this machine. It refuses foreign hosts and too many connections. */

import { type IncomingHttpHeaders, type IncomingMessage, Server, type ServerResponse } from "node:http";
import { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { UserError } from "../user_error.ts";

export const HOST = "127.0.0.1";

/** Host names of this machine that the header Host may contain. */
const LOOPBACK: readonly string[] = [HOST, "localhost", "[::1]"];

/** Time limits in ms. Node checks the limits of headers and requests every LOOK_MS. */
const HEADERS_MS = 5000;
const REQUEST_MS = 10_000;
const WRITE_MS = 30_000;
const LOOK_MS = 1000;

/** An HTTP request, whose body can be read only once. */
export interface ServiceRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: AsyncIterable<Uint8Array>;
  /** Returns true if the client has disconnected. */
  readonly isGone?: () => boolean;
}

export interface ListenOptions {
  readonly port: number;
  /** Additional host names that the headers Host and Origin may contain, such as the name of a proxy. */
  readonly allowHost: readonly string[];
  /** Maximum number of open connections. Further connections are closed, or wait for a file descriptor. */
  readonly connections: number;
}

/** Starts the server. @throws UserError if the port is in use, or if the system does not permit the port. */
export function listen(
  { port, allowHost, connections }: ListenOptions,
  handle: (request: ServiceRequest) => Response | Promise<Response>,
): { readonly port: number; close(): void } {
  const listener = listenerOn(port);
  const server = new InjectedServer(async (request, response) => {
    const answer = findRefusal(request, allowHost) ?? await handle(buildRequest(request, response));
    await send(answer, response);
  });
  const ended = new AbortController();
  void acceptAll(listener, server, connections, ended.signal);
  const close = () => {
    ended.abort();
    listener.close();
  };
  return { port: listener.addr.port, close };
}

function listenerOn(port: number): Deno.TcpListener {
  try {
    return Deno.listen({ hostname: HOST, port });
  } catch (error) {
    const taken = error instanceof Deno.errors.AddrInUse;
    if (!taken && !(error instanceof Deno.errors.PermissionDenied)) throw error;
    const why = taken ? "the port is in use" : "the system does not permit it";
    throw new UserError(
      `Cannot listen on ${HOST}:${port}: ${why}. Choose another --port, or --port 0 for any free port.`,
      { cause: error },
    );
  }
}

/**
 * Accepts up to `most` connections at a time, and closes further connections. Node's own server would exceed
 * this limit, and would accept no more connections after file descriptors have run out.
 */
async function acceptAll(
  listener: Deno.TcpListener,
  server: Server,
  most: number,
  ended: AbortSignal,
): Promise<void> {
  let open = 0;
  while (!ended.aborted) {
    const connection = await listener.accept().catch(() => undefined);
    if (!connection) await new Promise((resolve) => setTimeout(resolve, 100)); // no free descriptor
    else if (open >= most) connection.close();
    else {
      open++;
      const socket = new InjectedSocket(connection);
      socket.on("close", () => open--);
      socket.on("error", () => {}); // the client has disconnected
      server.emit("connection", socket);
    }
  }
}

/** A Node server, with time limits, for connections that {@link acceptAll} accepts. */
class InjectedServer extends Server {
  constructor(answer: (request: IncomingMessage, response: ServerResponse) => void) {
    const limits = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS };
    super({ ...limits, connectionsCheckingInterval: LOOK_MS }, answer);
    Object.defineProperty(this, "listening", { value: true });
    this.emit("listening");
  }
}

class InjectedSocket extends Duplex {
  readonly #buffer = new Uint8Array(2 ** 14);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly connection: Deno.TcpConn) {
    super();
    connection.setNoDelay(true); // send each part of a response at once, without Nagle's algorithm
  }

  /** Closes the connection after `ms` milliseconds (0: never). Node's server calls this method. */
  setTimeout(ms: number): this {
    clearTimeout(this.#timer);
    this.#timer = ms > 0 ? setTimeout(() => this.destroy(), ms) : undefined;
    return this;
  }

  override async _read(): Promise<void> {
    try {
      const read = await this.connection.read(this.#buffer);
      this.push(read === null ? null : this.#buffer.slice(0, read));
    } catch (error) {
      this.destroy(error instanceof Error ? error : undefined);
    }
  }

  override async _write(bytes: Uint8Array, _: string, done: (error?: Error) => void): Promise<void> {
    const late = setTimeout(() => this.destroy(), WRITE_MS);
    try {
      for (let at = 0; at < bytes.length;) at += await this.connection.write(bytes.subarray(at));
      done();
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
    } finally {
      clearTimeout(late);
    }
  }

  override _final(done: () => void): void {
    done();
    this.destroy();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.connection.close();
    done(error);
  }
}

/**
 * Returns an error response if a web page of another site may have sent the request, otherwise undefined.
 * Such a page could let its own host name resolve to this machine (DNS rebinding), but then the header Host
 * has this foreign name. A page that uses this service's own name sends a foreign Origin or the header
 * `Sec-Fetch-Site: cross-site`. Links that a user follows are allowed, because the other site cannot read the
 * response.
 */
function findRefusal(
  { rawHeaders, headers }: IncomingMessage,
  allowHost: readonly string[],
): Response | undefined {
  const { host = "", origin } = headers;
  const hosts = rawHeaders.filter((name, k) => k % 2 === 0 && name.toLowerCase() === "host").length;
  if (hosts > 1) return refuse("Expected one Host header", String(hosts));
  const [requested, allowed] = [host.toLowerCase(), allowHost.map((name) => name.toLowerCase())];
  const named = requested.replace(/:\d*$/, "");
  if (![...LOOPBACK, ...allowed].includes(named)) {
    return refuse(`Expected a Host header with ${LOOPBACK.join(", ")} or a host of --allow-host`, host);
  }
  if (origin === undefined) {
    const site = headers["sec-fetch-site"];
    const isLink = headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
    if (site !== "cross-site" || isLink) return undefined;
    return refuse("Expected a request from the same site", site);
  }
  const from = URL.parse(origin);
  if (from && (from.host === requested || allowed.includes(from.hostname))) return undefined;
  return refuse(`Expected an Origin with the host ${requested} or a host of --allow-host`, origin);
}

function refuse(expected: string, found: string): Response {
  return Response.json({ error: `${expected}, got ${JSON.stringify(found)}.` }, { status: 403 });
}

function buildRequest(request: IncomingMessage, response: ServerResponse): ServiceRequest {
  const { method = "", url = "", headers } = request;
  return {
    method,
    path: url.replace(/[?#].*$/, ""),
    headers,
    // Keep the connection open if the body was only partly read, so that the error response can be sent.
    body: request.iterator({ destroyOnReturn: false }),
    isGone: () => response.destroyed,
  };
}

/** Sends a response. A chunked response is sent no faster than the client reads it. */
async function send(answer: Response, response: ServerResponse): Promise<void> {
  const inParts = answer.headers.has("transfer-encoding") ? answer.body : null;
  const body = inParts ? undefined : new Uint8Array(await answer.arrayBuffer());
  response.on("error", () => {}); // the client has disconnected
  response.writeHead(answer.status, Object.fromEntries(answer.headers));
  if (inParts) await pipeline(inParts, response).catch(() => {});
  else response.end(body);
}
