package item

import (
	"fmt"

	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// countedEntries counts entries of a kind and says where they stand: "2 entries not for this key (among entries 3–9)".
func countedEntries(n int, kind string, first, last int64) string {
	among := ""
	if last-first >= int64(n) {
		among = "among "
	}
	return fmt.Sprintf("%s %s (%s%s)", screen.Count(n, "entry"), kind, among, record.Entries(first, last))
}

// OfCounts are the findings that a reading only counts, besides messages.
func OfCounts(f model.Findings) (all []Finding) {
	add := func(kind string, n int, first, last int64, text string) {
		if n > 0 {
			all = append(all, Finding{Finding: kind, Text: text, Count: &n, Entry: known(first), LastEntry: known(last)})
		}
	}
	add("not ours", f.NotOurs, f.FirstNotOurs, f.LastNotOurs,
		countedEntries(f.NotOurs, "not for this key", f.FirstNotOurs, f.LastNotOurs)+": sealed with another one, or altered")
	letters := fmt.Sprintf("invitations for somebody in %s", countedEntries(f.Letters, "of the feed", f.FirstLetter, f.LastLetter))
	if f.Letters == 1 {
		letters = fmt.Sprintf("an invitation for somebody (entry %d)", f.FirstLetter)
	}
	add("letter", f.Letters, f.FirstLetter, f.LastLetter, letters)
	add("damaged", f.Damaged, f.FirstDamaged, f.LastDamaged,
		countedEntries(f.Damaged, "with a damaged token", f.FirstDamaged, f.LastDamaged)+": cut short, or altered")
	add("disguised", f.Disguised, f.FirstDisguised, f.LastDisguised,
		countedEntries(f.Disguised, "with what looks like a token "+f.Disguise, f.FirstDisguised, f.LastDisguised)+": not opened")
	are := "are"
	if f.Plain == 1 {
		are = "is"
	}
	add("not encrypted", f.Plain, f.FirstPlain, f.LastPlain,
		countedEntries(f.Plain, "that "+are+" not encrypted", f.FirstPlain, f.LastPlain)+", not shown")
	add("unread", f.Overfull, f.FirstOverfull, f.LastOverfull,
		countedEntries(f.Overfull, "shown with too many rows", f.FirstOverfull, f.LastOverfull)+": not all was read")
	add("unread", f.LetGo, f.FirstLetGo, f.LastLetGo,
		countedEntries(f.LetGo, "of which parts of no message yet were let go of", f.FirstLetGo, f.LastLetGo)+
			": the archive had come to its size (archive_size); with more, they are read again")
	add("repeat", f.Repeats, 0, 0, screen.Count(f.Repeats, "token")+" repeated from before, not shown again")
	add("expired", f.Expired, 0, 0, screen.Count(f.Expired, "message")+" older than --ttl, not shown")
	add("from the future", f.Future, 0, 0,
		screen.Count(f.Future, "message")+" sealed in the future, not shown because of --ttl: is a clock wrong?")
	return all
}
