/** The version of this program, as written into runs. */
import config from "../deno.json" with { type: "json" };

export const version: string = config.version;
