package relaycmd

import "testing"

// What a hint repeats of the place of the data is one word for a shell, and without a password.
func TestPlaceAsItIsTyped(t *testing.T) {
	for want, f := range map[string]flags{
		"": {}, " --data d4": {data: "d4"}, " --data 'my relay'": {data: "my relay"},
		" --store 'postgres://relay@db1,db2/relay'":     {store: "postgres://relay:secret@db1,db2/relay"},
		" --store 'postgres://db1/relay?sslmode=allow'": {store: "postgres://db1/relay?password=secret&sslmode=allow"},
		" --store URL": {store: "host=db1 password=secret"},
	} {
		if got := f.place(); got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	}
}
