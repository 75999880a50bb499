package tui

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/record"
)

// long is a scene of 8,000 messages.
func long() *scene {
	s := newScene(120, 40)
	for i := range 8000 {
		s.talk.add(blockOf(new(s.said([]string{"ana", "bo", "cy"}[i%3], record.Text(fmt.Sprintf("message %d: %s", i, strings.Repeat("word ", i%40)))))))
	}
	return s
}

func BenchmarkFrame(b *testing.B) {
	for _, split := range []bool{false, true} {
		b.Run(fmt.Sprintf("8000 messages, split %v", split), func(b *testing.B) {
			s := long()
			if s.split = split; split {
				s.feed()
			}
			b.ReportAllocs()
			for b.Loop() {
				s.draw()
			}
		})
	}
}

// BenchmarkKey is a key that is pressed, and the frame after it.
func BenchmarkKey(b *testing.B) {
	for name, keys := range map[string][]string{
		"letter": {"'a", "backspace"}, "page": {"pgup", "pgdown"}, "choose": {"alt+up", "alt+up", "esc"}, "end to end": {"ctrl+home", "ctrl+end"},
		"search in vain": {"ctrl+r", "'not there", "esc"},
	} {
		b.Run(name, func(b *testing.B) {
			s := long()
			b.ReportAllocs()
			for b.Loop() {
				for _, key := range keys {
					s.keys(key)
					s.draw()
				}
			}
		})
	}
}

func BenchmarkMessage(b *testing.B) {
	s := long()
	b.ReportAllocs()
	for b.Loop() {
		s.event(messenger.Message{Item: s.said("bo", record.Text("hello"))})
		s.draw()
	}
}
