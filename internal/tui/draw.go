package tui

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fernpost/fernpost/internal/item"
	"github.com/fernpost/fernpost/internal/model"
)

const (
	// margin is where a message's text begins: behind the time and the standing. No text ever stands in front of it, so
	// that none looks like a message of somebody else.
	margin = len("15:04 verified ")
	// narrow is below how many columns the text stands below its author, behind narrowMargin.
	narrow       = 44
	narrowMargin = 2
	// gutter begins each further line of a text.
	gutter = "| "
)

// painter draws blocks into columns of a width.
type painter struct {
	*state

	columns int
}

// lines are those of a block, with what divides it from the one above.
func (p *painter) lines(i int) (lines []string) {
	b := p.talk.blocks[i]
	if day := p.dayAbove(i); day != "" {
		lines = append(lines, p.divider(day, dim))
	}
	if b == p.talk.unread {
		lines = append(lines, p.divider("not read yet", warns))
	}
	from := len(lines)
	inner := &painter{p.state, p.columns - 1} // the first column is the mark's
	switch {
	case b.finding != nil:
		lines = inner.finding(lines, b)
	case p.columns < narrow:
		lines = inner.narrowMessage(lines, b)
	default:
		lines = inner.message(lines, b)
	}
	for j := from; j < len(lines); j++ {
		lines[j] = p.marked(lines[j], b == p.talk.chosen)
	}
	return lines
}

// marked is a line with the mark of the chosen message in front of it, or without.
func (p *painter) marked(line string, is bool) string {
	if is {
		return paint(p.colour, mark, ">") + line
	}
	return " " + line
}

func (p *painter) divider(text string, r role) string {
	text = "── " + text + " "
	return paint(p.colour, r, text+strings.Repeat("─", max(p.columns-columnsOf(text), 0)))
}

// dayAbove is the day that begins with a block, "" if none does.
func (p *painter) dayAbove(i int) string {
	day := func(b *block) string { return b.when.In(p.zone).Format("Monday, 2 January 2006") }
	b := p.talk.blocks[i]
	for j := i - 1; j >= 0; j-- {
		if p.talk.blocks[j].finding != nil { // it has no time of its own
			continue
		}
		if b.finding != nil || day(p.talk.blocks[j]) == day(b) {
			return ""
		}
		break
	}
	if b.finding != nil {
		return ""
	}
	return day(b)
}

// label is the word in front of a message: what is known of its author, or how far one of our own has come.
func (p *painter) label(b *block) (string, role) {
	standing := p.talk.standing(b)
	if standing == model.Yours {
		switch {
		case len(b.seenBy) > 0:
			return "seen", good
		case b.state == model.StateQueued:
			return "queued", dim
		case b.state == model.StateTried:
			return "sending", dim
		case b.state == model.StateUnknown:
			return "unknown", warns
		}
		return "accepted", plain
	}
	switch standing {
	case model.Verified:
		return string(standing), good
	case model.Known:
		return string(standing), dim
	case model.Unsigned:
		if !p.room.signed {
			return "", plain
		}
	}
	return string(standing), warns
}

// clock is the time of a message in front of it.
func (p *painter) clock(b *block) string {
	return paint(p.colour, dim, b.when.In(p.zone).Format("15:04"))
}

// message draws a message whose text stands beside its author.
func (p *painter) message(lines []string, b *block) []string {
	word, r := p.label(b)
	head := p.clock(b) + " " + paint(p.colour, r, fmt.Sprintf("%-8s", word)) + " "
	return p.body(lines, b, head, margin)
}

// narrowMessage draws a message whose text stands below its author.
func (p *painter) narrowMessage(lines []string, b *block) []string {
	word, r := p.label(b)
	head := p.clock(b) + " " + paint(p.colour, r, word)
	lines = append(lines, head)
	return p.body(lines, b, strings.Repeat(" ", narrowMargin), narrowMargin)
}

