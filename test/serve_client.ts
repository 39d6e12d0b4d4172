/** `serve_client.ts URL CALLS.json REQUESTS CLIENTS` sends requests and prints the load's result as JSON. */

import { load } from "./serve_load.ts";

const [url = "", file = "", requests = "", clients = ""] = Deno.args;
const calls = JSON.parse(await Deno.readTextFile(file));
const result = await load(url, calls, { requests: Number(requests), clients: Number(clients) });
console.log(JSON.stringify(result));
