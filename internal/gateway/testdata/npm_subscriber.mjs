// A subscriber written with the package mqtt of npm: HOST PORT USER PASSWORD FILTER COUNT. It prints what comes, a line each.
import { createRequire } from "node:module";
import { join } from "node:path";

const mqtt = createRequire(join(process.env.NODE_MODULES, "here.js"))("mqtt");
const [host, port, username, password, topics, count] = process.argv.slice(2);
const client = await mqtt.connectAsync(`mqtt://${host}:${port}`, { username, password, reconnectPeriod: 0 });
let left = Number(count);
const done = new Promise((resolve) => {
	client.on("message", (topic, payload) => {
		console.log(`${topic} ${payload}`);
		if (--left === 0) resolve();
	});
});
await client.subscribeAsync(topics);
await done;
await client.endAsync();
