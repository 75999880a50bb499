package web

import (
	"net"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

// startTestClass starts a lesson that browsers reach as class.test: that is no localhost, so that pages run in an insecure context, as on
// phones that come to a laptop by plain http.
func startTestClass(t *testing.T) *Class {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listen := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	return startClass(t, ClassOptions{Listen: listen, Address: "http://class.test:" + port, Seats: 3})
}

// TestLessonInABrowser: ten phones and a projector, from the QR code to each switch.
func TestLessonInABrowser(t *testing.T) {
	testenv.Unwatched(t)
	c := startTestClass(t)
	browse(t, "lesson.mjs", map[string]any{"link": c.JoinLink(), "teacher": c.TeacherURL(), "seats": c.SeatsURL()})
}

// On a projector of 720 lines there was room for one message, and the code was small.
func TestWhatTheLastRowSees(t *testing.T) {
	testenv.Unwatched(t)
	c := startTestClass(t)
	browse(t, "projector.mjs", map[string]any{"link": c.JoinLink(), "teacher": c.TeacherURL()})
}

// A relay that lies numbered rows anew, and they were shown beside messages that they are not; what was no text was an empty bubble.
func TestPartsOfPages(t *testing.T) {
	testenv.Unwatched(t)
	c := startTestClass(t)
	browse(t, "parts.mjs", map[string]any{"link": c.JoinLink()})
}

// TestComingIntoARoom: what is said of names, links and inviters before they count, and what a browser keeps.
func TestComingIntoARoom(t *testing.T) {
	testenv.Unwatched(t)
	c := startTestClass(t)
	browse(t, "joining.mjs", map[string]any{"link": c.JoinLink(), "teacher": c.TeacherURL()})
}

// TestThirtyPhonesInABrowser: thirty phones with all three columns, which write at once. They take 3 GB, and minutes where other tests
// run beside them.
func TestThirtyPhonesInABrowser(t *testing.T) {
	testenv.Unwatched(t)
	phones := testenv.Number(t, "FERNPOST_PHONES", 0)
	if phones == 0 {
		t.Skip("FERNPOST_PHONES=30 runs it with so many")
	}
	c := startTestClass(t)
	t.Log(browse(t, "many.mjs", map[string]any{"link": c.JoinLink(), "teacher": c.TeacherURL(), "phones": phones}))
}
