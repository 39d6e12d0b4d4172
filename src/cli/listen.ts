/** Listens on a port of this machine, for this machine alone. */

import { UserError } from "../user_error.ts";

export const HOST = "127.0.0.1";

/** @throws UserError for a port that is taken or not permitted. */
export function listen(port: number, handle: Deno.ServeHandler): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: HOST, port, onListen: () => {} }, handle);
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
    throw new UserError(
      `cannot listen on ${HOST}:${port}: ${
        error instanceof Deno.errors.AddrInUse ? "another program does" : "the system does not permit it"
      }. Choose another --port; 0 takes any that is free.`,
      { cause: error },
    );
  }
}
