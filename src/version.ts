/** Version of this program, which runs record. */
import config from "../deno.json" with { type: "json" };

export const version: string = config.version;
