package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/export"
	"github.com/fernpost/fernpost/internal/handover"
	"github.com/fernpost/fernpost/internal/messenger"
	"github.com/fernpost/fernpost/internal/model"
	"github.com/fernpost/fernpost/internal/passphrase"
	"github.com/fernpost/fernpost/internal/record"
	"github.com/fernpost/fernpost/internal/screen"
)

// exportFlags are what the commands have in common that write a file for another device.
type exportFlags struct {
	out, passphraseFile    string
	generate, weak, asJSON bool
}

func (f *exportFlags) add(cmd *cobra.Command) {
	f.addTo(cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print what is in the file as one JSON object")
}

// addTo is add for a command that has --json already.
func (f *exportFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	outFlag(cmd, &f.out, "it")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "read the file's passphrase from `FILE`")
	flags.BoolVar(&f.generate, "generate", false, "generate the passphrase, do not ask")
	flags.BoolVar(&f.weak, "weak", false, "take a weak passphrase without asking")
}

func (a *app) roomsExportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "export [ROOM...] --out FILE",
		Short: "Write rooms into a file for another device of yours",
		Long: `export writes rooms, all of them if none is named, into a new file: address, channel, the channel's keys, all keys of the
room, whose words you have compared, and which devices were lost. Your identity is not in it: the other device signs with a
key of its own, and "rooms import" prints there with which command this one introduces it. What you have read is not in it
either: the other device reads it from the relay.

The file is encrypted with a passphrase of its own (the program age opens it as well). Whoever has both reads your rooms.
It is asked for twice; --generate makes one and prints it.`,
		Example: `  fernpost rooms export -o rooms.age
  fernpost rooms export lab --generate -o lab.age
  fernpost rooms export --passphrase-file pass.txt | ssh laptop 'cat > rooms.age'`,
		RunE: func(cmd *cobra.Command, names []string) error {
			for i, name := range names {
				if slices.Contains(names[:i], name) {
					return usagef("room %s is named twice", screen.Line(name))
				}
			}
			rooms, err := a.engine().Export(names...)
			if err != nil {
				return err
			}
			if len(rooms) == 0 {
				return fmt.Errorf("%w: this device is in none yet", model.ErrNoRoom)
			}
			lost, err := a.engine().LostDevices()
			if err != nil {
				return err
			}
			if err := a.writeExport(cmd.Context(), &handover.Content{Rooms: rooms, Lost: lost}, &f); err != nil {
				return err
			}
			a.say("on the other device: fernpost rooms import %s", shellWord(fileOr(f.out, "FILE")))
			return nil
		},
	}
	f.add(cmd)
	return cmd
}

// fileOr is the name of a file, or what stands for standard output.
func fileOr(out, other string) string {
	if out == "" || out == "-" {
		return other
	}
	return out
}

// writeExport writes a file for another device, once its passphrase was shown to whoever has to know it. A file that is
// there already is refused before anything is asked.
func (a *app) writeExport(ctx context.Context, c *handover.Content, f *exportFlags) error {
	toStdout := f.out == "" || f.out == "-"
	switch {
	case toStdout && a.stdoutTerminal:
		return hint(usagef("such a file is nothing for a terminal"), "add -o FILE, or > FILE")
	case toStdout && f.asJSON:
		return usagef("--json needs --out FILE")
	}
	// The file is made before anything is asked or shown: whether it can be is known then.
	err := a.write(f.out, 0o600, func(w io.Writer) error { return a.sealExport(ctx, w, c, f) })
	if err == nil {
		a.say("%s in %s: keep the file and its passphrase apart, and remove it once it is imported", count(len(c.Rooms), "room"),
			screen.Line(fileOr(f.out, "it")))
	}
	return err
}

func (a *app) sealExport(ctx context.Context, w io.Writer, c *handover.Content, f *exportFlags) error {
	pass, generated, err := a.filePassphrase(ctx, f)
	if err != nil {
		return err
	}
	// Shown before there is a file that nothing else opens.
	switch {
	case f.asJSON:
		o := exportedJSON{File: f.out, Rooms: []string{}}
		for i := range c.Rooms {
			o.Rooms = append(o.Rooms, c.Rooms[i].Name)
		}
		if generated {
			o.Passphrase = known(pass)
		}
		err = a.printJSON(o)
	case generated && fileOr(f.out, "") == "":
		_, err = fmt.Fprintf(a.stderr, "passphrase  %s\n", a.style.bold(pass))
	case generated:
		_, err = fmt.Fprintf(a.stdout, "passphrase  %s\n", a.style.bold(pass))
	}
	if err != nil {
		return err
	}
	defer a.computing(func() string { return "encrypting the file" })()
	return export.Seal(w, pass, c)
}

