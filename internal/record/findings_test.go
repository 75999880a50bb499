package record

import (
	"strings"
	"testing"
)

func TestFindingText(t *testing.T) {
	tag := Tag{0x3f, 0x9a, 0x12, 0xc4}
	bo := PublicKey{2}
	for _, c := range []struct {
		f    Finding
		want string
	}{
		{Finding{Kind: Repeat}, ""},
		{Finding{Kind: Reordered, Name: "ana", First: 7, Last: 7}, "ana 7 stands behind a later one"},
		{Finding{Kind: Reordered, Name: "ana", First: 7, Last: 9}, "ana 7 stands behind ana 9"},
		{Finding{Kind: Reordered, Name: "ana", First: 7, Last: 7, By: bo, ByName: "bo", Count: 1}, "bo names ana 7, which stands below"},
		{Finding{Kind: Reordered, Last: 4, Count: 4}, "4 more claims to have seen messages that stand below"},
		{Finding{Kind: Missing, Name: "ana", First: 14, Last: 15}, "2 messages from ana missing (ana 14–15)"},
		{Finding{Kind: Missing, Name: "ana", First: 14, Last: 14}, "1 message from ana missing (ana 14)"},
		{
			Finding{Kind: Missing, Name: "ana", First: 1, Last: 4294967295, By: bo, ByName: "bo"},
			"4294967295 messages from ana missing (ana 1–4294967295), says bo",
		},
		{
			Finding{Kind: Missing, Name: "ana", First: 14, Last: 15, By: bo, ByName: "bo", Waiting: true},
			"waiting for 2 messages from ana (ana 14–15), says bo",
		},
		{
			Finding{Kind: Fork, Name: "ana", First: 7, Last: 7},
			"ana's key wrote two different ana 7: two devices with one key, a restored backup, " +
				"or a room shown in two versions",
		},
		{Finding{Kind: Forged, Name: "ana"}, "a message that claims to be ana's is not signed by ana's key"},
		{Finding{Kind: Namesake, Name: "ana", Tag: tag}, "another ana (~3f9a12c4), not the one who has the name here"},
		{Finding{Kind: Namesake, Name: "ana", Tag: tag, Compared: true}, "another ana (~3f9a12c4), not the one whose words you have compared"},
		{Finding{Kind: Unsigned}, "not signed: anyone with the room's key can have written this"},
		{
			Finding{Kind: Incomplete, Name: "ana", First: 7, Last: 7, Have: 12, Parts: 13},
			"a message that claims to be ana 7: 12 of 13 parts",
		},
		{
			Finding{Kind: Incomplete, Name: "ana", First: 7, Last: 7, Have: 12, Parts: 13, Waiting: true},
			"ana 7 is arriving, 12 of 13 parts",
		},
		{
			Finding{Kind: Wiped, At: Place{0, 40}, Until: 52},
			"the relay lost or rewrote entries 40–52",
		},
		{
			Finding{Kind: Wiped, At: Place{0, 40}, Until: 40},
			"the relay lost or rewrote entry 40",
		},
		{
			Finding{Kind: TwoVersions, At: Place{0, 40}, Until: 40, Count: 1},
			"the relay shows entry 40 with two contents: people may be shown different ones; or the channel was cleared in between",
		},
		{Finding{Kind: Redated, At: Place{0, 40}, Until: 52, Count: 13}, "the relay shows entries 40–52 with another date than before"},
		{Finding{Kind: Redated, At: Place{0, 40}, Until: 52, Count: 3}, "the relay shows 3 of the entries 40–52 with another date than before"},
		{Finding{Kind: Cleared, At: Place{0, 1}, Until: 52}, "the channel was cleared, or the relay lost its entries"},
		{Finding{Kind: NotOurs, Count: 3}, "3 entries not for this key"},
		{Finding{Kind: NotOurs, Count: 1}, "1 entry not for this key"},
		{
			Finding{Kind: Missing, Name: "ana", First: 5, Last: 5, By: bo, ByName: "bo and cy", Count: 2, Have: 1, Parts: 3},
			"1 message from ana missing (ana 5; 1 of 3 parts came), say bo and cy",
		},
		{Finding{Kind: Missing, Count: 3, Waiting: true}, "waiting for what 3 more claims may be about"},
		{Finding{Kind: Missing, Count: 3}, "3 more claims that messages are missing, or were written twice"},
		{
			Finding{Kind: Hidden, Name: "ana", First: 4, Last: 4, At: Place{0, 14}, Until: 8012},
			"the relay does not show entries 14–8012; ana 4 may stand there",
		},
		{Finding{Kind: Malformed, Count: 5}, "5 cells of somebody with the key break the format"},
		{Finding{Kind: Malformed, Author: PublicKey{1}, Name: "ana", First: 2, Last: 2}, "ana 2 names no ana 1"},
		{
			Finding{Kind: Refuted, Name: "ana", First: 9, Last: 9, By: bo, ByName: "bo", Count: 1},
			"bo names ana 9, but what ana wrote before stands below: that cannot be, and accuses nobody",
		},
		{Finding{Kind: Refuted, Count: 1}, "1 more claim that cannot be, as what was written before stands below"},
		{Finding{Kind: Incomplete, Count: 2, Waiting: true}, "parts of 2 messages have come, and none of them is whole"},
		{Finding{Kind: Newer, At: Place{0, 12}, Count: 1}, "entry 12 needs a newer fernpost"},
		{Finding{Kind: Newer, At: Place{0, 12}, Count: 3}, "3 cells from entry 12 on need a newer fernpost"},
		{Finding{Kind: 99}, ""},
	} {
		if got := c.f.Text(); got != c.want {
			t.Errorf("%s: %q, want %q", c.f.Kind, got, c.want)
		}
	}
}

