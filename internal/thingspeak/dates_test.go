package thingspeak

import (
	"errors"
	"testing"
	"time"
)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Skipf("time zone data of %s is needed: %v", name, err)
	}
	return zone
}

func TestParseTime(t *testing.T) {
	east := time.FixedZone("", 2*3600)
	whole := time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC)
	morning := time.Date(2016, 3, 9, 4, 5, 6, 0, time.UTC)
	midnight := time.Date(2018, 6, 12, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		in   string
		zone *time.Location
		want time.Time
	}{
		{"2018-06-12 21:16:46 UTC", nil, whole},
		{"2018-06-12 21:16:46 UTC", east, whole},
		{"2018-06-12T21:16:46Z", east, whole},
		{"2018-06-12T21:16:46 UTC", nil, whole},
		{"2018-06-12 21:16:46Z", nil, whole},
		{"2018-06-12t21:16:46z", nil, whole},
		{"2018-06-12 21:16:46", nil, whole},
		{"2018-06-12 21:16:46", time.UTC, whole},
		{"2018-06-12 23:16:46", east, whole},
		{" 2018-06-12 21:16:46 \t", nil, whole},
		{"2018-06-12  21:16:46  UTC", nil, whole},
		{"2018-06-12+21:16:46", nil, whole},
		{"2018-06-12+21:16:46+UTC", nil, whole},
		{"2018-06-12 17:16:46 -0400", east, whole},
		{"2018-06-12 17:16:46-04:00", nil, whole},
		{"2018-06-12T17:16:46-04:00", nil, whole},
		{"2018-06-12T23:16:46+02:00", nil, whole},
		{"2018-06-12T23:16:46+0200", nil, whole},
		{"2018-06-12T23:16:46+02", nil, whole},
		{"2018-06-12 16:16:46 -05", nil, whole},
		{"2018-06-12 16:16:46-5", nil, whole},
		{"2018-06-13T02:46:46+05:30", nil, whole},
		{"2018-06-12T23:16:46 02:00", nil, whole},
		{"2018-06-12T23:16:46 0200", nil, whole},
		{"2018-06-12T21:16:46.999Z", nil, whole},
		{"2018-06-12T21:16:46.123456789+00:00", nil, whole},
		{"2018-06-12T21:16:46,5Z", nil, whole},
		{"2018-06-12 21:16:46.5", nil, whole},
		{"2016-3-9 4:5:6", nil, morning},
		{"2016-3-9T4:5:6Z", nil, morning},
		{"2016-03-09 4:5:6 -0", nil, morning},
		{"2016-03-09 4:05", nil, morning.Add(-6 * time.Second)},
		{"2018-06-12", nil, midnight},
		{"2018-6-12", nil, midnight},
		{"2018-06-12 UTC", nil, midnight},
		{"2018-06-12Z", nil, midnight},
		{"2018-06-12", east, midnight.Add(-2 * time.Hour)},
		{"2018-06-12 -05:00", nil, midnight.Add(5 * time.Hour)},
		{"2016-02-29T00:00:00Z", nil, time.Date(2016, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"2000-02-29 00:00:00 UTC", nil, time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC)},
		{"0001-01-01T00:00:00Z", nil, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"0000-12-31T22:30:00-01:30", nil, time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)},
		{"9999-12-31T23:59:59Z", nil, time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)},
	}
	for _, tt := range tests {
		got, err := ParseTime(tt.in, tt.zone)
		if err != nil || got != tt.want {
			t.Errorf("ParseTime(%q, %v) = %v, %v, want %v", tt.in, tt.zone, got, err, tt.want)
		}
	}
}