// body draws who has written what, and what is to be noted of it, behind a head in the first line.
func (p *painter) body(lines []string, b *block, head string, indent int) []string {
	columns := max(p.columns-indent-len(gutter), minText)
	blank := strings.Repeat(" ", indent)
	name := b.name
	if name != "" {
		name += ": "
	}
	text, r := b.text, plain
	if b.text == "" {
		text, r = b.words, dim
		if b.warns {
			r = warns
		}
	}
	for i, line := range wrap(name+text, columns) {
		said := line
		if i == 0 {
			if rest, ok := strings.CutPrefix(line, name); ok && name != "" {
				said = paint(p.colour, whose, name[:len(name)-2]) + ": " + p.found(rest, r)
			}
			lines = append(lines, head+said)
			continue
		}
		lines = append(lines, blank+paint(p.colour, dim, gutter)+p.found(line, r))
	}
	for _, note := range p.notes(b) {
		for _, line := range wrap("("+note+")", max(p.columns-narrowMargin-4, minText)) {
			lines = append(lines, strings.Repeat(" ", min(indent, 6))+paint(p.colour, dim, line))
		}
	}
	return lines
}

// notes are what is said of a message below it.
func (p *painter) notes(b *block) (notes []string) {
	if b.left != "" {
		notes = append(notes, "… "+b.left+`; "fernpost recv --json" has all`)
	}
	notes = append(notes, b.notes...)
	if !b.own {
		return notes
	}
	switch closer := b == p.newestOwn || b == p.talk.chosen; {
	case b.state == model.StateUnknown:
		notes = append(notes, `nobody knows whether the relay has it: "fernpost outbox --retry" looks, and posts it `+
			`again if it is not there`)
	case !closer || b.state != model.StateAccepted:
	case len(b.seenBy) > 0:
		notes = append(notes, fmt.Sprintf("accepted as entry %d, seen by %s", b.entry, item.SeenBy(b.seenBy)))
	default:
		notes = append(notes, fmt.Sprintf("accepted as entry %d", b.entry))
	}
	return notes
}

// found marks in a line of a text what was searched for.
func (p *painter) found(line string, r role) string {
	if p.sought == "" || !p.colour {
		return paint(p.colour, r, line)
	}
	folded := strings.ToLower(line)
	at := strings.Index(folded, strings.ToLower(p.sought))
	if at < 0 || len(folded) != len(line) {
		return paint(p.colour, r, line)
	}
	end := at + len(p.sought)
	return paint(p.colour, r, line[:at]) + paint(p.colour, mark, line[at:end]) + paint(p.colour, r, line[end:])
}

// finding draws what was found, and what to do about it.
func (p *painter) finding(lines []string, b *block) []string {
	text, r := b.words, warns
	switch {
	case b.takenBack:
		text, r = "no longer true: "+text, dim
	case b.finding.Waiting:
		r = dim
	case model.WeightOf(b.finding.Finding) == model.Wrong:
		r = bad
	}
	for i, line := range wrap(text, max(p.columns-4, minText)) {
		lead := "!   "
		if i > 0 {
			lead = "    "
		}
		lines = append(lines, paint(p.colour, r, lead+line))
	}
	if b.next != "" && !b.takenBack {
		for _, line := range wrap(b.next, max(p.columns-4, minText)) {
			lines = append(lines, paint(p.colour, dim, "    "+line))
		}
	}
	return lines
}

// window returns the lines of the conversation that a window of so many shows, the last ones for which there is room,
// and the index of the first block among them.
func (p *painter) window(height int) (lines []string, first int) {
	c := &p.talk
	first = c.last + 1
	for i := c.last; i >= 0 && len(lines) < height; i-- {
		these := p.block(i)
		if i == c.last {
			these = these[:max(len(these)-c.hidden, 0)]
		}
		lines = append(these, lines...)
		first = i
	}
	if over := len(lines) - height; over > 0 {
		lines = lines[over:]
	}
	// What is above the beginning is shown below: the window is full as long as there is something.
	for i := c.last + 1; len(lines) < height && i < len(c.blocks); i++ {
		lines = append(lines, p.block(i)...)
	}
	if len(lines) > height {
		lines = lines[:height]
	}
	return lines, first
}

// block are the lines of a block, in the split screen with the rows of the feed beside them.
func (p *painter) block(i int) []string {
	if p.split {
		return p.splitLines(i)
	}
	return p.lines(i)
}

// pad fills a line up to a width, as the terminal counts.
func (p *painter) pad(line string, columns int) string {
	if w := p.method.StringWidth(line); w < columns {
		return line + strings.Repeat(" ", columns-w)
	}
	return clip(line, columns)
}

// mostRows is how many rows stand beside one message that are not its own.
const mostRows = 12

