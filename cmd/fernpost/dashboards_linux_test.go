package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fernpost/fernpost/internal/testenv"
	"github.com/fernpost/fernpost/internal/testenv/nodered"
)

// dashboard returns a file of examples/dashboards, with the test's gateway, channel and key in it.
func (d *doors) dashboard(name string) string {
	d.t.Helper()
	text, err := os.ReadFile(filepath.Join("../../examples/dashboards", name))
	if err != nil {
		d.t.Fatal(err)
	}
	own := strings.NewReplacer("http://192.168.1.9:8080", d.url, "4711123", d.channel, "AAAABBBBCCCCDDDD", d.key)
	return own.Replace(string(text))
}

// path returns what stands behind the gateway in an address.
func (d *doors) path(address string) string {
	d.t.Helper()
	path, ok := strings.CutPrefix(address, d.url)
	if !ok {
		d.t.Fatalf("%s is not at the gateway", address)
	}
	return path
}

// write writes readings as a form has them.
func (d *doors) write(readings ...string) {
	d.t.Helper()
	for i, form := range readings {
		values, err := url.ParseQuery(form)
		if err != nil {
			d.t.Fatal(err)
		}
		values.Set("api_key", d.key)
		answer, err := http.PostForm(d.url+"/update", values)
		if err != nil {
			d.t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(body) != strconv.Itoa(i+1) {
			d.t.Fatalf("%s is answered %q, %v", form, body, err)
		}
	}
}

// TestGrafana asks what Grafana's data source Infinity asks for the query of the example, and makes of the answer what
// the columns say.
func TestGrafana(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	d.write("field1=21.5&field2=40", "field1=22")
	var query struct {
		URL     string
		Options struct{ Params []struct{ Key, Value string } } `json:"url_options"`
		Root    string                                         `json:"root_selector"`
		Columns []struct{ Selector, Type string }
	}
	if err := json.Unmarshal([]byte(d.dashboard("grafana-infinity.json")), &query); err != nil {
		t.Fatal(err)
	}
	params := url.Values{}
	for _, p := range query.Options.Params {
		at := func(which string, when time.Time) {
			p.Value = strings.ReplaceAll(p.Value, "${__"+which+":date:YYYY-MM-DD HH:mm:ss}", when.UTC().Format(time.DateTime))
		}
		at("from", time.Now().Add(-time.Hour))
		at("to", time.Now().Add(time.Minute))
		params.Set(p.Key, p.Value)
	}
	answer := d.get(d.path(query.URL)+"?"+params.Encode(), http.Header{
		"User-Agent": {"Grafana/11.6"}, "Accept": {"application/json;q=0.9,text/plain"}, "X-Thingspeakapikey": {d.key},
	})
	var tree map[string]json.RawMessage
	var rows []map[string]any
	if err := json.Unmarshal(answer, &tree); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(tree[query.Root], &rows); err != nil {
		t.Fatalf("%s: %v", query.Root, err)
	}
	var got []string
	for _, row := range rows {
		var cells []string
		for _, c := range query.Columns {
			switch v := row[c.Selector].(type) {
			case nil:
				cells = append(cells, "null")
			case string:
				var err error
				if c.Type == "timestamp" {
					_, err = time.Parse(time.RFC3339, v)
					v = "time"
				} else {
					_, err = strconv.ParseFloat(v, 64)
				}
				if err != nil {
					t.Errorf("%s: %v", c.Selector, err)
				}
				cells = append(cells, v)
			default:
				t.Errorf("%s is %v", c.Selector, v)
			}
		}
		got = append(got, strings.Join(cells, " "))
	}
	if diff := cmp.Diff([]string{"time 21.5 40", "time 22 null"}, got); diff != "" {
		t.Errorf("the rows (-want +got):\n%s", diff)
	}
}

// TestHomeAssistant: the templates of the example find numbers in the answer to its resource.
func TestHomeAssistant(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	d.write("field1=20&field2=39", "field1=21.5&field2=40")
	config := d.dashboard("home-assistant.yaml")
	answer := d.get(d.path(find(t, config, `resource: (\S+)$`)), http.Header{
		"User-Agent": {"HomeAssistant/2026.11 aiohttp/3.13"}, "Accept": {"*/*"},
		find(t, config, `^ +(\S+): !secret fernpost_key$`): {d.key},
	})
	var values map[string]any
	if err := json.Unmarshal(answer, &values); err != nil {
		t.Fatal(err)
	}
	var got []any
	for _, m := range regexp.MustCompile(`value_template: "{{ value_json\.(\w+) }}"`).FindAllStringSubmatch(config, -1) {
		got = append(got, values[m[1]])
	}
	if diff := cmp.Diff([]any{"21.5", "40"}, got); diff != "" {
		t.Errorf("the sensors show (-want +got):\n%s", diff)
	}
}

// TestMATLAB asks what webread and webwrite ask, and looks for what the script makes of the answers.
func TestMATLAB(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	script := d.dashboard("readings.m")
	form := url.Values{}
	written := find(t, script, `webwrite\(gateway \+ "/update", (.*)\);$`)
	for _, m := range regexp.MustCompile(`"(\w+)", "?([^",]+)"?`).FindAllStringSubmatch(written, -1) {
		form.Set(m[1], m[2])
	}
	d.write(form.Encode())
	path := find(t, script, `webread\(gateway \+ "(\S+)", "results", 8000, options\)\.feeds;`)
	answer := d.get(path+"?results=8000", http.Header{
		"User-Agent": {"MATLAB 24.2.0.2712019 (R2024b)"}, "Accept": {"application/json"},
		find(t, script, `"HeaderFields", \["(\S+)" "`+d.key+`"\]`): {d.key},
	})
	var feed struct {
		Feeds []struct {
			Created string `json:"created_at"`
			Field1  string
		}
	}
	if err := json.Unmarshal(answer, &feed); err != nil || len(feed.Feeds) != 1 || feed.Feeds[0].Field1 != "21.5" {
		t.Fatalf("it reads %s, %v", answer, err)
	}
	format := strings.NewReplacer("yyyy", "2006", "MM", "01", "dd", "02", "'", "", "HH", "15", "mm", "04", "ss", "05")
	if _, err := time.Parse(format.Replace(find(t, script, `"InputFormat", "([^"]+)"`)), feed.Feeds[0].Created); err != nil {
		t.Error(err)
	}
}

// TestNodeREDFlow: the example's flows write a reading and read it back, in Node-RED itself.
func TestNodeREDFlow(t *testing.T) {
	red := nodered.Start(t)
	d := openDoors(t)
	came := make(chan string, 10)
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		came <- fmt.Sprintf("%s %s %v", r.URL.Path, body, err)
	}))
	defer sink.Close()
	type flow = map[string]any
	var flows []flow
	if err := json.Unmarshal([]byte(d.dashboard("node-red.json")), &flows); err != nil {
		t.Fatal(err)
	}
	for i, node := range flows {
		switch node["type"] {
		case "inject": // by hand, so that one comes after the other
			node["repeat"] = ""
		case "debug": // where the test sees it
			flows[i] = flow{
				"id": node["id"], "type": "http request", "z": node["z"], "method": "POST", "ret": "txt",
				"url": fmt.Sprintf("%s/%s", sink.URL, node["id"]), "wires": [][]string{{}},
			}
		}
	}
	nodered.Deploy(t, red, flows)
	inject := func(node string) string {
		t.Helper()
		testenv.Await(t, "the flow to be there", func() bool {
			answer, err := http.Post(red+"/inject/"+node, "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			return answer.StatusCode == http.StatusOK
		})
		return testenv.Receive(t, came, "what comes out of "+node)
	}
	if got := inject("measure"); got != "/number 1 <nil>" {
		t.Errorf("writing gives %q", got)
	}
	find(t, inject("look"), `^/shown (\[\{"x":\d{13},"y":21\.5\}\]) <nil>$`)
	if diff := cmp.Diff([]string{"field1=21.5 status=warm"}, d.readings(1)); diff != "" {
		t.Errorf("in the room stands (-want +got):\n%s", diff)
	}
}

// TestThingSpeakClient: npm's client writes a reading, and reads it in all its ways.
func TestThingSpeakClient(t *testing.T) {
	_, node := testenv.NodeModules(t)
	d := openDoors(t)
	cmd := testenv.Command(t, node, exampleDevices+"testdata/thingspeakclient.mjs", d.url, d.channel, d.key)
	cmd.Env = append(os.Environ(), "NODE_NO_WARNINGS=1")
	out, err := cmd.CombinedOutput()
	want := `written as 1
feed [[1,"21.5"]]
last 40
field ["21.5"]
last of field 40
status ["warm"]
`
	if err != nil || string(out) != want {
		t.Errorf("it prints %s (%v); want %s", out, err, want)
	}
	if diff := cmp.Diff([]string{"field1=21.5 field2=40 status=warm"}, d.readings(1)); diff != "" {
		t.Errorf("in the room stands (-want +got):\n%s", diff)
	}
}