// Two findings are the same one exactly if kind, author and number, name or entry are.
func TestFindingID(t *testing.T) {
	ana, bo := PublicKey{1}, PublicKey{2}
	same := [][2]Finding{
		{{Kind: Missing, Author: ana, First: 3, Last: 5}, {Kind: Missing, Author: ana, First: 3, Last: 9}},
		{{Kind: Missing, Author: ana, Tag: Tag{7}, First: 3, By: bo}, {Kind: Missing, Author: ana, Tag: Tag{7}, First: 4, By: bo}},
		{{Kind: Fork, Author: ana, First: 3, At: Place{0, 1}}, {Kind: Fork, Author: ana, First: 3, At: Place{0, 2}}},
		{{Kind: Forged, Tag: Tag{1}, First: 3, Author: ana}, {Kind: Forged, Tag: Tag{1}, First: 3}},
		{{Kind: Incomplete, Tag: Tag{1}, First: 3, Have: 1}, {Kind: Incomplete, Tag: Tag{1}, First: 3, Have: 2}},
		{{Kind: Namesake, Author: ana, Name: "Ana", First: 3}, {Kind: Namesake, Author: ana, Name: "ana", First: 9}},
		{{Kind: Wiped, At: Place{1, 4}, Until: 9}, {Kind: Wiped, At: Place{1, 4}, Until: 5}},
		{{Kind: Newer, At: Place{0, 4}, Count: 1}, {Kind: Newer, At: Place{0, 9}, Count: 7}},
		{{Kind: Malformed, At: Place{0, 4}, Count: 1}, {Kind: Malformed, At: Place{0, 9}, Count: 7}},
	}
	seen := map[string]FindingID{}
	for _, pair := range same {
		id := pair[0].ID()
		if other := pair[1].ID(); id != other || id.String() != other.String() {
			t.Errorf("%v and %v are two", id, other)
		}
		if before, ok := seen[id.String()]; ok {
			t.Errorf("%v and %v are written alike", before, id)
		}
		seen[id.String()] = id
	}
	for _, pair := range [][2]Finding{
		{{Kind: Missing, Author: ana, First: 3}, {Kind: Missing, Author: bo, First: 3}},
		{{Kind: Missing, Author: ana, First: 3}, {Kind: Missing, Author: ana, First: 4}},
		{{Kind: Missing, Author: ana, First: 3}, {Kind: Fork, Author: ana, First: 3}},
		{{Kind: Missing, Author: ana, First: 3}, {Kind: Missing, Author: ana, First: 3, By: bo}},
		{{Kind: Missing, Tag: Tag{1}, First: 3, By: ana}, {Kind: Missing, Tag: Tag{1}, First: 3, By: bo}},
		{{Kind: Reordered, Author: ana, First: 3, By: bo}, {Kind: Reordered, Author: ana, First: 3}},
		{{Kind: Missing, Tag: Tag{1}, First: 3}, {Kind: Missing, Tag: Tag{2}, First: 3}},
		{{Kind: Namesake, Author: ana, Name: "ana"}, {Kind: Namesake, Author: ana, Name: "bo"}},
		{{Kind: Wiped, At: Place{0, 4}}, {Kind: Wiped, At: Place{1, 4}}},
		{{Kind: Cleared, At: Place{0, 4}}, {Kind: Cleared, At: Place{1, 4}}},
		{{Kind: Cleared, At: Place{0, 4}}, {Kind: Wiped, At: Place{0, 4}}},
		{{Kind: Malformed, Author: ana, First: 3}, {Kind: Malformed}},
	} {
		if pair[0].ID() == pair[1].ID() || pair[0].ID().String() == pair[1].ID().String() {
			t.Errorf("%+v and %+v are one", pair[0], pair[1])
		}
	}
	for k := Repeat; k <= Cleared; k++ {
		if k.String() == "" || strings.HasPrefix(k.String(), "finding") {
			t.Errorf("kind %d has no name", k)
		}
	}
}