// splitLines are the lines of a block, and beside them the rows of the feed from the block above on.
func (p *painter) splitLines(i int) (lines []string) {
	half := (p.columns - 3) / 2
	left := (&painter{p.state, half}).lines(i)
	right := p.rowLines(i, p.columns-3-half)
	for j := range max(len(left), len(right)) {
		var l, r string
		if j < len(left) {
			l = left[j]
		}
		if j < len(right) {
			r = right[j]
		}
		lines = append(lines, p.pad(l, half)+paint(p.colour, dim, " │ ")+r)
	}
	return lines
}

// rowLines are those of the rows between the block above and this one.
func (p *painter) rowLines(i, columns int) (lines []string) {
	c := &p.talk
	b := c.blocks[i]
	above, upTo := int64(0), b.at.Entry
	for j := i - 1; j >= 0; j-- {
		if at := c.blocks[j].at; at.Entry > 0 {
			if above = at.Entry; at.Clear != b.at.Clear {
				above = 0
			}
			break
		}
	}
	if i == len(c.blocks)-1 {
		upTo = max(upTo, p.rows.last)
	}
	if p.rows.first > 0 && above+1 < p.rows.first {
		above = p.rows.first - 1
	}
	if upTo == 0 || b.at.Clear != p.clears && b.at.Entry > 0 {
		return nil
	}
	rows, left := p.rows.between(above, upTo, mostRows)
	if left > 0 {
		lines = append(lines, paint(p.colour, dim, fmt.Sprintf("… %d rows more", left)))
	}
	for j := range rows {
		r := &rows[j]
		if fields := p.chosenFields(r.entry); len(fields) > 0 {
			lines = p.detail(lines, r, fields, columns-1)
			continue
		}
		lines = append(lines, p.marked(cut(r.summary(), columns-1), false))
	}
	return lines
}

// chosenFields are the fields of an entry in which the chosen message stands.
func (p *painter) chosenFields(entry int64) (fields []int) {
	if p.talk.chosen == nil {
		return nil
	}
	for _, c := range p.talk.chosen.cells {
		if c.Entry == entry {
			fields = append(fields, c.Field)
		}
	}
	return fields
}

// detail draws a row of the chosen message with a line for each field, and marks those that are the message's.
func (p *painter) detail(lines []string, r *row, fields []int, columns int) []string {
	lines = append(lines, p.marked(paint(p.colour, strong, cut(r.heading(), columns)), true))
	for _, f := range r.fields {
		is, style := slices.Contains(fields, f.number), dim
		if is {
			style = strong
		}
		lines = append(lines, p.marked(paint(p.colour, style, cut(f.detail(), columns)), is))
	}
	return lines
}

// draw returns the screen, exactly as many lines as it has, and where the cursor stands.
func (s *state) draw() (lines []string, x, y int) {
	p := &painter{s, s.width}
	if s.bare {
		return p.bareLines(), -1, -1
	}
	input, x, y := p.inputLines()
	status := p.status()
	body := max(s.height-len(input)-1-len(status), 1)
	lines = append(lines, p.title())
	switch {
	case s.panel != nil:
		lines = append(lines, s.panel.draw(p, body)...)
	default:
		if s.split {
			lines = append(lines, p.splitTitle())
			body--
		}
		window, _ := p.window(body)
		if len(s.talk.blocks) == 0 {
			window = wrap(s.emptyText(), s.width)
		}
		lines = append(lines, make([]string, max(body-len(window), 0))...)
		lines = append(lines, window...)
	}
	lines = append(lines, status...)
	top := len(lines)
	for i, line := range input {
		lead := prompt
		if i > 0 {
			lead = strings.Repeat(" ", len(prompt))
		}
		lines = append(lines, lead+line)
	}
	if len(lines) > s.height {
		over := len(lines) - s.height
		lines, top = lines[over:], top-over
	}
	for i := range lines {
		lines[i] = clip(lines[i], s.width)
	}
	return lines, x + len(prompt), top + y
}

const prompt = "> "

// inputLines are what is typed, or the question that is to be answered, and where the cursor stands in them.
func (p *painter) inputLines() (lines []string, x, y int) {
	switch {
	case p.asking != nil:
		return wrap(p.asking.text+", then Enter: "+p.asking.typed, p.columns-len(prompt)), 0, 0
	case p.search:
		line := cut("search: "+p.sought, p.columns-len(prompt)-1)
		return []string{line}, columnsOf(line), 0
	}
	return p.input.draw(max(p.columns-len(prompt), minText), p.inputHeight())
}

