package form

import (
	"bytes"
	"errors"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

// FuzzForm: whatever comes in, what goes on is UTF-8 without NUL, and decoding an encoded value gives it back.
func FuzzForm(f *testing.F) {
	for _, s := range []string{
		"", "&&=&", "a=b&c=d", "field1=100%&field2=%zz+%4", "a=%ff%00", "=x", "a=b=c==", "%61=%2B", "\xff=\xfe", "a+b=c+d",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		all, err := ParseQuery(s)
		if err != nil && strings.Count(s, "&") < maxParams {
			t.Errorf("ParseQuery(%q): %v", s, err)
		}
		for _, p := range all {
			if p.Name == "" || !utf8.ValidString(p.Name+p.Value) || strings.Contains(p.Name+p.Value, "\x00") {
				t.Errorf("ParseQuery(%q) holds %q = %q", s, p.Name, p.Value)
			}
		}
		want := clean(s)
		all, err = ParseQuery("field1=" + url.QueryEscape(want))
		if err != nil || len(all) != 1 || all[0].Value != want {
			t.Errorf("an encoded %q came back as %+v", want, all)
		}
	})
}

// FuzzMultipart: an error of ours or parameters that are UTF-8, as many bytes as came at most; and what the standard
// library writes comes back.
func FuzzMultipart(f *testing.F) {
	for _, s := range []string{
		"", "--X--", "--X\r\n\r\n--X--\r\n", "--X\r\nContent-Disposition: form-data; name=\"field1\"\r\n\r\n77\r\n--X--\r\n",
		"--X\nContent-Disposition: form-data; name=a; filename=b\n\n\xff\x00\n--X--", "--X\r\nContent-Disposition: x",
		"--X\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=41\r\n--X--",
		"preamble\r\n--X\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--X--\r\nepilogue", "--X--\r\n--X",
	} {
		f.Add("multipart/form-data; boundary=X", []byte(s))
	}
	f.Add("multipart/form-data", []byte("--"))
	f.Add("application/x-www-form-urlencoded", []byte("\r\n--X \r\ncontent-disposition: form-data; name=a\r\n\r\n5\r\n--X--"))
	f.Add("", []byte("--X\nContent-Disposition: form-data; name=a\n\n5\n--X--"))
	f.Add("multipart/form-data; boundary=\"\xff\"", []byte("--\xff--"))
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		all, err := parseMultipart(media, body)
		if _, ours := errors.AsType[*Error](err); err != nil && !ours {
			t.Errorf("the error is %v, which is none of ours", err)
		}
		size := 0
		for _, p := range all {
			size += len(p.Value)
			if p.Name == "" || !utf8.ValidString(p.Name+p.Value) || strings.Contains(p.Name+p.Value, "\x00") {
				t.Errorf("parseMultipart(%q) holds %q = %q", body, p.Name, p.Value)
			}
		}
		if size > len(body) {
			t.Errorf("%d bytes hold values of %d", len(body), size)
		}
		call, beside, err := decodeBulkMultipart(media, body, 3)
		checkBulk(t, call, beside, err)

		var form bytes.Buffer
		w := multipart.NewWriter(&form)
		want := clean(string(body))
		if err := errors.Join(w.WriteField("field1", want), w.Close()); err != nil {
			t.Fatal(err)
		}
		all, err = parseMultipart(w.FormDataContentType(), form.Bytes())
		if err != nil || len(all) != 1 || all[0].Value != want {
			t.Errorf("%q came back as %+v, %v", want, all, err)
		}
	})
}

// FuzzJSON: an error or parameters that are UTF-8, never a panic.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"a":1}`, `{"a":"b","c":null,"d":[1],"e":{"f":2},"g":true,"h":-1.5e3}`, "[]", "1", `{"a":1}` + "\r\n",
		`{"a":"\ud800"}`, `{"a":"` + "\xff" + `"}`, strings.Repeat("[", 1000), `{"a":` + strings.Repeat(`{"a":`, 1000),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := parseJSON(body)
		if err != nil {
			return
		}
		for _, p := range all {
			if !utf8.ValidString(p.Name + p.Value) {
				t.Errorf("parseJSON(%q) holds %q = %q", body, p.Name, p.Value)
			}
		}
	})
}

// FuzzXML: an error or parameters that are UTF-8, never a panic.
func FuzzXML(f *testing.F) {
	for _, s := range []string{
		"", "<a/>", "<a><b>c</b></a>", `<?xml version="1.0"?><a><b-c>d&amp;e</b-c><f nil="true"/><g><h>i</h></g></a>`,
		"<a><b>", "</a>", "<a><![CDATA[<b>]]></a>", "<!DOCTYPE a><a/>", strings.Repeat("<a>", 1000), "<a>\xff</a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		all, err := parseXML(body)
		if err != nil {
			return
		}
		for _, p := range all {
			if !utf8.ValidString(p.Name+p.Value) || strings.Contains(p.Value, "\x00") {
				t.Errorf("parseXML(%q) holds %q = %q", body, p.Name, p.Value)
			}
		}
	})
}

