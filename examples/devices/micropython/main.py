"""A board with MicroPython that seals its values itself. Put this file and fernet.py on it."""
import socket
import time

import fernet

RELAY = ("192.168.1.9", 3000)  # or api.thingspeak.com and port 80
WRITE_KEY = "AAAABBBBCCCCDDDD"
ROOM_KEY = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="  # fernpost key derive --profile tutorial


def post(fields):
    """Sends an update, and returns the number of the entry, or 0 if it came too soon after the last one."""
    form = "&".join("%s=%s" % field for field in fields.items())
    head = "POST /update HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nX-THINGSPEAKAPIKEY: %s\r\n" % (RELAY[0], WRITE_KEY)
    head += "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(form)
    connection = socket.socket()
    try:
        connection.connect(socket.getaddrinfo(RELAY[0], RELAY[1])[0][-1])
        connection.sendall((head + form).encode())
        answer = b""
        while True:
            part = connection.recv(512)
            if not part:
                break
            answer += part
    finally:
        connection.close()
    return int(answer.split(b"\r\n\r\n", 1)[1])


def main():
    # Join your network first (boot.py), and set the clock (ntptime.settime()): a token of 1970 is refused as too old.
    while True:
        entry = post({"field1": fernet.seal(ROOM_KEY, b"21.5"), "field2": fernet.seal(ROOM_KEY, b"40")})
        print("entry", entry)
        time.sleep(15)


if __name__ == "__main__":
    main()
