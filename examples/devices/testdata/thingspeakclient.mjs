// Writes a reading by npm's thingspeakclient, and prints what it reads: SERVER CHANNEL KEY.
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";

const [server, channel, key] = process.argv.slice(2);
const ThingSpeakClient = createRequire(join(process.env.NODE_MODULES, "x.js"))("thingspeakclient");
const client = new ThingSpeakClient({ server, useTimeoutMode: false });
const call = (name) => promisify(client[name].bind(client));
const id = Number(channel);

await call("attachChannel")(id, { writeKey: key, readKey: key });
console.log("written as", await call("updateChannel")(id, { field1: 21.5, field2: 40, status: "warm" }));
const { feeds } = await call("getChannelFeeds")(id, { results: 1 });
console.log("feed", JSON.stringify(feeds.map((row) => [row.entry_id, row.field1])));
console.log("last", (await call("getLastEntryInChannelFeed")(id, {})).field2);
console.log("field", JSON.stringify((await call("getFieldFeed")(id, 1, {})).feeds.map((row) => row.field1)));
console.log("last of field", (await call("getLastEntryInFieldFeed")(id, 2, {})).field2);
console.log("status", JSON.stringify((await call("getStatusUpdates")(id, {})).feeds.map((row) => row.status)));