// TestParseTimeReadsWhatTheServiceReads: a date that is not read widens a window to the newest 100 entries, without a word.
func TestParseTimeReadsWhatTheServiceReads(t *testing.T) {
	noon := time.Date(2015, 6, 1, 12, 10, 0, 0, time.UTC)
	midnight := time.Date(2015, 6, 1, 0, 0, 0, 0, time.UTC)
	for in, want := range map[string]time.Time{
		"2015/06/01 12:10:00":              noon,
		"2015/6/1 12:10":                   noon,
		"2015.06.01 12:10:00":              noon,
		"20150601T121000Z":                 noon,
		"20150601T1210Z":                   noon,
		"20150601T121000.5+0000":           noon,
		"20150601T141000+02:00":            noon,
		"20150601121000":                   noon,
		"201506011210":                     noon,
		"20150601 121000":                  noon,
		"20150601 12:10":                   noon,
		"20150601":                         midnight,
		"Mon, 01 Jun 2015 12:10:00 GMT":    noon,
		"Mon, 1 Jun 2015 14:10:00 +0200":   noon,
		"01 Jun 2015 08:10:00 EDT":         noon,
		"Monday, June 1, 2015 12:10:00 PM": noon,
		"Mon Jun 01 2015 14:10:00 GMT+0200 (Central European Summer Time)": noon,
		"Mon Jun 01 2015 14:10:00 GMT 0200 (CEST)":                         noon,
		"Mon Jun  1 12:10:00 2015":                                         noon,
		"Mon Jun  1 14:10:00 CEST 2015":                                    noon,
		"Mon Jun 01 12:10:00 +0000 2015":                                   noon,
		"1 Jun 2015 12:10":                                                 noon,
		"1 june 2015, 12:10":                                               noon,
		"Jun 1 2015 12:10:00":                                              noon,
		"Jun 1, 2015":                                                      midnight,
		"01-Jun-2015 12:10:00":                                             noon,
		"01/Jun/2015:12:10:00 +0000":                                       noon,
		"01-06-2015":                                                       midnight,
		"1-6-2015 12:10":                                                   noon,
		"01.06.2015 12:10:00":                                              noon,
		"6/13/2015":                                                        midnight.AddDate(0, 0, 12),
		"13/6/2015":                                                        midnight.AddDate(0, 0, 12),
		"06/06/2015 12:10":                                                 noon.AddDate(0, 0, 5),
		"2015-06-01 12:10:00 PM":                                           noon,
		"2015-06-01 12:10 am":                                              midnight.Add(10 * time.Minute),
		"2015-06-01 11:10:30PM":                                            midnight.Add(23*time.Hour + 10*time.Minute + 30*time.Second),
		"2015-06-01T24:00:00Z":                                             midnight.AddDate(0, 0, 1),
		"2015-12-31 23:59:60 UTC":                                          time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC),
		`"2015-06-01 12:10:00"`:                                            noon,
		"'2015-06-01T12:10:00Z'":                                           noon,
		"2015-06-01 12:10:00 +0000 UTC":                                    noon,
		"2015-06-01 14:10:00 +0200 CEST":                                   noon,
		"2015-06-01 07:10:00 EST":                                          noon,
		"2015-06-01 12:10:00 p.m.":                                         noon,
		"2015-06-01 12:10:00\u202fPM":                                      noon,
		"2015-06-01 21:10 jst":                                             noon,
		"2015-06-01 13:10 MEZ":                                             noon,
		"01-Jun-15 12:10":                                                  noon,
		"Monday, 01-Jun-15 12:10:00 GMT":                                   noon,
		"1. Juni 2015 12:10":                                               noon,
		"Mo, 1. Jun. 2015 12:10":                                           noon,
		"31-Mär-69":                                                        time.Date(1969, 3, 31, 0, 0, 0, 0, time.UTC),
		"31 maerz 68":                                                      time.Date(2068, 3, 31, 0, 0, 0, 0, time.UTC),
		"2015-06-01T14:10:00UTC+02:00":                                     noon,
	} {
		if got, err := ParseTime(in, nil); err != nil || got != want {
			t.Errorf("ParseTime(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"01/06/2015", "6/1/2015 12:10", "1-6-15", "01 06 2015", "2015-06/01", "2015-06-01,", "2015-06-01+", "13:10",
		"2015-06-01 13:10 PM", "2015-06-01 0:10 AM", "Foo 1 2015", "Jun 2015", "Jun 31 2015", "Ju 1 2015", "tomorrow", "now",
		"Mon", "Mon Jun 1", "Mon Jun  1 00:10:00", "2015-06-01 12:10 IST", "2015-06-01 12:10 +02:00 (", "2015060", "201506010",
		"20151301", "2015060124", "20150601T1", "20150601T12100", `"2015-06-01`, `"`, "''", "1 Jun 2015 UTC x",
		"2015-06-01 12:10:00 GMT+25", "2015-06-01 12:10 (CEST)", "1 Jun 12:10:00 2015", "1 Jun 015", "1 Mars 2015", "2015-W23-1",
		"2015-152", "15000101", "2015-06-01 12.10", "2015-06-01 12:10 \u0085\u0086", "Mon Jun 01 2015 14:10:00 GMT+0200 CEST)",
	} {
		if got, err := ParseTime(in, nil); !errors.Is(err, ErrBadTime) || !got.IsZero() {
			t.Errorf("ParseTime(%q) = %v, %v, want ErrBadTime", in, got, err)
		}
	}
}

// TestZoneNamesAreNamed: of a date that is refused for its zone, the name is told, if it may be one.
func TestZoneNamesAreNamed(t *testing.T) {
	for in, want := range map[string]string{
		"2015-06-01 12:10 IST":          "IST",
		"Mon Jun  1 12:10:00 BST 2015":  "BST",
		"2015-06-01 12:10 Europe":       "",
		"2015-06-01 12:10 \u0085\u0086": "",
		"2015-06-31 12:10 CET":          "",
		"2015-06-01 12:10 IST, or so":   "",
		"2015-06-01 12:10:00 +0530 IST": "no error",
	} {
		_, err := ParseTime(in, nil)
		var name string
		if e, ok := errors.AsType[*ZoneNameError](err); ok {
			name = e.Name
		} else if err == nil {
			name = "no error"
		}
		if name != want {
			t.Errorf("ParseTime(%q) names the zone %q, want %q: %v", in, name, want, err)
		}
	}
}

// TestReadTimeTellsHowClocksChange: a date tells whether it took the given zone, and whether its clocks show it twice or
// never.
func TestReadTimeTellsHowClocksChange(t *testing.T) {
	vienna := zoneOf(t, "Europe/Vienna")
	for in, want := range map[string]struct {
		again             time.Duration
		zoneless, skipped bool
	}{
		"2018-06-12 21:16:46 UTC":   {},
		"2018-06-12 21:16:46 +0200": {},
		"2018-06-12 21:16:46":       {zoneless: true},
		"2018-10-28 02:30:00":       {zoneless: true, again: time.Hour},
		"2018-10-28 02:30:00 CEST":  {},
		"2018-10-28 03:00:00":       {zoneless: true},
		"2018-03-25 02:30:00":       {zoneless: true, skipped: true},
		"2018-03-25 02:30:00 UTC":   {},
		"2018-03-25 03:00:00":       {zoneless: true},
	} {
		got, err := ReadTime(in, vienna)
		if err != nil || got.Again.Sub(got.Time) != want.again || got.Zoneless != want.zoneless || got.Skipped != want.skipped {
			t.Errorf("ReadTime(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
}

// The service reads the hour that a clock skips as the one after it, and the first of one that comes twice, in all zones.
func TestParseTimeWhereClocksChange(t *testing.T) {
	for _, tt := range []struct{ zone, in, want string }{
		{"America/New_York", "2018-03-11 01:59:59", "2018-03-11 06:59:59 UTC"},
		{"America/New_York", "2018-03-11 02:30:00", "2018-03-11 07:30:00 UTC"},
		{"America/New_York", "2018-03-11 03:00:00", "2018-03-11 07:00:00 UTC"},
		{"America/New_York", "2018-11-04 01:30:00", "2018-11-04 05:30:00 UTC"},
		{"America/New_York", "2018-11-04 02:00:00", "2018-11-04 07:00:00 UTC"},
		{"Europe/Vienna", "2018-03-25 02:30:00", "2018-03-25 01:30:00 UTC"},
		{"Europe/Vienna", "2018-10-28 02:30:00", "2018-10-28 00:30:00 UTC"},
		{"Europe/Vienna", "2018-10-28 03:00:00", "2018-10-28 02:00:00 UTC"},
		{"Pacific/Apia", "2011-12-30 12:00:00", "2011-12-30 22:00:00 UTC"}, // the whole day was skipped
		{"Asia/Kolkata", "2018-06-12 02:30:00", "2018-06-11 21:00:00 UTC"},
	} {
		got, err := ParseTime(tt.in, zoneOf(t, tt.zone))
		if err != nil || string(AppendCSVTime(nil, got, nil)) != tt.want {
			t.Errorf("%s in %s is %v, %v, want %s", tt.in, tt.zone, got, err, tt.want)
		}
	}
}

func TestParseTimeInNamedZone(t *testing.T) {
	zone := zoneOf(t, "America/New_York")
	for in, want := range map[string]string{
		"2018-06-12 17:16:46":       "2018-06-12 21:16:46 UTC",
		"2018-01-12 17:16:46":       "2018-01-12 22:16:46 UTC",
		"2018-06-12 17:16:46 +0000": "2018-06-12 17:16:46 UTC",
	} {
		got, err := ParseTime(in, zone)
		if err != nil || string(AppendCSVTime(nil, got, nil)) != want {
			t.Errorf("ParseTime(%q) = %v, %v, want %s", in, got, err, want)
		}
	}
}

func TestParseTimeRefuses(t *testing.T) {
	east := time.FixedZone("", 14*3600)
	for _, in := range []string{
		"", " ", "nonsense", "2018", "2018-06", "18-06-12", "12018-06-12",
		"2018-00-12", "2018-13-12", "2018-06-00", "2018-06-31", "2018-02-29", "1900-02-29", "2018-006-12",
		"2018-06-12T", "2018-06-12 21", "2018-06-12T21", "2018-06-12T21:", "2018-06-12T21:16:", "2018-06-12T21:16:46.",
		"2018-06-12 24:00:01", "2018-06-12 24:01:00", "2018-06-12 21:60:00", "2018-06-12 21:16:61", "2018-06-12 25:00:00",
		"2018-02-30 00:00:00 UTC", "2018-06-12 25:16:46 UTC", "2018-06-12T21:16:4xZ", "2018-06-12T21:16:4\xffZ",
		"2018-06-12T21:16:46X", "2018-06-12T21:16:4602:00", "2018-06-12T21:16:46+",
		"2018-06-12T21:16:46+2400", "2018-06-12T21:16:46+02:60", "2018-06-12T21:16:46+020", "2018-06-12T21:16:46+02:000",
		"2018-06-12T21:16:46Z2", "2018-06-12TT21:16:46", "2018-06-12 T21:16:46", "2018-06-12T21:16:46::", "-018-06-12",
		"2018-06-12T2 :16:46Z", "1528838206", "0000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "0001-01-01T00:00:00+01:00",
		"9999-12-31T23:59:59-01:00", "２０18-06-12", "2018-06-12T21:16:46Z\x00",
	} {
		if got, err := ParseTime(in, nil); !errors.Is(err, ErrBadTime) || !got.IsZero() {
			t.Errorf("ParseTime(%q) = %v, %v, want ErrBadTime", in, got, err)
		}
	}
	if got, err := ParseTime("0001-01-01 00:00:00", east); !errors.Is(err, ErrBadTime) {
		t.Errorf("a time before year 1 in its zone: %v, %v, want ErrBadTime", got, err)
	}
	if got, err := ParseTime("2018-02-30 00:00:00", east); !errors.Is(err, ErrBadTime) {
		t.Errorf("an impossible date with a zone: %v, %v, want ErrBadTime", got, err)
	}
}

func TestParseTimeOfRepliesAllocatesNothing(t *testing.T) {
	for _, in := range []string{"2018-06-12 21:16:46 UTC", "2018-06-12T21:16:46Z"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = ParseTime(in, nil) }); n != 0 {
			t.Errorf("ParseTime(%q) takes %v allocations, want none", in, n)
		}
	}
}

// Two whole periods of the calendar, day by day, and its ends, against the standard library.
func TestDaysAgreeWithTheStandardLibrary(t *testing.T) {
	for _, span := range [][2]int{{1, 5}, {1600, 2400}, {9995, 10000}} {
		day := time.Date(span[0], 1, 1, 0, 0, 0, 0, time.UTC)
		for end := time.Date(span[1], 1, 1, 0, 0, 0, 0, time.UTC); day.Before(end); day = day.AddDate(0, 0, 1) {
			year, month, date := day.Date()
			got, err := clock{year: year, month: int(month), day: date}.in(0)
			if err != nil || got != day {
				t.Fatalf("day %v became %v, %v", day, got, err)
			}
			if last := day.AddDate(0, 0, 1).Day() == 1; last != (date == daysIn(year, int(month))) {
				t.Fatalf("daysIn(%d, %d) = %d", year, month, daysIn(year, int(month)))
			}
		}
	}
}

func TestParseEpoch(t *testing.T) {
	for in, want := range map[string]time.Time{
		"0":              time.Unix(0, 0).UTC(),
		"1528838206":     time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC),
		" 1528838206 ":   time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC),
		"1528838206.999": time.Date(2018, 6, 12, 21, 16, 46, 0, time.UTC),
		"-1":             time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got, err := ParseEpoch(in); err != nil || got != want {
			t.Errorf("ParseEpoch(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", ".5", "-", "--1", "+1", "1e9", "0x10", "1528838206000", "99999999999999999999", "1.5.5", "1.-5", "nonsense",
		"2018-06-12",
	} {
		if got, err := ParseEpoch(in); !errors.Is(err, ErrBadTime) {
			t.Errorf("ParseEpoch(%q) = %v, %v, want ErrBadTime", in, got, err)
		}
	}
}

func TestAppendTime(t *testing.T) {
	at := time.Date(2018, 6, 12, 21, 16, 46, 987654321, time.UTC)
	tests := []struct {
		name     string
		at       time.Time
		zone     *time.Location
		csv, iso string
	}{
		{"no zone", at, nil, "2018-06-12 21:16:46 UTC", "2018-06-12T21:16:46Z"},
		{"UTC", at.In(time.FixedZone("", 3600)), time.UTC, "2018-06-12 21:16:46 UTC", "2018-06-12T21:16:46Z"},
		{
			"west", at, time.FixedZone("EDT", -4*3600),
			"2018-06-12 17:16:46 -0400", "2018-06-12T17:16:46-04:00",
		},
		{
			"half an hour", at, time.FixedZone("IST", 5*3600+1800),
			"2018-06-13 02:46:46 +0530", "2018-06-13T02:46:46+05:30",
		},
		{
			"west of Greenwich by minutes", at, time.FixedZone("", -1800),
			"2018-06-12 20:46:46 -0030", "2018-06-12T20:46:46-00:30",
		},
		{
			"an offset with seconds", at, time.FixedZone("LMT", -(4*3600 + 56*60 + 2)),
			"2018-06-12 16:20:46 -0456", "2018-06-12T16:20:46-04:56",
		},
		{
			"first day", time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC), nil,
			"0001-01-01 00:00:00 UTC", "0001-01-01T00:00:00Z",
		},
		{
			"beyond four digits", time.Date(9999, 12, 31, 23, 0, 0, 0, time.UTC), time.FixedZone("", 3600),
			"10000-01-01 00:00:00 +0100", "10000-01-01T00:00:00+01:00",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendCSVTime([]byte("x"), tt.at, tt.zone)); got != "x"+tt.csv {
				t.Errorf("AppendCSVTime = %s, want x%s", got, tt.csv)
			}
			if got := string(AppendISOTime([]byte("x"), tt.at, tt.zone)); got != "x"+tt.iso {
				t.Errorf("AppendISOTime = %s, want x%s", got, tt.iso)
			}
		})
	}
}

