// Runs testdata/vectors.py in npm's MicroPython.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const micropython = join(process.env.NODE_MODULES, "@micropython", "micropython-webassembly-pyscript", "micropython.mjs");
const { loadMicroPython } = await import(pathToFileURL(micropython));
const python = await loadMicroPython({ stdout: (line) => console.log(line), linebuffer: true });
python.FS.writeFile("/fernet.py", readFileSync(new URL("../micropython/fernet.py", import.meta.url)));
python.FS.writeFile("/vectors.py", readFileSync(new URL("vectors.py", import.meta.url)));
python.globals.set("lines", readFileSync(0, "utf8"));
const program = `
import sys
sys.path.append("/")
from vectors import answer
for line in lines.strip().split("\\n"):
    print(answer(line))
`;
try {
  python.runPython(program);
} catch (why) {
  console.error(why.message); // Node.js would print the whole interpreter with it
  process.exitCode = 1;
}
