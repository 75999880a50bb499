// Fernet tokens (https://github.com/fernet/spec) with nothing but Node.js. As a program it seals or opens standard input:
//
//     FERNET_KEY=… node fernet.mjs seal < text > token
//     FERNET_KEY=… node fernet.mjs open < token > text
import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readFileSync, realpathSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Returns the token of a text. It says in clear when it was made, in seconds since 1970. */
export function seal(key, text, seconds = Math.floor(Date.now() / 1000), iv = randomBytes(16)) {
  const { signing, encryption } = halves(key);
  const head = Buffer.alloc(9);
  head[0] = 0x80;
  head.writeBigUInt64BE(BigInt(seconds), 1);
  const cipher = createCipheriv("aes-128-cbc", encryption, iv);
  const body = Buffer.concat([head, iv, cipher.update(text), cipher.final()]);
  return base64(Buffer.concat([body, mac(signing, body)]));
}

/** Returns what a token holds, and when it was made, or throws: the key is another one, or somebody altered the token. */
export function open(key, token) {
  const { signing, encryption } = halves(key);
  const raw = bytesOf(token);
  const body = raw.subarray(0, -32);
  if (body.length < 41 || body[0] !== 0x80 || !timingSafeEqual(raw.subarray(-32), mac(signing, body))) {
    throw new Error("the key does not open this token");
  }
  const decipher = createDecipheriv("aes-128-cbc", encryption, body.subarray(9, 25));
  const text = Buffer.concat([decipher.update(body.subarray(25)), decipher.final()]);
  return { text, seconds: Number(body.readBigUInt64BE(1)) };
}

function halves(key) {
  const raw = bytesOf(key);
  if (raw.length !== 32) throw new Error("a key has 44 characters");
  return { signing: raw.subarray(0, 16), encryption: raw.subarray(16) };
}

const mac = (key, bytes) => createHmac("sha256", key).update(bytes).digest();

// Node.js writes base64url without the "=" that Fernet has at its end, and reads what is none of it.
const base64 = (raw) => raw.toString("base64").replaceAll("+", "-").replaceAll("/", "_");

function bytesOf(text) {
  const raw = Buffer.from(text, "base64url");
  if (base64(raw) !== text) throw new Error("this is no base64url");
  return raw;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const input = readFileSync(0);
  try {
    if (process.argv[2] === "seal") console.log(seal(process.env.FERNET_KEY.trim(), input));
    else process.stdout.write(open(process.env.FERNET_KEY.trim(), input.toString().trim()).text);
  } catch (why) {
    console.error(`error: ${why.message}`);
    process.exitCode = 1;
  }
}
