package cli

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// confirm asks a question that only a person before a terminal, or --yes, can
// answer.
func (a *App) confirm(yes bool, question string) error {
	if yes {
		return nil
	}
	if !a.Terminal {
		return usagef("%s There is no terminal to ask on: add --yes", question)
	}
	if _, err := fmt.Fprintf(a.Err, "%s [y/N] ", question); err != nil {
		return written(err)
	}
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	if err != nil && answer == "" {
		return fmt.Errorf("read the answer: %w", err)
	}
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return nil
	default:
		return errors.New("not confirmed, nothing was done")
	}
}

// assent are the flags of commands that change something.
type assent struct{ yes, noWait bool }

func (f *assent) register(cmd *cobra.Command, noWaitUsage string) {
	cmd.Flags().BoolVar(&f.yes, "yes", false, "answer the question with yes; not asked without a terminal")
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, noWaitUsage)
}
