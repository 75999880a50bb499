-- Takes Fernet tokens apart that travel in plain HTTP: version, time, vector, ciphertext, code. It needs no key and opens nothing.
--
-- A token is 80, the time in seconds (8 bytes), a vector (16), a ciphertext in blocks of 16, and an HMAC-SHA256 (32), as URL-safe
-- base64: https://github.com/fernet/spec/blob/master/Spec.md

local fernet = Proto("fernet", "Fernet token")

local field = {
  token = ProtoField.string("fernet.token", "Token"),
  version = ProtoField.uint8("fernet.version", "Version", base.HEX),
  time = ProtoField.absolute_time("fernet.time", "Sealed at, by the sender's clock", base.UTC),
  vector = ProtoField.string("fernet.iv", "Vector (IV)"),
  blocks = ProtoField.uint32("fernet.blocks", "Blocks of ciphertext"),
  least = ProtoField.uint32("fernet.least", "Least bytes inside"),
  most = ProtoField.uint32("fernet.most", "Most bytes inside"),
  code = ProtoField.string("fernet.mac", "Code (HMAC-SHA256)"),
}
fernet.fields = {
  field.token, field.version, field.time, field.vector, field.blocks, field.least, field.most, field.code,
}

-- Where tokens stand, put together from all segments: in an address, in a form, in a body.
local places = { Field.new("http.request.uri"), Field.new("http.file_data") }

local digits = {}
for i = 0, 63 do
  digits[("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):byte(i + 1)] = i
end

-- decode returns the bytes of URL-safe base64, or nothing if it is none.
local function decode(text)
  local padding = #text:match("=*$")
  if #text % 4 ~= 0 or padding > 2 then return nil end
  local out, word, have = {}, 0, 0
  for i = 1, #text - padding do
    local digit = digits[text:byte(i)]
    if not digit then return nil end
    word, have = word * 64 + digit, have + 6
    if have >= 8 then
      have = have - 8
      local byte = math.floor(word / 2 ^ have)
      out[#out + 1] = string.char(byte)
      word = word - byte * 2 ^ have
    end
  end
  return table.concat(out)
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

-- add shows a token, if it is one.
local function add(tree, text)
  local raw = decode(text)
  if not raw or #raw < 73 or (#raw - 57) % 16 ~= 0 or raw:byte(1) ~= 0x80 then return false end
  local seconds = 0
  for i = 2, 9 do seconds = seconds * 256 + raw:byte(i) end
  local blocks = (#raw - 57) / 16
  local node = tree:add(fernet, ("Fernet token of %d characters"):format(#text))
  node:add(field.token, text)
  node:add(field.version, raw:byte(1))
  if seconds < 2 ^ 31 then node:add(field.time, NSTime.new(seconds, 0)) end
  node:add(field.vector, hex(raw:sub(10, 25)))
  node:add(field.blocks, blocks)
  node:add(field.least, blocks * 16 - 16)
  node:add(field.most, blocks * 16 - 1)
  node:add(field.code, hex(raw:sub(-32)))
  return true
end

-- The most tokens of a packet that are shown, and the most bytes that are looked through: a feed may have thousands.
local most_tokens, most_bytes = 200, 4 * 1024 * 1024

-- text_of returns what stands in a field: in newer versions of Wireshark some are bytes that were texts in older ones.
local function text_of(info)
  local ok, value = pcall(function() return info.value end)
  if ok and type(value) == "userdata" then
    ok, value = pcall(function() return value:raw() end)
  end
  if ok and type(value) == "string" then return value:sub(1, most_bytes) end
  return ""
end

function fernet.dissector(_, info, tree)
  local found, seen = 0, {}
  for _, place in ipairs(places) do
    for _, value in ipairs({ place() }) do
      local text = text_of(value):gsub("%%3[Dd]", "=")
      for token in text:gmatch("gAAAA[%w_-]+=*") do
        if found >= most_tokens then return end
        if not seen[token] and add(tree, token) then
          found, seen[token] = found + 1, true
        end
      end
    end
  end
  if found > 0 then info.cols.info:append(("  [%d Fernet token%s]"):format(found, found == 1 and "" or "s")) end
end

register_postdissector(fernet)

-- The port of "fernpost relay", which Wireshark does not know; "Decode As" or -d tcp.port==PORT,http names another one.
local known, http = pcall(Dissector.get, "http-over-tcp")
if not known or not http then http = Dissector.get("http") end
DissectorTable.get("tcp.port"):add(3000, http)
