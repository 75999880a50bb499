// Does what standard input asks for with node/fernet.mjs, as vectors.py has it.
import { readFileSync } from "node:fs";
import { open, seal } from "../node/fernet.mjs";

const hex = (text) => Buffer.from(text, "hex");
for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const [what, key, ...rest] = line.split(" ");
  try {
    if (what === "seal") {
      console.log(seal(key, hex(rest[2].slice(1)), rest[0], hex(rest[1])));
    } else {
      const { text, seconds } = open(key, rest[0]);
      console.log(`${seconds} x${text.toString("hex")}`);
    }
  } catch {
    console.log("refused");
  }
}