// FuzzBulkJSON: an error, or not more rows than there may be, with texts that are UTF-8.
func FuzzBulkJSON(f *testing.F) {
	for _, s := range []string{
		"", "{}", `{"write_api_key":"K","updates":[{"created_at":"2018-01-23 10:26:12 -0500","field1":"1"}],"timezone":"UTC"}`,
		`{"updates":{"delta_t":5,"1":true,"status":null}}`, `{"updates":[{"delta_t":0},{"delta_t":9e9},{"delta_t":"-1"}]}`,
		`{"updates":[[]]}`, `{"updates":[{"created_at":1e20,"latitude":1.5}]}`, `{"updates":[`, `{"updates":[{},{},{},{}]}`,
		`{"updates":[],"updates":[{}]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, beside, err := decodeBulkJSON(body, 3)
		checkBulk(t, call, beside, err)
	})
}

// FuzzBulkForm does the same for CSV.
func FuzzBulkForm(f *testing.F) {
	for _, s := range []string{
		"", "write_api_key=K&time_format=absolute&updates=2018-06-14T12:12:22-0500,1,,3|1528978342,,2",
		"time_format=relative&updates=0,a|15,b|", "updates=%7C%7C%2C&updates=,", "updates=1,2,3,4,5,6,7,8,9,10,11,12,13",
		"time_format=%ff&updates=%00", "updates=a|b|c|d", "time_format=relative&updates=9999999999999999999|-1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, beside, err := decodeBulkForm(bytes.Clone(body), 3)
		checkBulk(t, call, beside, err)
	})
}

func checkBulk(t *testing.T, call *Bulk, beside []Param, err error) {
	t.Helper()
	if err != nil {
		if _, ours := errors.AsType[*Error](err); !ours {
			t.Errorf("the error is %v, which is none of ours", err)
		}
		return
	}
	for _, p := range beside {
		if !utf8.ValidString(p.Name + p.Value) {
			t.Errorf("beside the updates there is %q = %q", p.Name, p.Value)
		}
	}
	if len(call.Rows) > 3 {
		t.Errorf("%d rows, at most 3", len(call.Rows))
	}
	for i, r := range call.Rows {
		for _, v := range append(r.Entry.Fields[:], r.Entry.Status, r.Entry.Elevation, r.Entry.Latitude, r.Entry.Longitude) {
			if !utf8.ValidString(v.Text) {
				t.Errorf("row %d holds %q", i, v.Text)
			}
		}
	}
}

// FuzzDecodedSize: whatever is sent and however it is decoded, before anybody asks for a key it takes no more memory than a multiple
// of its own length, beside what so many parameters and rows as there may be take when they are empty.
func FuzzDecodedSize(f *testing.F) {
	const part = "--X\r\nContent-Disposition: form-data; name=key\r\n\r\n\r\n"
	for _, s := range []string{
		"", strings.Repeat("key&", 5000), strings.Repeat("&", 5000), "updates=" + strings.Repeat("1|", 5000), strings.Repeat("1=&", 5000),
		strings.Repeat(part, 1500) + "--X--", `{"updates":[` + strings.Repeat("{},", 5000), `{` + strings.Repeat(`"a":1,`, 1500),
		strings.Repeat(`{"updates":`, 1500), "<a>" + strings.Repeat("<b/>", 1500) + "</a>", `{"updates":[{"1":"\ud800"}],"key":"\u0001"}`,
	} {
		f.Add("multipart/form-data; boundary=X", []byte(s))
		f.Add("application/x-www-form-urlencoded", []byte(s))
		f.Add("text/xml", []byte(s))
		f.Add("application/json", []byte(s))
	}
	f.Fuzz(func(t *testing.T, media string, body []byte) {
		const rows = 960
		size := func(all []Param) (n int) {
			n = len(all) * int(unsafe.Sizeof(Param{}))
			for _, p := range all {
				n += len(p.Name) + len(p.Value)
			}
			return n
		}
		most := 2*len(body) + maxParams*int(unsafe.Sizeof(Param{}))
		query, _ := ParseQuery(string(body))
		params, _ := Parse(media, bytes.Clone(body))
		if n := max(size(query), size(params)); n > most {
			t.Errorf("%d bytes hold parameters of %d", len(body), n)
		}
		for _, asJSON := range []bool{false, true} {
			call, beside, err := ParseBulk(asJSON, media, bytes.Clone(body), rows)
			if err != nil {
				continue
			}
			n := size(beside) + len(call.Rows)*int(unsafe.Sizeof(BulkRow{}))
			for _, r := range call.Rows {
				n += len(r.Time)
				for _, v := range append(r.Entry.Fields[:], r.Entry.Status, r.Entry.Elevation, r.Entry.Latitude, r.Entry.Longitude) {
					n += len(v.Text)
				}
			}
			if n > most+rows*int(unsafe.Sizeof(BulkRow{})) {
				t.Errorf("%d bytes hold a bulk call of %d", len(body), n)
			}
		}
	})
}