// filePassphrase gets or generates the passphrase of a file. That of a room in the environment is none: whoever has it
// would open the file.
func (a *app) filePassphrase(ctx context.Context, f *exportFlags) (pass string, generated bool, err error) {
	switch {
	case f.generate && f.passphraseFile != "":
		return "", false, usagef("--generate and --passphrase-file exclude each other")
	case f.generate:
	case f.passphraseFile != "":
		pass, err = a.readSecretFile(ctx, "passphrase-file", f.passphraseFile)
	case a.canAsk():
		pass, err = a.askNewPassphrase(ctx, "the file")
	default:
		err = hint(usagef("no passphrase for the file"), "--generate makes one and prints it, --passphrase-file FILE takes one")
	}
	if err != nil {
		return "", false, err
	}
	if pass == "" {
		pass, _, err = passphrase.Generate(passphrase.DefaultWords)
		return pass, true, err
	}
	// What a guess takes is like that of a room's passphrase: as much memory, and more time.
	return pass, false, a.mindStrength(ctx, pass, passphrase.Fernpost(), f.weak, "Whoever gets the file can guess at leisure.",
		"no file was written")
}

// openExport reads a file of another device.
func (a *app) openExport(ctx context.Context, file, passphraseFile string) (*handover.Content, error) {
	if file == "-" && passphraseFile == "-" {
		return nil, usagef("the file and its passphrase cannot both come from standard input")
	}
	in, done, err := a.openInput(ctx, file)
	if err != nil {
		return nil, err
	}
	sealed, err := export.Read(in)
	done()
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	for left := mostTries; ; {
		left--
		var pass string
		switch {
		case passphraseFile != "":
			pass, err = a.readSecretFile(ctx, "passphrase-file", passphraseFile)
		case a.canAsk():
			pass, err = a.askPassphrase(ctx, "Passphrase of the file")
		default:
			err = hint(usagef("no passphrase given"), "add --passphrase-file FILE")
		}
		if err != nil {
			return nil, err
		}
		working := a.computing(func() string { return "trying the passphrase" })
		c, err := sealed.Open(pass)
		working()
		switch {
		case errors.Is(err, handover.ErrPassphrase):
			err = hint(err, "%sit is the one that \"export\" has asked for, or printed, not that of a room", looksMistyped(pass))
		case errors.Is(err, handover.ErrAltered):
			err = hint(err, "copy the file once more from the other device, or write it anew there")
		case errors.Is(err, handover.ErrNewer):
			err = hint(err, "get the newest fernpost")
		}
		if err == nil {
			return c, nil
		}
		err = fmt.Errorf("opening %s: %w", file, err)
		if left == 0 || passphraseFile != "" || !errors.Is(err, handover.ErrPassphrase) {
			return nil, err
		}
		a.report(err)
	}
}

// importFlags are what the commands have in common that read such a file.
type importFlags struct {
	file                   string // that is read
	passphraseFile, as     string
	yes, unchecked, asJSON bool
}

// alone is the command that enters one of the rooms of the file under another name.
func (f *importFlags) alone(room, name string) string {
	file := "FILE"
	if f.file != "" && f.file != "-" {
		file = shellWord(f.file)
	}
	command := "fernpost rooms import " + file + " " + shellWord(room) + " --as " + name
	if f.passphraseFile != "" && f.passphraseFile != "-" {
		command += " --passphrase-file " + shellWord(f.passphraseFile)
	}
	return command
}

// addTo adds the flags, but for --json.
func (f *importFlags) addTo(a *app, cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "read the file's passphrase from `FILE`")
	a.addShow(flags)
	flags.BoolVar(&f.yes, "yes", false, "take over what the file knows better without asking")
}

