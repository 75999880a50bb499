"""A subscriber as people write it with Eclipse Paho: HOST PORT USER PASSWORD FILTER COUNT. It prints what comes, a line each."""

import sys

import paho.mqtt.client as mqtt

host, port, user, password, topics, count = sys.argv[1:]
version = getattr(mqtt, "CallbackAPIVersion", None)  # since 2.0
client = mqtt.Client(*([version.VERSION1] if version else []))
client.username_pw_set(user, password)
left = int(count)


def on_connect(client, userdata, flags, code):
    if code != 0:
        sys.exit("refused with code %d" % code)
    client.subscribe(topics)


def on_message(client, userdata, message):
    global left
    print(message.topic, message.payload.decode())
    left -= 1
    if left == 0:
        client.disconnect()


client.on_connect, client.on_message = on_connect, on_message
client.connect(host, int(port), 60)
client.loop_forever()
