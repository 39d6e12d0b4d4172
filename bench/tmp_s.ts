import { buildLab } from "../src/lab/build.ts";
const page=await buildLab(); const b=(t="")=>Math.round(new TextEncoder().encode(t).length/1000);
const d=(id:string)=>new RegExp(`<script type="application/json" id="${id}">(.*)</script>`).exec(page.single)?.[1]??"";
console.log(b(d("lab-kernels")),b(page.files.get("machine_code.js")),b(page.single));
