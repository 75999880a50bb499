package game

import (
	"context"
	"fmt"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
)

// Verdict is what the engine says of a round, in its own words.
type Verdict struct {
	// Findings are what each of the two readers is told.
	Findings [2][]string
	// Digests are the words that the two readers would compare aloud.
	Digests [2]string
	// Lie is what follows from that: None if nothing was found.
	Lie Lie
}

// tally collects findings.
type tally struct {
	kinds map[string]bool
	texts []string
	said  map[string]bool
}

// note takes a finding; what was told before is not told twice.
func (t *tally) note(kind, text string) {
	if t.kinds == nil {
		t.kinds, t.said = map[string]bool{}, map[string]bool{}
	}
	t.kinds[kind] = true
	if text != "" && !t.said[text] {
		t.said[text] = true
		t.texts = append(t.texts, text)
	}
}

func (t *tally) records(all []record.Finding) {
	for i := range all {
		f := item.OfFinding(&all[i], false)
		t.note(f.Finding, f.Text)
	}
}

func (t *tally) all(found []item.Finding) {
	for i := range found {
		t.note(found[i].Finding, found[i].Text)
	}
}

// arrived takes what a reading has brought.
func (t *tally) arrived(a *model.Arrivals) {
	t.records(a.Told)
	t.all(item.OfCounts(a.Findings))
}

// clockOff is the kind of what stands beside a message whose two clocks differ: no finding, but told.
const clockOff = "clock"

// byKind are the lies that kinds of findings speak of, the surest first.
var byKind = []struct {
	kind string
	lie  Lie
}{
	{record.NotOurs.String(), Alter},
	{record.Wiped.String(), Alter},
	{record.TwoVersions.String(), Alter},
	{"withheld", Wipe},
	{record.Cleared.String(), Wipe},
	{record.Namesake.String(), Impersonate},
	{record.Fork.String(), Fork},
	{record.Reordered.String(), Reorder},
	{record.Repeat.String(), Repeat},
	{clockOff, Backdate},
	{record.Redated.String(), Backdate},
	{record.Missing.String(), Drop},
}

// judge asks the engine about what two readers were shown: what was told while they read, what stands beside the messages, and what
// "verify" says of the whole feed.
func judge(ctx context.Context, readers [2]*reader) (v Verdict, err error) {
	var found [2]*tally
	for i, r := range readers {
		if found[i], v.Digests[i], err = r.verify(ctx); err != nil {
			return v, fmt.Errorf("verifying what reader %d was shown: %w", i+1, err)
		}
		v.Findings[i] = found[i].texts
	}
	for _, k := range byKind {
		if found[0].kinds[k.kind] || found[1].kinds[k.kind] {
			v.Lie = k.lie
			break
		}
	}
	if v.Digests[0] != v.Digests[1] {
		v.Lie = Fork
	}
	return v, nil
}

// verify verifies the whole feed, and compares it with what was read. It returns the words of the digest.
func (r *reader) verify(ctx context.Context) (*tally, string, error) {
	t := &r.findings
	err := r.room.History(0, func(it *model.Item) error {
		if it.Record != nil && it.Posted.Sub(it.Record.Time()).Abs() > farOff {
			for _, note := range item.Notes(it) {
				t.note(clockOff, record.Numbers(it.Record.Name, it.Record.Number, it.Record.Number)+": "+note)
			}
		}
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	report, err := r.engine.Verify(ctx, r.room.Settings(), messenger.VerifyOptions{
		Progress: func(int64, int64) {}, Trying: func(int) {},
	})
	if err != nil {
		return nil, "", err
	}
	t.records(report.Found)
	t.all(item.OfCounts(report.Findings))
	t.all(messenger.Gaps(report.Feed.NotShown()))
	d, err := r.engine.Compare(r.room.Settings(), &report, 0)
	if err != nil {
		return nil, "", err
	}
	for i := range d.Differing {
		f := messenger.OfDiffering(&d.Differing[i])
		t.note(f.Finding, f.Text)
	}
	t.records(d.Redated)
	return t, passphrase.SixWords([16]byte(report.Digest[:16])), nil
}