// inputHeight is how many lines of the input are shown.
func (s *state) inputHeight() int { return max(1, min(5, s.height/3)) }

func (p *painter) title() string {
	left := " " + cmp.Or(p.room.name, "fernpost")
	if p.room.own != "" {
		left += ", you are " + p.room.own
	}
	right := "F1 help  F2 public  F3 copy  F4 rooms "
	if columnsOf(left)+columnsOf(right)+1 > p.columns {
		right = "F1 help "
	}
	gap := p.columns - columnsOf(left) - columnsOf(right)
	line := left + strings.Repeat(" ", max(gap, 1)) + right
	if !p.colour {
		return cut(line, p.columns)
	}
	return paint(true, mark, p.pad(line, p.columns))
}

func (p *painter) splitTitle() string {
	half := (p.columns - 3) / 2
	return paint(p.colour, dim, p.pad("what you see", half)+" │ "+cut(p.rowsTitle(), p.columns-3-half))
}

// rowsTitle stands above the rows of the feed.
func (p *painter) rowsTitle() string {
	switch {
	case p.rows.err != "":
		return p.rows.err
	case p.rows.rows == nil:
		return "reading what everybody sees …"
	}
	return "what everybody sees, no key"
}

// mostNotice is how many lines a notice takes at most.
const mostNotice = 3

// status says what is under way, and when something was heard of the relay last; or, in as many lines as it takes, what
// is to be noticed.
func (p *painter) status() (lines []string) {
	right := cmp.Or(p.below(), p.heardText())
	left, r := p.underWay(), dim
	if p.notice != "" {
		left, r = p.notice, p.noticeRole
	}
	room := p.columns - columnsOf(right) - 1
	switch {
	case p.notice != "" && columnsOf(left) > room:
		for _, line := range wrap(left, p.columns) {
			if lines = append(lines, paint(p.colour, r, line)); len(lines) == mostNotice {
				break
			}
		}
		return lines
	case room < minText:
		return []string{paint(p.colour, dim, cut(cmp.Or(left, right), p.columns))}
	}
	left = cut(left, room)
	gap := strings.Repeat(" ", p.columns-columnsOf(left)-columnsOf(right))
	return []string{paint(p.colour, r, left) + gap + paint(p.colour, dim, right)}
}

// below says how many messages stand below the window.
func (p *painter) below() string {
	if n := len(p.talk.blocks) - 1 - p.talk.last; n > 0 {
		return fmt.Sprintf("%d more below", n)
	}
	return ""
}

func (s *state) heardText() string {
	switch {
	case s.room.name == "":
		return ""
	case s.away:
		return "the relay is away"
	case s.heard.IsZero():
		return "connecting"
	}
	return fmt.Sprintf("by %s, last heard %v ago", s.via, max(s.now.Sub(s.heard), 0).Round(time.Second))
}

func (s *state) emptyText() string {
	if !s.loaded {
		return "reading what this device holds …"
	}
	return "No messages yet. Type one, and press Enter; F1 or /help says what else there is."
}

// bareLines are what is shown without any frame, to be copied. How one comes back stands in the last line: there a
// block that is copied does not take it along.
func (p *painter) bareLines() (lines []string) {
	room := p.height
	if p.height > 1 {
		room--
	}
	for i := p.talk.last; i >= 0 && len(lines) < room; i-- {
		b := p.talk.blocks[i]
		text := cmp.Or(b.text, b.words)
		if b.name != "" {
			text = b.name + ": " + text
		}
		// An indentation tells further lines of a text from what somebody else has said.
		these := wrap(text, p.width-narrowMargin)
		for j := 1; j < len(these); j++ {
			these[j] = strings.Repeat(" ", narrowMargin) + these[j]
		}
		lines = append(these, lines...)
	}
	lines = lines[max(len(lines)-room, 0):]
	for i := range lines {
		lines[i] = clip(lines[i], p.width)
	}
	if p.height > 1 {
		lines = append(lines, make([]string, room-len(lines))...)
		lines = append(lines, paint(p.colour, dim, cut("any key goes back", p.width)))
	}
	return lines
}
