"""A device as people write it with Eclipse Paho: HOST PORT TRANSPORT CAFILE CLIENT_ID PASSWORD CHANNEL. It subscribes, publishes
with QoS 0 to 2, and prints what comes back, a line each."""

import sys

import paho.mqtt.client as mqtt

host, port, transport, cafile, client_id, password, channel = sys.argv[1:]
version = getattr(mqtt, "CallbackAPIVersion", None)  # since 2.0
arguments = [version.VERSION1] if version else []
client = mqtt.Client(*arguments, client_id=client_id, clean_session=True, transport=transport)
client.username_pw_set(client_id, password)
if cafile:
    client.tls_set(ca_certs=cafile)
came = 0


def on_connect(client, userdata, flags, code):
    if code != 0:
        sys.exit("refused with code %d" % code)
    client.subscribe([("channels/%s/subscribe/fields/field1" % channel, 2)])


def on_subscribe(client, userdata, mid, granted):
    print("granted", [getattr(g, "value", g) for g in granted])
    for qos in range(3):
        client.publish("channels/%s/publish" % channel, "field1=paho-%d&status=MQTTPUBLISH" % qos, qos=qos, retain=True)


def on_message(client, userdata, message):
    global came
    print(message.topic, message.payload.decode(), "retained" if message.retain else "")
    came += 1
    if came == 3:
        client.disconnect()


client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
client.connect(host, int(port), 60)
client.loop_forever()