func FuzzParseTime(f *testing.F) {
	for _, seed := range []string{
		"2018-06-12 21:16:46 UTC", "2018-06-12T21:16:46.5-04:00", "2016-3-9+4:5:6+UTC", "2018-06-12", "1528838206.5",
		"2018-06-12T23:16:46 02:00", "9999-12-31 23:59:59 -1", "20150601T001000Z", "Mon, 01 Jun 2015 00:10:00 GMT",
		"Mon Jun 01 2015 02:10:00 GMT+0200 (CEST)", "Mon Jun  1 00:10:00 UTC 2015", "'1.6.2015 12:10 PM'", "6/13/2015", "Mo, 1. März 15 1:2 a.m. MESZ", "2015-06-01 12:10 IST",
	} {
		f.Add(seed, 3600)
	}
	f.Fuzz(func(t *testing.T, s string, east int) {
		zone := time.FixedZone("", east%(14*3600)/60*60)
		for _, parse := range []func() (time.Time, error){
			func() (time.Time, error) { return ParseTime(s, nil) },
			func() (time.Time, error) { return ParseTime(s, zone) },
			func() (time.Time, error) { return ParseEpoch(s) },
		} {
			at, err := parse()
			if err != nil {
				if !errors.Is(err, ErrBadTime) || len(err.Error()) > 200 {
					t.Fatalf("%q: unexpected error %v", s, err)
				}
				continue
			}
			if at.Location() != time.UTC || at.Nanosecond() != 0 || at.Year() < 1 || at.Year() > 9999 {
				t.Fatalf("%q became %v", s, at)
			}
			for _, z := range []*time.Location{nil, zone} {
				if year := at.In(zone).Year(); year < 1 || year > 9999 {
					continue
				}
				for _, text := range [][]byte{AppendCSVTime(nil, at, z), AppendISOTime(nil, at, z)} {
					if again, err := ParseTime(string(text), nil); err != nil || again != at {
						t.Fatalf("%q became %v, written as %q, read as %v, %v", s, at, text, again, err)
					}
				}
			}
		}
		// The short way and the long way agree.
		if c, ok := parseReplyTime(s); ok {
			short, shortErr := c.in(0)
			long, longErr := readWrittenTime(s, zone)
			if short != long.Time || (shortErr == nil) != (longErr == nil) {
				t.Fatalf("%q is %v, %v and %v, %v", s, short, shortErr, long, longErr)
			}
		}
	})
}

func BenchmarkParseTime(b *testing.B) {
	for _, in := range []string{
		"2018-06-12 21:16:46 UTC", "2018-06-12T21:16:46Z", "2018-06-12 17:16:46 -0400", "2023-10-26T16:14:17+02:00",
	} {
		b.Run(in, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseTime(in, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
