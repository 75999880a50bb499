package pgtest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fernpost/fernpost/internal/testenv"
)

// superuser is the name of the role that initdb makes.
const superuser = "postgres"

// install is what the test binary needs to run servers.
type install struct {
	// programs is the directory of PostgreSQL's programs.
	programs string
	// uid and gid are of the user postgres, if the test runs as root; otherwise uid is 0.
	uid, gid int
	// base is the directory of all servers' directories.
	base string
	// guarded is closed by the system when the test binary ends, however it ends.
	guarded io.Closer
	// dirs counts the directories.
	dirs atomic.Int64
	// template makes a data directory that servers are copied from, and returns its name.
	template func() (string, error)
}

// Dir returns a new directory for a test that starts PostgreSQL in ways of its own, or skips the test where [Start]
// would do so. It belongs to the user that servers run as, and every directory above lets that user through, which
// those of [testing.T.TempDir] do not. It is removed when the test ends.
func Dir(tb testing.TB) string {
	tb.Helper()
	i := installed(tb)
	dir, err := i.newDir()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			tb.Error(err)
		}
	})
	return dir
}

// errNotInstalled is why tests are skipped.
var errNotInstalled = errors.New("PostgreSQL is not installed")

// installed returns what is needed to run servers, or skips the test.
func installed(tb testing.TB) *install {
	tb.Helper()
	i, err := installation()
	if errors.Is(err, errNotInstalled) && !testenv.CI() {
		tb.Skip(err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// installation finds the programs and makes the directory, once.
var installation = sync.OnceValues(func() (*install, error) {
	i := &install{}
	var err error
	if i.programs, err = findPrograms(); err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		if i.uid, i.gid, err = findUser(); err != nil {
			return nil, err
		}
	}
	if i.base, err = i.makeBase(); err != nil {
		return nil, err
	}
	i.template = sync.OnceValues(i.makeTemplate)
	i.guarded, err = guard(i.base)
	return i, err
})

// findPrograms returns the directory with all that is needed, the newest version's if there are several.
func findPrograms() (string, error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	debian, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(debian, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range append(dirs, debian...) {
		complete := true
		for _, name := range []string{"postgres", "initdb", "pg_basebackup", "psql"} {
			if _, err := exec.LookPath(filepath.Join(dir, name)); err != nil {
				complete = false
				break
			}
		}
		if complete {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%w: no directory of PATH and no /usr/lib/postgresql/*/bin has its programs", errNotInstalled)
}

// findUser returns the user that servers run as where the test runs as root.
func findUser() (uid, gid int, err error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return 0, 0, fmt.Errorf("%w: it does not run as root, and %w", errNotInstalled, err)
	}
	uid, err = strconv.Atoi(u.Uid)
	if err != nil {
		return 0, 0, err
	}
	gid, err = strconv.Atoi(u.Gid)
	return uid, gid, err
}

// makeBase makes the directory of all servers. All directories above it must let the servers' user through, which those
// of [testing.T.TempDir] do not.
func (i *install) makeBase() (string, error) {
	place := os.TempDir()
	for dir := filepath.Clean(place); i.uid != 0; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&1 == 0 {
			place = "/tmp"
			break
		}
		if dir == filepath.Dir(dir) {
			break
		}
	}
	dir, err := os.MkdirTemp(place, "pgtest-") // short, since a socket's path may have about 100 bytes
	if err == nil {
		err = i.give(dir)
	}
	return dir, err
}

// give makes the servers' user own a file or directory.
func (i *install) give(name string) error {
	if i.uid == 0 {
		return nil
	}
	return os.Chown(name, i.uid, i.gid)
}

// newDir makes the directory of one server.
func (i *install) newDir() (string, error) {
	dir := filepath.Join(i.base, strconv.FormatInt(i.dirs.Add(1), 10))
	err := os.Mkdir(dir, 0o700)
	if err == nil {
		err = i.give(dir)
	}
	return dir, err
}

// command is a program of PostgreSQL or of the system, which runs as the servers' user.
func (i *install) command(name string, args ...string) *exec.Cmd {
	if path := filepath.Join(i.programs, name); exists(path) {
		name = path
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = i.base // the directory of the test may be closed to that user
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PG") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "HOME=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "LC_ALL=C", "HOME="+i.base, "PGCONNECT_TIMEOUT=10")
	if i.uid != 0 {
		cmd.SysProcAttr, cmd.Err = asUser(i.uid, i.gid)
	}
	return cmd
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// run runs a program to its end.
func (i *install) run(name string, args ...string) error { return runCommand(i.command(name, args...)) }

func runCommand(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out)
	}
	return nil
}

// templateSettings are those of all servers. That they are quick is worth more than that they outlive a loss of power:
// what is written is in the system's hands when a COMMIT is answered, so a killed server keeps it all the same.
const templateSettings = `
fsync = off
full_page_writes = off
shared_buffers = 32MB
max_wal_size = 1GB
wal_keep_size = 256MB
max_connections = 100
jit = off
wal_retrieve_retry_interval = 200ms
timezone = UTC
log_timezone = UTC
log_line_prefix = '%m [%p] %u@%d '
`

// makeTemplate runs initdb, which takes most of the time that it takes to start a server.
func (i *install) makeTemplate() (string, error) {
	dir := filepath.Join(i.base, "template")
	err := i.run("initdb", "--pgdata="+dir, "--username="+superuser, "--auth=trust", "--no-sync", "--encoding=UTF8",
		"--locale=C", "--wal-segsize=4")
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(filepath.Join(dir, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(templateSettings)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	alone := i.command("postgres", "--single", "-D", dir, "postgres")
	alone.Stdin = strings.NewReader(fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'\n", Role, Password))
	return dir, runCommand(alone)
}
