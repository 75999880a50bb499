package messenger

import "time"

// writers returns how many members have written lately: as many share the channel's interval. Where that cannot be read, it
// knows of none; posting goes on.
func (r *Room) writers() int {
	now := time.Now()
	if !r.news.Date.IsZero() {
		now = r.news.Date // dates of rows are the relay's
	}
	n, err := r.talk.Writers(now)
	if err != nil {
		return 0
	}
	return n
}
