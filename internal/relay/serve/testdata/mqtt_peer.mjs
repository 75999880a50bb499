// A device written with the package mqtt of npm: it subscribes to a field of a channel, publishes three values with
// QoS 1 and 2, and prints what comes.
// Arguments: ADDRESS CAFILE DEVICE PASSWORD CHANNEL
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const mqtt = createRequire(join(process.env.NODE_MODULES, "here.js"))("mqtt");
const [address, cafile, device, password, channel] = process.argv.slice(2);
const client = await mqtt.connectAsync(address, {
	clientId: device,
	username: device,
	password,
	ca: cafile ? readFileSync(cafile) : undefined,
	reconnectPeriod: 0,
});
const topic = `channels/${channel}/subscribe/fields/field1`;
const done = new Promise((resolve) => {
	let left = 3;
	client.on("message", (from, payload, packet) => {
		console.log(`${from} ${payload} ${packet.retain ? "retained" : ""}`);
		if (--left === 0) resolve();
	});
});
const granted = await client.subscribeAsync(topic, { qos: 2 });
console.log(`granted [${granted.map((g) => g.qos)}]`);
for (let i = 0; i < 3; i++) await client.publishAsync(`channels/${channel}/publish`, `field1=npm-${i}`, { qos: 1 + (i % 2) });
await done;
await client.endAsync();
