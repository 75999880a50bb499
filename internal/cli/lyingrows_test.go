package cli

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fernpost/fernpost/internal/relay/relaytest"
)

// changing shows rows by number as change makes them of their date and their fields: none for "".
func changing(change map[string]func(date, fields string) string) relaytest.Fault {
	return relaytest.RewriteRows(func(row string) string {
		c := strings.SplitN(row, ",", 3)
		if len(c) < 3 || change[c[1]] == nil {
			return row
		}
		return change[c[1]](c[0], c[2])
	})
}

// What a relay showed late in a low place was printed by no recv that prints the newest messages.
func TestWhatComesLateIsPrintedOnce(t *testing.T) {
	for name, lie := range map[string]relaytest.Fault{
		"not shown before":       withholding(2),
		"shown otherwise before": changing(map[string]func(string, string) string{"2": func(date, _ string) string { return date + ",2,junk\n" }}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				class, ana, _, reader := liedTo(t)
				class.relay.Inject(lie)
				for n := range 8 {
					reader.run("recv", "-n", "3")
					ana.must("send", fmt.Sprint("more ", n))
					time.Sleep(20 * time.Second)
				}
				reader.run("recv", "-n", "3")
				reader.says(0, "line 2")
				class.relay.Inject(nil)
				printed := 0
				for range 10 {
					time.Sleep(time.Hour)
					ana.must("send", "and more")
					reader.run("recv", "-n", "3")
					if n := strings.Count(reader.stdout.String(), "line 2\n"); n > 0 {
						printed += n
						if !strings.Contains(reader.stdout.String(), "came late, it stands before entry") {
							t.Errorf("prints\n%s", &reader.stdout)
						}
					} else if n := strings.Count(reader.stdout.String(), "\n"); n != 3 {
						t.Errorf("prints %d lines:\n%s", n, &reader.stdout)
					}
				}
				if printed != 1 {
					t.Errorf("it is printed %d times", printed)
				}
			})
		})
	}
}

// verdicts runs recv --strict and verify, and wants one exit code of both.
func (d *device) verdicts(want int) {
	d.t.Helper()
	d.exits(want, "recv", "--strict")
	d.exits(want, "recv", "--strict", "-n", "1", "--json")
	d.exits(want, "verify")
}

// recv --strict found nothing wrong where verify did: a number with two rows, and numbers that nobody's records need.
func TestRecvAndVerifyComeToOneVerdict(t *testing.T) {
	var one string
	for name, lie := range map[string]relaytest.Fault{
		"a second row that copies a known one": relaytest.RewriteRows(func(row string) string {
			c := strings.SplitN(row, ",", 3)
			switch {
			case len(c) == 3 && c[1] == "1":
				one = c[2]
			case len(c) == 3 && c[1] == "4" && one != "":
				return row + c[0] + ",4," + one
			}
			return row
		}),
		"a second row with a date of its own": changing(map[string]func(string, string) string{"2": func(date, fields string) string {
			return date + ",2," + fields + "2001-01-01 00:00:00 UTC,2," + fields
		}}),
		"entries that were never shown": func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			switch to := map[string]string{"4": "8", "5": "9"}; {
			case strings.HasSuffix(r.URL.Path, "last_entry_id.txt"):
				fmt.Fprint(w, 9)
			default:
				renumber(to)(w, r, next)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				one = ""
				class, _, cy, reader := liedTo(t)
				reader.verdicts(exitDone)
				cy.verdicts(exitDone)
				class.relay.Inject(lie)
				fresh := class.device("127.0.0.1")
				fresh.must("join", "lab", "--channel", fmt.Sprint(reader.channel()), "--profile", signedText)
				fresh.verdicts(exitFindings)
				cy.exits(exitFindings, "verify")
				time.Sleep(2 * time.Minute)
				cy.must("send", "so that all look")
				reader.exits(exitFindings, "watch", "--strict", "--from-start", "--messages", "1")
				reader.verdicts(exitFindings)
			})
		})
	}
}

// An entry that a relay showed with another date than before was told nowhere.
func TestAnotherDateIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const told = "the relay shows entry 2 with another date than before\n"
		class, ana, cy, reader := liedTo(t)
		reader.verdicts(exitDone)
		cy.watchFor(time.Minute)
		class.relay.Inject(changing(map[string]func(string, string) string{"2": func(_, fields string) string {
			return "2001-01-01 00:00:00 UTC,2," + fields
		}}))
		reader.exits(exitFindings, "verify")
		reader.says(1, told)
		ana.must("send", "one more")
		reader.exits(exitFindings, "recv", "--strict")
		reader.says(1, told)
		reader.exits(exitFindings, "recv", "--strict")
		reader.says(0, told)
		reader.exits(exitFindings, "verify")
		reader.says(1, told)
		reader.says(1, "entry 2")
		cy.watchFor(5 * time.Minute)
		cy.says(1, told)
	})
}

// Whatever a relay hides, blanks, spoils or shows twice for a while: who reads after each message or two has been shown all of
// them in the end.
func TestNothingIsLostToALiar(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				class, ana, cy, reader := liedTo(t)
				reader.run("recv", "-n", "3")
				sent, printed := 0, reader.stdout.String()
				for range 12 {
					lies := map[string]func(string, string) string{}
					for n := range 5 + sent {
						name := fmt.Sprint(n + 1)
						switch random.IntN(6) {
						case 0:
							lies[name] = func(string, string) string { return "" }
						case 1:
							lies[name] = func(date, _ string) string { return date + "," + name + ",\n" }
						case 2:
							lies[name] = func(date, _ string) string { return date + "," + name + ",junk\n" }
						case 3:
							lies[name] = func(date, fields string) string {
								return date + "," + name + "," + fields + date + "," + name + ",junk\n"
							}
						}
					}
					class.relay.Inject(changing(lies))
					for range 1 + random.IntN(2) {
						[]*device{ana, cy}[random.IntN(2)].must("send", fmt.Sprintf("said %d.", sent))
						sent++
						time.Sleep(20 * time.Second)
					}
					time.Sleep(time.Duration(random.IntN(3)) * time.Hour)
					reader.run("recv", "-n", "3")
					printed += reader.stdout.String()
				}
				class.relay.Inject(nil)
				for range 12 {
					time.Sleep(3 * time.Hour)
					ana.must("send", fmt.Sprintf("said %d.", sent))
					sent++
					reader.run("recv", "-n", "3")
					printed += reader.stdout.String()
				}
				for n := range sent {
					if text := fmt.Sprintf("said %d.", n); !strings.Contains(printed, text) {
						t.Errorf("%q was not printed", text)
					}
				}
			})
		})
	}
}
