package item

import (
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
)

// Finding is something that the user should know.
type Finding struct {
	Finding   string            `json:"finding" means:"kind: missing, fork, forged, not ours, …"`
	Text      string            `json:"text" means:"the finding in words"`
	Author    *string           `json:"author" means:"how the author is called whom it concerns"`
	Key       *record.PublicKey `json:"key" means:"the author's public key, if it is certain"`
	Number    *uint32           `json:"number" means:"the author's number of the message concerned, or the first of several"`
	Last      *uint32           `json:"last_number" means:"the last of several"`
	Entry     *int64            `json:"entry" means:"number of the feed's entry where it shows, or the first of several"`
	LastEntry *int64            `json:"last_entry" means:"the last of several"`
	Count     *int              `json:"count" means:"how many tokens, entries or messages it counts; of what others say of an author, how many say so"`
	Says      *string           `json:"says" means:"on whose word it rests; null if it is proven"`
	SaysKey   *record.PublicKey `json:"says_key" means:"the public key of the first of them"`
	Waiting   bool              `json:"waiting" means:"whether what is lacking may still come, so that it accuses nobody yet"`
	TakenBack bool              `json:"taken_back" means:"whether it was told before and is true no longer"`
}

// OfFinding is a finding about records.
func OfFinding(f *record.Finding, takenBack bool) Finding {
	last := f.Last
	if f.First == 0 { // it only counts
		last = 0
	}
	return Finding{
		Finding: f.Kind.String(), Text: f.Text(), Author: known(f.Name), Key: known(f.Author),
		Number: known(f.First), Last: known(last), Entry: known(f.At.Entry), LastEntry: known(max(f.At.Entry, f.Until)),
		Count: known(f.Count), Says: known(f.ByName), SaysKey: known(f.By), Waiting: f.Waiting, TakenBack: takenBack,
	}
}

// State is how far a message of our own has come, or who has seen it.
type State struct {
	Event   string            `json:"event" means:"state"`
	Number  uint32            `json:"number" means:"our number of the message"`
	Key     *record.PublicKey `json:"key" means:"the key of ours that has signed it; null of a text"`
	State   string            `json:"state" means:"queued, tried, accepted, unknown, dropped (taken back before it was tried) or seen"`
	Entry   *int64            `json:"entry" means:"number of the last of its entries, if it is accepted"`
	SeenBy  *string           `json:"seen_by" means:"who says to have read it, and all of ours before it, if it is seen"`
	SeenKey *record.PublicKey `json:"seen_by_key" means:"that one's public key"`
	Was     *uint32           `json:"was_number" means:"the number that it had before it was signed anew"`
	Text    string            `json:"text" means:"the same in words"`
}

// OfState is how far a message of our own has come.
func OfState(s *model.OwnState) State {
	return State{
		Event: "state", Number: s.Number, Key: known(s.Author), State: s.State.String(), Entry: known(s.At.Entry),
		SeenBy: known(s.SeenBy), SeenKey: known(s.By), Was: known(s.Was.Number), Text: s.Text(),
	}
}
