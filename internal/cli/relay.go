package cli

import (
	"github.com/spf13/cobra"

	"github.com/fernpost/fernpost/internal/relay/relaycmd"
)

func (a *app) relayCommand() *cobra.Command {
	return relaycmd.NewCommand()
}
