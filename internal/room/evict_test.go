package room

import (
	"testing"

	"github.com/fernpost/fernpost/internal/archive"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/room/kept"
)

func emptyArchive(t *testing.T) Store {
	t.Helper()
	r, err := archive.OpenRoom(t.TempDir(), "lab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Forged records cost nothing: findings about them go when room is made, but for the newest, and no other finding does.
func TestFindingsAboutCellsOfNoRecordAreLetGo(t *testing.T) {
	r := emptyArchive(t)
	missing := record.Finding{Kind: record.Missing, Author: record.NewIdentity([record.KeySize]byte{1}).Public(), First: 2, Last: 3}
	all := []record.Finding{missing}
	for n := range uint32(40) {
		all = append(all, record.Finding{Kind: record.Forged, Tag: record.Tag{7}, First: n + 1, Last: n + 1})
	}
	if err := r.Apply(&kept.Change{Learnt: &record.Change{Told: all}}); err != nil {
		t.Fatal(err)
	}
	if err := dropFindings(r, 10); err != nil {
		t.Fatal(err)
	}
	events, err := r.Events(0, 100)
	if err != nil || len(events) != 11 || events[0].Finding.Kind != record.Missing || events[10].Finding.First != 40 {
		t.Errorf("%d events are left, %v: %+v", len(events), err, events)
	}
	for i, want := range map[int]bool{0: true, 1: false, 30: false, 31: true, 40: true} {
		if _, told, err := r.Told(all[i].ID()); err != nil || told != want {
			t.Errorf("finding %d is noted as told: %t, %v", i, told, err)
		}
	}
}

// A finding that was told, taken back and told again vanished with its first event, and that a record lacks parts was never
// told again.
func TestFindingsThatStandAreNotLetGo(t *testing.T) {
	r := emptyArchive(t)
	tag := record.Tag{7}
	again := record.Finding{Kind: record.Forged, Tag: tag, First: 1, Last: 1}
	lacking := record.Finding{Kind: record.Incomplete, Tag: tag, First: 2, Last: 2}
	lacked := record.Finding{Kind: record.Incomplete, Tag: tag, First: 3, Last: 3}
	group := record.Group{ID: record.GroupID{Tag: tag, Number: 2, Parts: 2}, Cells: 1, State: record.ToldIncomplete}
	changes := []record.Change{
		{Told: []record.Finding{again, lacking, lacked}, Groups: []record.Group{group}},
		{TakenBack: []record.Finding{again}},
	}
	for n := range uint32(20) {
		changes = append(changes, record.Change{Told: []record.Finding{{Kind: record.Forged, Tag: tag, First: n + 4, Last: n + 4}}})
	}
	changes = append(changes, record.Change{Told: []record.Finding{again}})
	for i := range changes {
		if err := r.Apply(&kept.Change{Learnt: &changes[i]}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := dropFindings(r, 5); err != nil {
			t.Fatal(err)
		}
	}
	events, err := r.Events(0, 100)
	if err != nil {
		t.Fatal(err)
	}
	shown := map[record.FindingID]int{}
	for i := range events {
		shown[events[i].Finding.ID()]++
	}
	for want, f := range map[int][]record.Finding{1: {again, lacking}, 0: {lacked}} {
		for i := range f {
			if _, told, err := r.Told(f[i].ID()); err != nil || told != (want == 1) || shown[f[i].ID()] != want {
				t.Errorf("%s: %d events, noted as told %t, %v; want %d", f[i].Text(), shown[f[i].ID()], told, err, want)
			}
		}
	}
}