// takeLost takes over which devices were lost as the device knows that has written a file, after asking where one is
// known here.
func (a *app) takeLost(ctx context.Context, c *handover.Content, yes bool) error {
	named, err := a.engine().LostIn(c)
	if err != nil {
		return err
	}
	for _, key := range named.Back {
		a.say("%s", a.style.warn(fmt.Sprintf("the file names %s as a lost device. You have taken that back here since, or it was lost again: "+
			"then \"fernpost identity device withdraw %s --lost\"", key.Tag().Name(), key.Tag().Name())))
	}
	for _, key := range named.Fresh {
		a.say("%s was withdrawn as a lost device on the device that wrote the file: it is to be trusted here no more, in no room",
			key.Tag().Name())
	}
	if named.Known && !yes {
		switch ok, err := a.confirm(ctx, "Trust it no more?"); {
		case err != nil:
			return err
		case !ok:
			a.say("it is trusted as before")
			return nil
		}
	}
	return a.engine().TakeLost(named.Fresh)
}

// shellWord is a text as one word of a command line that is printed for somebody to run.
func shellWord(text string) string {
	plain := strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@:+,%") == "" && text != ""
	if plain && !strings.HasPrefix(text, "-") {
		return text
	}
	if strings.HasPrefix(text, "-") { // which would be taken for a flag
		text = "./" + text
	}
	return quoted(text)
}

// quoted is a text in quotes, as a shell takes it for one word.
func quoted(text string) string {
	return "'" + strings.ReplaceAll(screen.Line(text), "'", `'\''`) + "'"
}

