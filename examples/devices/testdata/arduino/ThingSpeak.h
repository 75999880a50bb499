// Speaks as the vendor's library ThingSpeak 2.1.1 does, as far as a sketch sees it and the wire shows it: always to
// api.thingspeak.com, port 80, and of the answer it wants the status and a Content-Length.
#pragma once
#include <stdio.h>

#include "Client.h"

class ThingSpeakClass {
 public:
  bool begin(Client &to) { return client = &to, true; }

  int setField(unsigned int field, const String &value) { return body += field ? name(field) + value + "&" : "", 200; }
  int setField(unsigned int field, int value) { return setField(field, String(value)); }
  int setField(unsigned int field, float value) {
    char text[24];
    snprintf(text, sizeof text, "%.5f", value);
    return setField(field, String(text));
  }
  int setStatus(const String &text) { return body += "status=" + text + "&", 200; }

  int writeFields(unsigned long, const char *key) {
    String form = body + "headers=false";
    body = "";
    String answer;
    int status = ask("POST /update", key, "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " +
                     String((unsigned long)form.size()) + "\r\n", form, answer);
    return status != 200 ? status : answer == "0" ? -401 : 200;
  }

  String readStringField(unsigned long channel, unsigned int field, const char *key) {
    String answer;
    ask("GET /channels/" + String(channel) + "/fields/" + String((int)field) + "/last", key, "", "", answer);
    return answer;
  }

 private:
  static String name(unsigned int field) { return "field" + String((int)field) + "="; }

  int ask(const String &what, const char *key, const String &headers, const String &form, String &answer) {
    if (!client->connect("api.thingspeak.com", 80)) return -301;
    client->print(what + " HTTP/1.1\r\nHost: api.thingspeak.com\r\nUser-Agent: tslib-arduino/2.1.1 (unknown)\r\n" +
                  "X-THINGSPEAKAPIKEY: " + key + "\r\n" + headers + "\r\n" + form);
    int status = client->find("HTTP/1.1") ? client->parseInt() : -304;
    if (status == 200) {
      long length = client->find("Content-Length:") ? client->parseInt() : -1;
      if (length < 0 || !client->find("\r\n\r\n")) status = -303;
      while (status == 200 && length-- > 0) answer += (char)client->read();
    }
    client->stop();
    return status;
  }

  Client *client = NULL;
  String body;
};

static ThingSpeakClass ThingSpeak;
