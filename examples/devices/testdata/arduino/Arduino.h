// As much of the Arduino core, on the machine that runs the tests, as the sketches of these examples need.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <string>

class String : public std::string {
 public:
  String(const char *text = "") : std::string(text) {}
  String(const std::string &text) : std::string(text) {}
  explicit String(long number) : std::string(std::to_string(number)) {}
  explicit String(unsigned long number) : std::string(std::to_string(number)) {}
  explicit String(int number) : std::string(std::to_string(number)) {}
};

inline String operator+(const String &a, const String &b) { return String(a).append(b); }
inline String operator+(const String &a, const char *b) { return a + String(b); }
inline String operator+(const char *a, const String &b) { return String(a) + b; }

// Stream is what can be read as far as something that is looked for.
class Stream {
 public:
  virtual ~Stream() {}
  virtual int available() = 0;
  virtual int read() = 0;
  virtual int peek() = 0;
  virtual size_t write(const uint8_t *bytes, size_t size) = 0;
  size_t print(const String &text) { return write((const uint8_t *)text.data(), text.size()); }

  bool find(const char *what) {
    std::string seen;
    for (int c; (c = read()) >= 0;) {
      seen += (char)c;
      if (seen.find(what) != std::string::npos) return true;
    }
    return false;
  }

  long parseInt() {
    long number = 0, sign = 1;
    int c = peek();
    while (c >= 0 && c != '-' && (c < '0' || c > '9')) read(), c = peek();
    if (c == '-') sign = -1, read();
    for (c = peek(); c >= '0' && c <= '9'; c = peek()) number = 10 * number + read() - '0';
    return sign * number;
  }
};

struct SerialPort {
  void begin(long) {}
  void println(const String &text);
};
extern SerialPort Serial;

inline void delay(unsigned long) {}
inline void configTime(long, int, const char *) {}
void esp_fill_random(void *buffer, size_t size);
void setup();
void loop();
