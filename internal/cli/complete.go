package cli

import (
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/fernpost/fernpost/internal/feed"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

// completions is what a shell offers for an argument or the value of a flag.
type completions = cobra.CompletionFunc

// offer makes commands offer what their flags and arguments take: by the flag's name, or else by the word that stands for the value
// in help. A shell offers files where nothing else is said, so everything that is no file says that there are none. Nothing is
// asked of a relay, and no secret is offered.
func (a *app) offer(root *cobra.Command) {
	byFlag := map[string]completions{
		"room": a.offerRooms, "profile": offered(passphrase.ProfileNames()...), "dates": offered(feed.OrderNames()...),
		"unsigned": offered(policies...),
		"limits":   offered(relaycmd.Presets...), "cheat": offerList(relaycmd.Lies), "by": a.offerPeople,
		"via": offered("stream", "mqtt", "polling"), "format": offered("text", "csv"),
	}
	byWord := map[string]completions{"ROOM": a.offerRooms, "NAME": a.offerPeople, "SHELL": offered(shells...)}
	eachBelow(root, func(cmd *cobra.Command) {
		offerFlag := func(f *pflag.Flag) {
			offer, ok := byFlag[f.Name]
			switch word, _ := pflag.UnquoteUsage(f); {
			case ok:
			case word == "FILE":
				return
			case word == "DIR":
				_ = cmd.MarkFlagDirname(f.Name)
				return
			default:
				offer = cobra.NoFileCompletions
			}
			if _, there := cmd.GetFlagCompletionFunc(f.Name); !there {
				_ = cmd.RegisterFlagCompletionFunc(f.Name, offer)
			}
		}
		cmd.LocalFlags().VisitAll(offerFlag)
		if cmd.HasSubCommands() && !cmd.Runnable() || cmd.Name() == "help" || strings.HasPrefix(cmd.Name(), "__") {
			return
		}
		words := strings.FieldsFunc(cmd.Use, func(c rune) bool { return strings.ContainsRune(" []|", c) })[1:]
		cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
			at := len(args)
			if n := len(words); n > 0 && strings.HasSuffix(words[n-1], "...") { // as many as one likes
				at = min(at, n-1)
			}
			if at >= len(words) {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			word := strings.TrimSuffix(words[at], "...")
			if word == "FILE" || word == "DIR" {
				return nil, cobra.ShellCompDirectiveDefault
			}
			offer := byWord[word] // not of NEW, which is nothing that is there
			if offer == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return offer(cmd, args, begun)
		}
	})
}

// eachBelow visits a command and all below it.
func eachBelow(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, c := range cmd.Commands() {
		eachBelow(c, visit)
	}
}

func offered(all ...string) completions {
	return cobra.FixedCompletions(all, cobra.ShellCompDirectiveNoFileComp)
}

// offerList offers words of a list with commas between, each once.
func offerList(all []string) completions {
	return func(_ *cobra.Command, _ []string, begun string) (lists []string, _ cobra.ShellCompDirective) {
		before := begun[:strings.LastIndex(begun, ",")+1]
		for _, word := range all {
			if !slices.Contains(strings.Split(before, ","), word) {
				lists = append(lists, before+word)
			}
		}
		return lists, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// hasRooms reports whether this device keeps rooms: looking for one would make the directory.
func (a *app) hasRooms() bool {
	dir, err := a.dataDir("rooms")
	if err == nil {
		_, err = os.Stat(dir)
	}
	return err == nil
}

// onlyLooking returns what works with rooms and leaves the keys where they lie: whoever presses Tab has run nothing yet.
func (a *app) onlyLooking() *messenger.Engine { return messenger.New(a.engineOptions()) }

func (a *app) offerRooms(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	if a.hasRooms() {
		names, _, _ = a.onlyLooking().Rooms()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// offerPeople offers those who have written in the room that is meant, as far as this device has read it.
func (a *app) offerPeople(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	if !a.hasRooms() || cmd.Flag("room") == nil {
		return nil, none
	}
	name := cmd.Flag("room").Value.String()
	if name == "" {
		name = a.config.Get("room")
	}
	e := a.onlyLooking()
	r, err := e.Find(name)
	if err != nil {
		return nil, none
	}
	if signed, err := messenger.Signed(r); err != nil || !signed {
		return nil, none
	}
	names, err := e.Names(r)
	if err != nil {
		return nil, none
	}
	return names, none
}
