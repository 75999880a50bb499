package cli

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/licenses"
	"github.com/fernpost/fernpost/internal/screen"
)

func (a *app) licensesCommand() *cobra.Command {
	var list, asJSON bool
	cmd := &cobra.Command{
		Use:   "licenses [NAME]",
		Short: "Print the licences of this program and of what it is made of",
		Long: `licenses prints the licences of fernpost, of the Go modules that it is made of, and of the data in it: all texts, or those of
the parts whose names have NAME in them. Whoever passes the program on passes these on with it.`,
		Example: `  fernpost licenses --list
  fernpost licenses resty
  fernpost licenses > LICENSES.txt`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			parts, err := licenses.All()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				if parts = partsNamed(parts, args[0]); len(parts) == 0 {
					return hint(fmt.Errorf("no part of this program is called %s", screen.Line(args[0])), `"fernpost licenses --list" names them`)
				}
			}
			return a.printLicenses(parts, list, asJSON)
		},
		SuggestFor: []string{"copyright"},
	}
	cmd.Flags().BoolVar(&list, "list", false, "only the names and versions")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	cmd.MarkFlagsMutuallyExclusive("list", "json")
	return cmd
}

func partsNamed(parts []licenses.Part, name string) (named []licenses.Part) {
	for _, p := range parts {
		if strings.Contains(strings.ToLower(p.Name), strings.ToLower(name)) {
			named = append(named, p)
		}
	}
	return named
}

func (a *app) printLicenses(parts []licenses.Part, list, asJSON bool) error {
	out := bufio.NewWriter(a.stdout)
	for i, p := range parts {
		title := strings.TrimSpace(p.Name + " " + p.Version)
		var err error
		switch {
		case asJSON:
			err = writeJSON(out, licenceJSON(p))
		case list:
			_, err = fmt.Fprintln(out, title)
		default:
			if i > 0 {
				title = "\n\n" + title
			}
			_, err = fmt.Fprintf(out, "%s\n%s\n\n%s\n", title, strings.Repeat("=", len(strings.TrimSpace(title))), p.Text)
		}
		if err != nil {
			return err
		}
	}
	return out.Flush()
}