func (a *app) roomsImportCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE [ROOM...]",
		Short: "Enter the rooms of a file that another device of yours has written",
		Long: `import enters the rooms of a file of "rooms export" (- is standard input): all, or those that are named as they are called
there. This device signs with a key of its own. The last line is the command with which the device that wrote the file
introduces this one to the others: they see "py's phone" from then on (see "identity device").

A room that this device has already is mended by what the file knows better, after asking (--yes: without); its keys stay
all, and what you have taken back here since stays so: a device that was lost, somebody whose name you have let go of. So it
can be run again, and goes on where it was interrupted. Nothing is asked of a relay about rooms that are new here.

Exit code 6 is a wrong passphrase, 8 a file that is damaged, cut, or no such file, 3 says that some rooms were left out.`,
		Example: `  fernpost rooms import rooms.age
  fernpost rooms import rooms.age lab --as school
  ssh desktop cat rooms.age | fernpost rooms import - --passphrase-file pass.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.openExport(cmd.Context(), args[0], f.passphraseFile)
			if err != nil {
				return beforeRoom(err)
			}
			f.file = args[0]
			own, err := a.engine().Own(model.Room{})
			if err != nil {
				return err
			}
			// A room of that file which was left out is entered once the identity is here.
			if !c.Identity.IsZero() && c.Identity.Public() != own {
				return hint(usagef("%s moves an identity to this device, with its rooms", args[0]),
					"\"fernpost identity import %s\" does that; for a second device beside the first, write a file with \"rooms export\"", args[0])
			}
			rooms, err := chooseRooms(c.Rooms, args[1:])
			if err != nil {
				return err
			}
			if f.as != "" && len(rooms) != 1 {
				return usagef("--as is for one room, and these are %d: name one behind the file", len(rooms))
			}
			if err := a.takeLost(cmd.Context(), c, f.yes); err != nil {
				return err
			}
			joined, err := a.importRooms(cmd.Context(), rooms, &f)
			a.adviseNameIn(joined)
			return errors.Join(err, a.askToBeClaimed(joined, f.asJSON))
		},
	}
	f.addTo(a, cmd)
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object a line: the rooms, and what introduces this device")
	cmd.Flags().StringVar(&f.as, "as", "", "call the room `NAME` on this device")
	cmd.Flags().BoolVar(&f.unchecked, "unchecked", false, "take over a newest key also if it opens nothing of what is there, or nothing says that the room has moved to it")
	return cmd
}

// chooseRooms returns the rooms of a file that are named, all without names.
func chooseRooms(all []handover.Room, names []string) (chosen []handover.Room, err error) {
	if len(names) == 0 {
		return all, nil
	}
	var there []string
	for i := range all {
		there = append(there, all[i].Name)
	}
	for _, name := range names {
		at := slices.Index(there, name)
		if at < 0 {
			return nil, hint(usagef("there is no room %s in the file", screen.Line(name)), "there are %s", screen.Line(strings.Join(there, ", ")))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

// adviseNameIn is adviseName for rooms of a file.
func (a *app) adviseNameIn(joined []messenger.Imported) {
	for i := range joined {
		if p, err := messenger.Profile(joined[i].Room); err == nil && p.Form == passphrase.FormRecords {
			a.adviseName(p)
			return
		}
	}
}

// importRooms enters rooms, one after the other. One that cannot be entered keeps nobody from the others.
func (a *app) importRooms(ctx context.Context, rooms []handover.Room, f *importFlags) (joined []messenger.Imported, err error) {
	failed := 0
	importer, err := a.engine().Importer()
	if err != nil {
		return nil, err
	}
	for i := range rooms {
		if ctx.Err() != nil {
			return joined, ctx.Err()
		}
		r := &rooms[i]
		o := importedJSON{Name: r.Name}
		j, result, wrong := a.importRoom(ctx, importer, r, f)
		if wrong != nil && (len(rooms) == 1 || ctx.Err() != nil) {
			return joined, wrong
		}
		if o.Result = result; wrong != nil {
			failed++
			o.Result, o.Why = "left out", known(wrong.Error())
			a.say("%s", a.style.warn(fmt.Sprintf("room %s was left out: %s", r.Name, screen.Line(wrong.Error()))))
			if next := nextStep(wrong); next != "" {
				a.say("  %s", screen.Line(next))
			}
		} else {
			importer.Entered(j.Room)
			o.Room = known(j.Room.Name)
			joined = append(joined, messenger.Imported{Room: j.Room, By: r.Inviter})
		}
		if f.asJSON {
			if err := a.printJSON(o); err != nil {
				return joined, err
			}
		}
	}
	if failed > 0 {
		err = partlyError{fmt.Errorf("%d of %s were left out", failed, count(len(rooms), "room"))}
	}
	return joined, err
}

// importRoom enters a room of a file, or mends the one that is here, and says in a word what it has done.
func (a *app) importRoom(
	ctx context.Context, importer *messenger.Importer, r *handover.Room, f *importFlags,
) (j messenger.Joining, result string, err error) {
	j, err = importer.Import(r, f.as)
	switch {
	case errors.Is(err, model.ErrRoomName), errors.Is(err, model.ErrRoomExists):
		name, failed := a.engine().FreeName(r.Name)
		return j, "", errors.Join(hint(usageError{err}, "give it another name here: %s", f.alone(r.Name, name)), failed)
	case err != nil:
		return j, "", err
	}
	beside := ""
	if j.Apart {
		name, err := a.engine().FreeName(r.Name)
		if err != nil {
			return j, "", err
		}
		beside = "it is another room than that of the file, if their check words differ: " + f.alone(r.Name, name) + " enters that one beside it"
	}
	if j.Has {
		a.say("room %s:", screen.Line(r.Name))
	}
	changed, _, err := a.engine().Accept(ctx, &j, a.acceptance(ctx, "the file", beside, f.yes, f.unchecked))
	switch {
	case err == nil && !changed:
		return j, "unchanged", nil
	case err == nil && !j.Has:
		a.say("room %s is here, with %s", screen.Line(j.Room.Name), count(len(j.Room.Keys), "key"))
		a.sayLines(j.SayIntroduced("the file"))
		return j, "new", nil
	}
	if errors.Is(err, messenger.ErrNoKey) {
		err = hint(err, "the room may have moved on since the file was written. If you are sure of it, --unchecked takes it all the same")
	}
	return j, "mended", explainEntry(err)
}

// askToBeClaimed prints the command with which the device that wrote a file says that this one is of the same person.
func (a *app) askToBeClaimed(joined []messenger.Imported, asJSON bool) error {
	all, err := a.engine().Introductions(joined)
	if err != nil {
		return err
	}
	var command strings.Builder
	command.WriteString("fernpost identity device claim")
	for _, i := range all {
		code := record.ConsentCode(i.Devices...)
		command.WriteString(" " + code)
		if asJSON {
			if err := a.printJSON(consentJSON{code, i.Key, i.Author, i.Rooms}); err != nil {
				return err
			}
		}
	}
	if asJSON || len(all) == 0 {
		return nil
	}
	a.say("this device signs with a key of its own, whose words are: %s", a.style.bold(passphrase.SixWords(all[0].Key.Safety())))
	a.say("so that the others know it for yours, run on the device that wrote the file:")
	if _, err = fmt.Fprintln(a.stdout, command.String()); err != nil {
		return err
	}
	if nick, err := a.engine().Nickname(); err == nil && nick == "" {
		a.say("a device is shown behind the name of whose it is, such as ana's phone: call this one what it is, \"fernpost identity name phone\"")
	}
	return nil
}
